//! A day in the life of an account, again and again with new people, keys, campaigns, payments and
//! gateways; the rules in memory decide the same.

use std::sync::Arc;

use tollgate::amount::Amount;
use tollgate::ledger::operation::{Fingerprint, RecipientHash};
use tollgate::ledger::state::AccountState;
use tollgate::ledger::{
    AllowanceRule, Batch, CampaignUse, CapRule, DoubtReason, InDoubtPolicies, InDoubtPolicy,
    Operation, Reserve, Retention, Verdict, WindowRule,
};
use tollgate::pricing::Category;

use crate::support::ledger_script::{Labels, Line, operations};
use crate::support::{Backend, DAY, HOUR, LedgerCase, MINUTE, SECOND, day, month};

/// Times of the day at which something happens.
const TURNS: i64 = 6;

/// People who are written to again and again.
const REGULARS: u64 = 30;

const COUNTRIES: [&str; 3] = ["IN", "DE", "US"];
const CHANNELS: [&str; 4] = ["100", "200", "300", "400"];

pub struct Life {
    pub case: LedgerCase,
    pub model: AccountState,
    /// Whether aliases are learned that nobody confirms.
    long: bool,
    /// Days that have passed.
    day: u64,
    /// Sends that were made.
    made: u64,
    plain: Reserve,
}

/// A hash for a number.
fn hash(number: u64) -> RecipientHash {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9).to_be_bytes()
}

fn fingerprint(number: u64) -> Fingerprint {
    [hash(number), hash(number ^ u64::MAX)].concat().try_into().unwrap()
}

impl Life {
    pub async fn begin(backend: Backend, long: bool) -> Life {
        let case = LedgerCase::alone(backend).await;
        let now_ms = case.clock.now_ms();
        let caps = [(0b1, 3, 86_400), (0b11, 60, 2_592_000)]
            .map(|(categories, max, window_s)| CapRule { categories, max, window_s });
        let plain = Reserve {
            amount: "0.01".parse().unwrap(),
            caps: caps.into(),
            window: Some(WindowRule { portfolio: "p1".parse().unwrap(), limit: 10_000 }),
            ..operations::send(&Line::parse("send x"), now_ms, 1)
        };
        let model = AccountState::default();
        let mut life = Life { case, model, long, day: 0, made: 0, plain };
        let founding = Line::parse("document account/account {\"currency\":\"USD\"}");
        let founding = vec![operations::operation(&founding, now_ms, &Labels::new())];
        let batch = Batch { writer: 1, number: 1, clock_ms: now_ms, operations: founding };
        life.model.apply_batch(&batch, now_ms).unwrap();
        life.lines(&["wallet main low=5.00,1.00", "wallet small", "create diwali wallet=main"])
            .await;
        life
    }

