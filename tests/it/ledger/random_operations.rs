//! Random operations against the ledger and the pure rules at once: after every batch both return
//! and show the same, and every invariant holds.
//!
//! A failure prints its seed; `TOLLGATE_RANDOM_SEED=N` runs that one alone,
//! `TOLLGATE_RANDOM_ROUNDS=N` runs N times as many.

use std::collections::VecDeque;
use std::time::Duration;

use tollgate::ledger::state::AccountState;
use tollgate::ledger::{
    Batch, Entry, Event, HoldState, LedgerFault, Operation, Retention, Verdict,
};

use super::invariants::{Auditor, View};
use super::random_traffic::{PORTFOLIOS, Traffic, WALLETS};
use crate::support::ledger_script::{Labels, Line, operations::operation, render};
use crate::support::{Backend, CASE_START_MS, LedgerCase, all};

/// Sequences in one round, and batches in each: a hundred operations or more.
const SEQUENCES: u64 = 70;
const BATCHES: usize = 24;

/// Seeds that have found a mistake.
const REGRESSIONS: &[u64] = &[159, 192];

#[tokio::test]
async fn the_embedded_ledger_follows_the_rules() {
    run(Backend::Embedded, Trouble::default()).await;
}

#[tokio::test]
async fn the_embedded_ledger_follows_the_rules_over_restarts() {
    run(Backend::Embedded, Trouble { reopen_percent: 6, ..Trouble::default() }).await;
}

#[tokio::test]
async fn the_embedded_ledger_follows_the_rules_over_failed_commits() {
    run(Backend::Embedded, Trouble { fail_percent: 30, reopen_percent: 6, ..Trouble::default() })
        .await;
}

#[tokio::test]
async fn the_embedded_ledger_follows_the_rules_over_crashes() {
    run(Backend::Embedded, Trouble { crash_percent: 12, ..Trouble::default() }).await;
}

#[tokio::test]
async fn the_redis_ledger_follows_the_rules() {
    run(Backend::Redis, Trouble { reopen_percent: 2, ..Trouble::default() }).await;
}

/// What happens to a ledger before a batch.
#[derive(Clone, Copy, Default)]
struct Trouble {
    /// How often it is closed and opened.
    reopen_percent: usize,
    /// How often its process dies, and another begins with the files as they are.
    crash_percent: usize,
    /// How often its disk takes nothing of the batch at first.
    fail_percent: usize,
}

/// Runs all sequences, in cases that hold several accounts.
async fn run(backend: Backend, trouble: Trouble) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seeds: Vec<u64> = match number("TOLLGATE_RANDOM_SEED") {
        Some(seed) => vec![seed],
        None => REGRESSIONS
            .iter()
            .copied()
            .chain(1..=SEQUENCES * number("TOLLGATE_RANDOM_ROUNDS").unwrap_or(1))
            .collect(),
    };
    for some in seeds.chunks(20) {
        let mut case = LedgerCase::without_account(backend).await;
        for seed in some {
            // Each account has a time of its own, so a seed does the same alone and after others.
            case.clock.advance(CASE_START_MS - case.clock.now_ms());
            case.turn_to(&format!("account-{seed}"));
            let mut sequence = Sequence::begin(*seed, &mut case).await;
            for _ in 0..BATCHES {
                sequence.step(&mut case, trouble).await;
            }
            sequence.story.finished = true;
        }
    }
}

/// What is printed when a sequence fails: its seed and its last batches.
struct Story {
    seed: u64,
    steps: usize,
    last: VecDeque<(Batch, Result<Vec<Verdict>, LedgerFault>)>,
    finished: bool,
}

impl Story {
    fn note(&mut self, batch: &Batch, expected: &Result<Vec<Verdict>, LedgerFault>) {
        self.steps += 1;
        self.last.truncate(2);
        self.last.push_front((batch.clone(), expected.clone()));
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        println!("seed {} failed after {} batches; the last, newest first:", self.seed, self.steps);
        for (batch, expected) in &self.last {
            println!(
                "batch {} of writer {} at {}: {:?}",
                batch.number,
                batch.writer,
                batch.clock_ms,
                expected.as_ref().err()
            );
            for (operation, verdict) in batch.operations.iter().zip(expected.iter().flatten()) {
                println!("  {operation:?}\n    -> {verdict:?}");
            }
        }
    }
}

