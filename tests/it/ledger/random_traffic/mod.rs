//! Random but repeatable traffic for one account: few names, so that everything meets everything,
//! and steps in time from milliseconds to weeks.

mod bursts;

use std::sync::Arc;

use tollgate::amount::{Amount, MAX_MICROS};
use tollgate::ids::HoldId;
use tollgate::ledger::operation::MAX_BATCH;
use tollgate::ledger::state::AccountState;
use tollgate::ledger::{
    AllowanceRule, Answer, CampaignPlan, CampaignUse, CapRule, DocumentKind, DoubtReason,
    InDoubtPolicies, InDoubtPolicy, Operation, RecipientHash, RefusalCode, ReleaseReason, Reserve,
    Retention, StopReason, WindowRule,
};
use tollgate::pricing::Category;
use tollgate::rejection::RejectionKind;

use crate::support::{DAY, HOUR, MINUTE, SECOND, day, month};

/// The same numbers for the same seed, on every machine (SplitMix64).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `end - 1`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() % u64::try_from(end).unwrap()).unwrap()
    }

    /// `percent` times in a hundred.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    fn milliseconds(&mut self, below: i64) -> i64 {
        i64::try_from(self.below(usize::try_from(below).unwrap())).unwrap()
    }
}

pub const WALLETS: [&str; 3] = ["main", "other", "spare"];
const CAMPAIGNS: [&str; 5] = ["diwali", "holi", "onam", "pongal", "recall"];
pub const PORTFOLIOS: [&str; 2] = ["p1", "p2"];
const CATEGORIES: [Category; 3] = [Category::Marketing, Category::Utility, Category::Service];
const REASONS: [StopReason; 5] = [
    StopReason::Operator,
    StopReason::QualityRed,
    StopReason::UpstreamPaymentProblem,
    StopReason::ErrorRate,
    StopReason::CreditsExhausted,
];

/// What holds for a whole sequence.
pub struct Traffic {
    pub dice: Dice,
    pub caps: Arc<[CapRule]>,
    pub limit: u32,
    pub policies: InDoubtPolicies,
    free: u32,
    /// Price of the cheapest message in micro-credits: some sequences compute near 2^53.
    unit: i64,
    made: u64,
    /// Whether its account observes at times.
    observes: bool,
    /// How long what is past is kept.
    pub retention: Retention,
    /// For sequences in which little is kept: months pass, and it is swept often.
    ends: Option<Dice>,
    /// For sequences in which much is alike: sends of one kind in one go, settles in one go.
    bursts: Option<Dice>,
    /// Every hold reserved or refused, to be named again later.
    asked: Vec<HoldId>,
}

impl Traffic {
    pub fn new(seed: u64) -> Traffic {
        let mut dice = Dice::new(seed);
        let rule = |dice: &mut Dice| CapRule {
            categories: *dice.pick(&[0b1, 0b10, 0b11, 0b1_0011]),
            max: u32::try_from(1 + dice.below(3)).unwrap(),
            window_s: *dice.pick(&[60, 3600, 86_400, 604_800]),
        };
        let caps = (0..dice.below(4)).map(|_| rule(&mut dice)).collect();
        let mut limit = u32::try_from(1 + dice.below(5)).unwrap();
        let either = [InDoubtPolicy::Charge, InDoubtPolicy::Release];
        let policies = DoubtReason::ALL
            .into_iter()
            .fold(InDoubtPolicies::always(*dice.pick(&either)), |policies, reason| {
                policies.with(reason, *dice.pick(&either))
            });
        let free = u32::try_from(dice.below(4)).unwrap();
        let unit = *dice.pick(&[10_000, 10_000, 11_801, 1, 1 << 38]);
        let observes = seed.is_multiple_of(5);
        // Dice of their own, so that the other sequences stay as they are.
        let mut ends = matches!(seed % 4, 1 | 2).then(|| Dice::new(!seed));
        let mut bursts = (seed % 5 == 3).then(|| Dice::new(!seed << 1));
        limit += bursts.as_mut().map_or(0, |bursts| u32::try_from(bursts.below(30)).unwrap());
        let retention =
            ends.as_mut().map_or_else(|| days_of(|| Retention::MAX_DAYS), short_retention);
        Traffic {
            dice,
            caps,
            limit,
            policies,
            free,
            unit,
            made: 0,
            observes,
            retention,
            ends,
            bursts,
            asked: Vec::new(),
        }
    }