    /// Kinds of what is kept that a day must have made, so that their size proves something.
    pub fn uses(&self, backend: Backend) -> &'static [&'static str] {
        match backend {
            Backend::Redis => &[
                "writers",
                "events",
                "c",
                "ci",
                "cd",
                "r",
                "p",
                "wc",
                "g",
                "unheard",
                "i",
                "a",
                "u",
                "ed",
                "rd",
                "ref",
                "doubt",
                "b",
                "allowances",
            ],
            Backend::Embedded => &[
                "rows",
                "events",
                "campaigns in memory",
                "holds in memory",
                "slots in memory",
                "cap hits in memory",
                "keys in memory",
                "unheard in memory",
                "recipients in memory",
                "aliases in memory",
                "usage in memory",
                "event days in memory",
                "references in memory",
            ],
        }
    }

    /// Puts a batch to the ledger and to the rules.
    async fn apply(&mut self, operations: Vec<Operation>) -> Vec<Verdict> {
        let batch = self.case.batch(operations);
        let verdicts = self.case.ledger.ledger.apply(&self.case.account, &batch).await.unwrap();
        let expected = self.model.apply_batch(&batch, self.case.clock.now_ms()).unwrap();
        assert_eq!(verdicts, expected, "{:?}", batch.operations);
        self.model.take_changes();
        verdicts
    }

    async fn lines(&mut self, lines: &[&str]) {
        let now_ms = self.case.clock.now_ms();
        let operation =
            |line: &&str| operations::operation(&Line::parse(line), now_ms, &Labels::new());
        self.apply(lines.iter().map(operation).collect()).await;
    }

    /// One day, swept as often as something happens.
    pub async fn day(&mut self, retention: Retention) {
        self.restart().await;
        self.office().await;
        for turn in 0..TURNS {
            self.case.clock.advance(DAY / TURNS - 2 * MINUTE);
            self.turn(turn).await;
            self.sweep(retention).await;
            self.case.clock.advance(2 * MINUTE);
            self.sweep(retention).await;
        }
        self.day += 1;
    }

    /// A gateway is replaced each day, and the embedded ledger opened anew each week.
    async fn restart(&mut self) {
        if self.day % 7 == 6 {
            self.case.reopen().await;
            if self.case.doubts_open_holds_on_opening() {
                self.model.doubt_open_holds(self.case.clock.now_ms());
                self.model.take_changes();
            }
        } else {
            let account = self.case.account.to_string();
            self.case.turn_to(&account);
        }
    }

    /// What people do.
    async fn office(&mut self) {
        let (today, week) = (self.day, self.day / 7);
        let [paid, gift] = ["pay", "gift"].map(|what| format!("{what}-{today}"));
        self.lines(&[
            &format!("top-up main 3.00 {paid}"),
            &format!("top-up main 3.00 {paid}"),
            &format!("adjust main 0.10 {gift} goodwill"),
            &format!("top-up small 0.05 {paid}"),
            &format!("document waba/7 {today}"),
            "stop diwali operator",
            "restart diwali",
        ])
        .await;
        let pair = if self.long { today + 1_000_000 } else { today % REGULARS + 1_000_000 };
        self.apply(vec![Operation::LearnAlias {
            recipients: [hash(pair), hash(pair + (1 << 40))].into(),
        }])
        .await;
        if today % 7 == 0 {
            self.lines(&[&format!("create once-{week} dedupe")]).await;
            if week % 2 == 1 {
                self.lines(&[&format!("finish once-{}", week - 1)]).await;
            }
        }
    }

    /// The next send, to somebody new, from one of the channels to one of the countries.
    fn send(&mut self) -> Reserve {
        self.made += 1;
        let now_ms = self.case.clock.now_ms();
        let nth = |choices: &[&'static str], divisor: u64| {
            choices[usize::try_from(self.made / divisor).unwrap() % choices.len()]
        };
        Reserve {
            hold: operations::send(&Line::parse("send x"), now_ms, 1).hold,
            settings_version: self.model.settings_version(),
            channel: nth(&CHANNELS, 1).parse().unwrap(),
            country: nth(&COUNTRIES, 4).parse().unwrap(),
            recipient: hash(self.made),
            fingerprint: fingerprint(self.made),
            ..self.plain.clone()
        }
    }

    async fn turn(&mut self, turn: i64) {
        let campaign =
            |id: String| Some(CampaignUse { id: id.parse().unwrap(), auto_create: true });
        let (today, week) = (self.day, self.day / 7);
        let mut sends: Vec<Reserve> = (0..10).map(|_| self.send()).collect();
        sends[1].key = Some(sends[1].fingerprint);
        sends[2].recipient = hash(self.made % REGULARS + (1 << 50));
        sends[2].campaign = campaign("diwali".into());
        sends[3].campaign = campaign(format!("day-{today}"));
        sends[4].campaign = campaign(format!("once-{week}"));
        sends[5] = Reserve { wallet: None, amount: Amount::ZERO, ..sends[5].clone() };
        sends[6].category = Category::Service;
        sends[6].allowance =
            Some(AllowanceRule { limit: 1, month: month(self.case.clock.now_ms()) });
        sends[7].guarding = true;
        sends[8].window = Some(WindowRule { portfolio: "p2".parse().unwrap(), limit: 10_000 });
        sends[9].wallet = Some("small".parse().unwrap());
        sends[9].campaign = campaign(format!("poor-{today}"));
        let now_ms = self.case.clock.now_ms();
        let holds: Vec<_> = sends.iter().map(|send| send.hold).collect();
        self.apply(sends.into_iter().map(|send| Operation::Reserve(Box::new(send))).collect())
            .await;
        let settle = |index: usize| Operation::Settle {
            hold: holds[index],
            message_id: Some(Arc::from("wamid.HBgMOTE5ODc2NTQzMjEwFQIAERgSQjA4RjYy")),
            day: day(now_ms),
        };
        let mut ends: Vec<Operation> = (0..6).chain([7]).map(settle).collect();
        // One of each day is never reported, the others are in doubt.
        if turn > 0 {
            ends.push(Operation::MarkInDoubt { hold: holds[6], reason: DoubtReason::Deadline });
        }
        let reason = "release x refused=131026";
        let Operation::Release { reason, .. } =
            operations::operation(&Line::parse(reason), now_ms, &Labels::new())
        else {
            panic!("{reason}")
        };
        ends.push(Operation::Release { hold: holds[8], reason });
        self.apply(ends).await;
        self.lines(&[&format!("count day-{today} campaign_stopped 3")]).await;
    }

    async fn sweep(&mut self, retention: Retention) {
        loop {
            let sweep = Operation::Sweep {
                open_age_ms: 38 * SECOND,
                in_doubt_age_ms: 12 * HOUR,
                policies: InDoubtPolicies::always(InDoubtPolicy::Charge),
                retention,
                day: day(self.case.clock.now_ms()),
            };
            if !matches!(self.apply(vec![sweep]).await[..], [Verdict::Swept { more: true, .. }]) {
                return;
            }
        }
    }
}