struct Sequence {
    traffic: Traffic,
    model: AccountState,
    entries: Vec<Entry>,
    events: Vec<Event>,
    auditor: Auditor,
    story: Story,
}

impl Sequence {
    async fn begin(seed: u64, case: &mut LedgerCase) -> Sequence {
        let traffic = Traffic::new(seed);
        let auditor = Auditor::new(traffic.retention.usage_days < Retention::MAX_DAYS);
        let mut sequence = Sequence {
            traffic,
            model: AccountState::default(),
            entries: Vec::new(),
            events: Vec::new(),
            auditor,
            story: Story { seed, steps: 0, last: VecDeque::new(), finished: false },
        };
        let lines = [
            "document account/account {}",
            "wallet main limit=0.03",
            "wallet other low=0.10,0.02",
            "wallet spare",
            "top-up main 0.20 p",
            "create diwali wallet=main budget=0.05",
            "create holi dedupe",
            "create recall exempt",
        ];
        let founding =
            lines.map(|line| operation(&Line::parse(line), case.clock.now_ms(), &Labels::new()));
        sequence.put(case, founding.into(), 0).await;
        sequence
    }

    async fn step(&mut self, case: &mut LedgerCase, trouble: Trouble) {
        case.clock.advance(self.traffic.step_ms(case.clock.now_ms()));
        if self.traffic.dice.percent(trouble.reopen_percent) {
            case.reopen().await;
            if case.doubts_open_holds_on_opening() {
                self.model.doubt_open_holds(case.clock.now_ms());
            }
            self.auditor.note(&[], &[], self.model.last_ms());
            self.compare(case).await;
        }
        if self.traffic.dice.percent(trouble.crash_percent) {
            // A time that nothing was stamped with is lost, unless the machine's clock keeps it.
            case.clock.advance((self.model.last_ms() - case.clock.now_ms()).max(0));
            case.crash().await;
            self.model.doubt_open_holds(case.clock.now_ms());
            self.auditor.note(&[], &[], self.model.last_ms());
            self.compare(case).await;
        }
        let skew_ms = self.traffic.skew_ms();
        let operations = self.traffic.batch(&self.model, case.clock.now_ms() + skew_ms);
        if self.traffic.dice.percent(trouble.fail_percent)
            && !self.fails(case, operations.clone()).await
        {
            return;
        }
        self.put(case, operations, skew_ms).await;
    }

    /// One batch that the disk does not take, at the begin of its transaction or later: the ledger
    /// shows nothing of it. Returns `false` if there was nothing to write, and nothing failed.
    async fn fails(&mut self, case: &mut LedgerCase, operations: Vec<Operation>) -> bool {
        let table = if self.traffic.dice.percent(50) { "entries" } else { "journal" };
        let file = rusqlite::Connection::open(case.directory().join("ledger.sqlite3")).unwrap();
        file.busy_timeout(Duration::from_secs(5)).unwrap();
        file.execute_batch(&format!(
            "CREATE TRIGGER full AFTER INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'full'); END"
        ))
        .unwrap();
        let batch = case.batch(operations);
        let verdicts = case.ledger.ledger.apply(&case.account, &batch).await;
        file.execute_batch("DROP TRIGGER full").unwrap();
        let failed = verdicts.is_err();
        if let Ok(verdicts) = verdicts {
            assert_eq!(self.model.apply_batch(&batch, case.clock.now_ms()), Ok(verdicts.clone()));
            self.auditor.note(&batch.operations, &verdicts, case.clock.now_ms());
        } else {
            case.give_number_back();
        }
        self.compare(case).await;
        failed
    }