    /// How far the clock moves before the next batch: mostly little, sometimes to the edge of a
    /// minute or a day, now and then back.
    pub fn step_ms(&mut self, now_ms: i64) -> i64 {
        if let Some(ends) = &mut self.ends
            && ends.percent(5)
        {
            return *ends.pick(&[4, 20, 60]) * DAY + ends.milliseconds(DAY);
        }
        let dice = &mut self.dice;
        let to_edge = |length: i64| length - now_ms.rem_euclid(length);
        match dice.below(100) {
            0..25 => 0,
            25..45 => dice.milliseconds(SECOND),
            45..60 => dice.milliseconds(MINUTE),
            60..68 => to_edge(MINUTE) - dice.milliseconds(2),
            68..78 => dice.milliseconds(90 * MINUTE),
            78..86 => dice.milliseconds(13 * HOUR),
            86..89 => to_edge(DAY / 2) - dice.milliseconds(2),
            89..94 => DAY - MINUTE + dice.milliseconds(3 * MINUTE),
            94..97 => dice.milliseconds(3 * DAY),
            97 => 31 * DAY + dice.milliseconds(DAY),
            _ => -dice.milliseconds(MINUTE),
        }
    }

    /// How far this batch's gateway is off the ledger's clock; seldom too far.
    pub fn skew_ms(&mut self) -> i64 {
        match self.dice.below(40) {
            0 => *self.dice.pick(&[MINUTE + 1, -MINUTE - 1, DAY]),
            1..8 => *self.dice.pick(&[MINUTE, -MINUTE, 1, -1, 1500, -1500]),
            _ => 0,
        }
    }

    /// Operations for one batch, made by a gateway whose clock is at `gateway_ms`.
    pub fn batch(&mut self, model: &AccountState, gateway_ms: i64) -> Vec<Operation> {
        if let Some(mut bursts) = self.bursts.take() {
            let burst = bursts.percent(60).then(|| self.burst(&mut bursts, model, gateway_ms));
            self.bursts = Some(bursts);
            if let Some(burst) = burst {
                return burst;
            }
        }
        let most = if self.dice.percent(4) { MAX_BATCH } else { 7 };
        let length = 1 + self.dice.below(most);
        (0..length).map(|_| self.operation(model, gateway_ms)).collect()
    }

    fn operation(&mut self, model: &AccountState, gateway_ms: i64) -> Operation {
        if self.ends.as_mut().is_some_and(|ends| ends.percent(6)) {
            return self.sweep(gateway_ms);
        }
        match self.dice.below(100) {
            0..46 => Operation::Reserve(Box::new(self.send(model, gateway_ms))),
            46..62 => self.settle(model, gateway_ms),
            62..69 => self.release(model),
            69..72 => {
                let reason = *self.dice.pick(&DoubtReason::ALL);
                Operation::MarkInDoubt { hold: self.hold(model), reason }
            }
            72..74 => Operation::Abandon { hold: self.hold(model) },
            74..76 => self.answer(model),
            76..85 => self.money(),
            85..87 => self.document(),
            87..89 => self.alias(),
            89..97 => self.campaign_change(),
            _ => self.sweep(gateway_ms),
        }
    }

    fn sweep(&mut self, gateway_ms: i64) -> Operation {
        Operation::Sweep {
            open_age_ms: *self.dice.pick(&[38 * SECOND, HOUR]),
            in_doubt_age_ms: *self.dice.pick(&[2 * HOUR, DAY]),
            policies: self.policies,
            retention: self.retention,
            day: day(gateway_ms),
        }
    }