    /// One batch to both.
    async fn put(&mut self, case: &mut LedgerCase, operations: Vec<Operation>, skew_ms: i64) {
        let store_ms = case.clock.now_ms();
        let batch = Batch { clock_ms: store_ms + skew_ms, ..case.batch(operations) };
        let before = self.model.clone();
        let undone = self.model.apply_batch(&batch, store_ms);
        self.model.undo();
        assert!(self.model == before, "undoing {batch:?} leaves something behind");
        let expected = self.model.apply_batch(&batch, store_ms);
        assert_eq!(expected, undone, "verdicts after an undo");
        let verdicts = case.ledger.ledger.apply(&case.account, &batch).await;
        self.story.note(&batch, &expected);
        match (verdicts, expected) {
            (Ok(verdicts), Ok(expected)) => {
                assert_eq!(verdicts, expected, "verdicts");
                if self.traffic.dice.percent(5) {
                    let again = case.ledger.ledger.apply(&case.account, &batch).await.unwrap();
                    assert_eq!(again, verdicts, "verdicts of the repeated batch");
                }
                self.auditor.note(&batch.operations, &verdicts, store_ms);
            }
            (Err(fault), Err(expected)) => {
                assert_eq!(render::fault(&fault), render::fault(&expected));
                case.give_number_back();
            }
            (verdicts, expected) => {
                panic!("the ledger answers {verdicts:?}, the rules {expected:?}")
            }
        }
        self.compare(case).await;
    }

    /// Everything the ledger shows against everything the model knows; then the invariants.
    async fn compare(&mut self, case: &LedgerCase) {
        let changes = self.model.take_changes();
        self.entries.extend(changes.entries);
        self.events.extend(changes.events);
        self.events.retain(|event| event.sequence >= self.model.first_event());
        let now_ms = case.clock.now_ms().max(self.model.last_ms());
        let campaigns =
            self.model.campaign_ids_after(None).filter_map(|id| self.model.campaign_view(id));
        let expected = View {
            wallets: self.model.wallet_views(),
            campaigns: campaigns.collect(),
            usage: self.model.usage_rows(i32::MIN, i32::MAX),
            holds: self.model.hold_views_after(None, None).collect(),
            windows: PORTFOLIOS
                .map(|portfolio| self.model.window_used(&portfolio.parse().unwrap(), now_ms))
                .into(),
            entries: WALLETS
                .iter()
                .flat_map(|id| {
                    self.entries.iter().filter(|entry| entry.wallet.as_str() == *id).cloned()
                })
                .collect(),
            events: self.events.clone(),
        };
        let limit = 1 + self.traffic.dice.below(40);
        let shown = shown(case, limit).await;
        assert_eq!(shown.wallets, expected.wallets, "wallets");
        assert_eq!(shown.campaigns, expected.campaigns, "campaigns");
        assert_eq!(shown.usage, expected.usage, "usage");
        assert_eq!(shown.holds, expected.holds, "holds");
        let in_doubt =
            expected.holds.iter().filter(|hold| hold.state == HoldState::InDoubt).count();
        assert_eq!(
            case.ledger.reads.holds_in_doubt(&case.account).await,
            Ok(in_doubt as u64),
            "holds in doubt"
        );
        assert_eq!(shown.windows, expected.windows, "windows");
        assert_eq!(shown.entries, expected.entries, "entries");
        assert_eq!(shown.events, expected.events, "events");
        self.auditor.check(shown, self.traffic.policies, self.traffic.limit);
    }
}

/// What the ledger shows, lists read in pages of `limit`; entries wallet by wallet.
async fn shown(case: &LedgerCase, limit: usize) -> View {
    let (ledger, account) = (&case.ledger, &case.account);
    let mut view = View {
        wallets: ledger.reads.wallets(account).await.unwrap(),
        campaigns: all(limit, async |page| ledger.reads.campaigns(account, &page).await.unwrap())
            .await,
        usage: ledger.reads.usage(account, i32::MIN, i32::MAX).await.unwrap(),
        holds: all(limit, async |page| ledger.reads.holds(account, None, &page).await.unwrap())
            .await,
        events: all(limit.max(20), async |page| ledger.reads.events(account, &page).await.unwrap())
            .await,
        ..View::default()
    };
    for portfolio in PORTFOLIOS {
        view.windows
            .push(ledger.reads.window_used(account, &portfolio.parse().unwrap()).await.unwrap());
    }
    for wallet in WALLETS {
        let wallet = wallet.parse().unwrap();
        let read = async |page| {
            ledger.reads.entries(account, &wallet, i64::MIN, i64::MAX, &page).await.unwrap()
        };
        view.entries.extend(all(limit.max(20), read).await);
    }
    view
}