    fn send(&mut self, model: &AccountState, gateway_ms: i64) -> Reserve {
        let hold = self.new_hold(gateway_ms);
        let dice = &mut self.dice;
        let external = dice.percent(10);
        let category = *dice.pick(&CATEGORIES);
        let price = self.unit * *dice.pick(&[0, 1, 1, 1, 2, 5, 40]);
        let campaign = dice.percent(65).then(|| CampaignUse {
            id: dice.pick(&CAMPAIGNS).parse().unwrap(),
            auto_create: dice.percent(80),
        });
        // Mostly the campaign's own wallet, so that something is sent.
        let own = campaign
            .as_ref()
            .and_then(|named| model.campaign_view(&named.id))
            .and_then(|view| view.wallet);
        let payer = own.filter(|_| dice.percent(80)).unwrap_or_else(|| {
            dice.pick(&["main", "main", "other", "spare", "nobody"]).parse().unwrap()
        });
        let stale = u64::from(dice.percent(3));
        // A key belongs mostly to one body; now and then a client mixes them up.
        let body = u8::try_from(dice.below(6)).unwrap();
        let key = dice.percent(35).then(|| {
            if dice.percent(80) { [body; 16] } else { [u8::try_from(dice.below(6)).unwrap(); 16] }
        });
        Reserve {
            hold,
            settings_version: model.settings_version() - stale,
            price_valid_until_ms: if dice.percent(3) {
                gateway_ms + dice.milliseconds(3) - 1
            } else {
                i64::MAX
            },
            wallet: (!external).then_some(payer),
            campaign,
            channel: dice.pick(&["100", "200"]).parse().unwrap(),
            country: dice.pick(&["IN", "IN", "DE", "US"]).parse().unwrap(),
            category,
            amount: if external { Amount::ZERO } else { Amount::from_micros(price).unwrap() },
            allowance: (category == Category::Service)
                .then(|| AllowanceRule { limit: self.free, month: month(gateway_ms) }),
            recipient: recipient(dice),
            spelled: dice.percent(20).then(|| recipient(dice)),
            window: dice.percent(70).then(|| WindowRule {
                portfolio: dice.pick(&PORTFOLIOS).parse().unwrap(),
                limit: self.limit,
            }),
            caps: self.caps.clone(),
            fingerprint: if key.is_some() || dice.percent(30) {
                [body; 16]
            } else {
                *hold.as_bytes()
            },
            key,
            guarding: dice.percent(5),
            observe: self.observes && dice.percent(50),
            abandoned_replay_s: *dice.pick(&[0, 3600, 86_400, 86_400]),
        }
    }

    /// An answer nobody heard, to one of the bodies that come again, or one that was heard.
    fn answer(&mut self, model: &AccountState) -> Operation {
        let hold = self.hold(model);
        let fingerprint = [u8::try_from(self.dice.below(6)).unwrap(); 16];
        if self.dice.percent(50) {
            return Operation::Hear { hold, fingerprint };
        }
        let amount = Amount::from_micros(self.unit).unwrap();
        let message_id = Arc::from("wamid.late");
        Operation::KeepUnheard(Box::new(Answer { hold, fingerprint, amount, message_id }))
    }

    /// A version 7 UUID from the dice, so that a seed gives the same order again. Mostly it differs
    /// from the last one in its last byte only, as a gateway numbers them.
    fn new_hold(&mut self, gateway_ms: i64) -> HoldId {
        if self.dice.percent(70)
            && let Some(last) = self.asked.last()
        {
            let mut bytes = *last.as_bytes();
            let skipped = u8::try_from(1 + self.dice.below(3)).unwrap();
            if let Some(position) = bytes[15].checked_add(skipped) {
                bytes[15] = position;
                let hold = HoldId::from_bytes(bytes);
                self.asked.push(hold);
                return hold;
            }
        }
        let hold = self.unlike_hold(gateway_ms);
        self.asked.push(hold);
        hold
    }

    fn unlike_hold(&mut self, gateway_ms: i64) -> HoldId {
        let mut bytes = [0u8; 16];
        bytes[6..14].copy_from_slice(&self.dice.roll().to_be_bytes());
        bytes[14..].copy_from_slice(&self.dice.roll().to_be_bytes()[..2]);
        bytes[..6].copy_from_slice(&gateway_ms.to_be_bytes()[2..]);
        bytes[6] = bytes[6] & 0x0f | 0x70;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        HoldId::from_bytes(bytes)
    }

    /// Mostly one that is unresolved; else any other: refused, resolved, or just made
    /// in this batch.
    fn hold(&mut self, model: &AccountState) -> HoldId {
        let unresolved: Vec<HoldId> =
            model.hold_views_after(None, None).map(|view| view.id).collect();
        if !unresolved.is_empty() && self.dice.percent(75) {
            return *self.dice.pick(&unresolved);
        }
        if self.asked.is_empty() {
            return HoldId::from_bytes([0xee; 16]);
        }
        let newest = self.asked.len().saturating_sub(12);
        *self.dice.pick(&self.asked[newest..])
    }

    fn settle(&mut self, model: &AccountState, gateway_ms: i64) -> Operation {
        let hold = self.hold(model);
        self.made += 1;
        let message_id = self.dice.percent(90).then(|| Arc::from(format!("wamid.{}", self.made)));
        Operation::Settle { hold, message_id, day: day(gateway_ms) }
    }

    /// Two recipients, or three, turn out to be one person.
    fn alias(&mut self) -> Operation {
        let dice = &mut self.dice;
        let mut recipients: Vec<RecipientHash> = Vec::new();
        for _ in 0..2 + dice.below(2) {
            let recipient = recipient(dice);
            if !recipients.contains(&recipient) {
                recipients.push(recipient);
            }
        }
        Operation::LearnAlias { recipients: recipients.into() }
    }

    fn release(&mut self, model: &AccountState) -> Operation {
        let reason = *self.dice.pick(&[
            ReleaseReason::NotSent,
            ReleaseReason::Operator,
            ReleaseReason::Refused(RefusalCode::Graph(131_026)),
            ReleaseReason::Refused(RefusalCode::Graph(-1)),
            ReleaseReason::Refused(RefusalCode::Intermediary(403)),
        ]);
        Operation::Release { hold: self.hold(model), reason }
    }

    fn money(&mut self) -> Operation {
        self.made += 1;
        let dice = &mut self.dice;
        let wallet = dice.pick(&WALLETS).parse().unwrap();
        let fresh = self.made;
        let reference: Arc<str> = if dice.percent(75) {
            format!("pay/{fresh}").into()
        } else {
            format!("again-{}", dice.below(4)).into()
        };
        let some = |dice: &mut Dice, unit: i64| {
            Amount::from_micros(unit * *dice.pick(&[0, 1, 2, 5, 10, 30])).unwrap()
        };
        match dice.below(10) {
            0..5 => {
                let most = Amount::from_micros(MAX_MICROS).unwrap();
                let amount = if dice.percent(2) { most } else { some(dice, self.unit) };
                Operation::TopUp { wallet, amount, reference }
            }
            5..8 => {
                let amount = some(dice, self.unit);
                let amount = if dice.percent(60) { amount.negated() } else { amount };
                Operation::Adjust {
                    wallet,
                    amount,
                    reference,
                    reason: (*dice.pick(&["", "typo"])).into(),
                }
            }
            _ => {
                let thresholds = (0..dice.below(4)).map(|_| some(dice, self.unit)).collect();
                Operation::PutWallet {
                    wallet,
                    overdraft_limit: dice.percent(50).then(|| some(dice, self.unit)),
                    low_balance_thresholds: dice.percent(50).then_some(thresholds),
                }
            }
        }
    }

    fn document(&mut self) -> Operation {
        let dice = &mut self.dice;
        let (kind, id) = *dice.pick(&[
            (DocumentKind::Channel, "100"),
            (DocumentKind::Waba, "7"),
            (DocumentKind::Template, "7/sale/de"),
        ]);
        let (id, mut text) = (id.into(), || format!("{{\"n\":{}}}", dice.below(2)).into());
        let (body, replaces) = (text(), text());
        let replaces = dice.percent(40).then_some(replaces);
        if dice.percent(30) {
            return Operation::DeleteDocument { kind, id, replaces };
        }
        let only_if_absent = dice.percent(30);
        Operation::PutDocument { kind, id, body, only_if_absent, replaces }
    }

    fn campaign_change(&mut self) -> Operation {
        let dice = &mut self.dice;
        let campaign = dice.pick(&CAMPAIGNS).parse().unwrap();
        match dice.below(20) {
            0..5 => Operation::CreateCampaign(Box::new(CampaignPlan {
                id: campaign,
                name: (*dice.pick(&["", "Lights"])).into(),
                wallet: dice.percent(50).then(|| dice.pick(&WALLETS).parse().unwrap()),
                budget: dice.percent(40).then(|| {
                    Amount::from_micros(self.unit * *dice.pick(&[-1, 0, 3, 10, 100])).unwrap()
                }),
                dedupe_recipients: dice.percent(40),
                exempt_from_caps: dice.percent(40),
            })),
            5..8 => Operation::StopCampaign { campaign, reason: *dice.pick(&REASONS) },
            8..17 => Operation::RestartCampaign { campaign },
            17 => Operation::FinishCampaign { campaign },
            _ => Operation::CountRejections {
                campaign,
                rejection: RejectionKind::CampaignStopped,
                count: u64::try_from(dice.below(3)).unwrap(),
            },
        }
    }
}

fn short_retention(dice: &mut Dice) -> Retention {
    days_of(|| *dice.pick(&[1, 3, 20]))
}

fn days_of(mut days: impl FnMut() -> u32) -> Retention {
    Retention {
        usage_days: days(),
        events_days: days(),
        campaign_days: days(),
        reference_days: days(),
    }
}

fn recipient(dice: &mut Dice) -> RecipientHash {
    [u8::try_from(dice.below(6)).unwrap(); 8]
}
