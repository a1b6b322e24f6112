//! Deciding about sends: the pure rules, the encoding of a batch for Redis, the embedded ledger
//! with its commits, and its start after many sends (`TOLLGATE_SENDS=N` sets how many).

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput};
use tollgate::amount::Amount;
use tollgate::clock::Clock;
use tollgate::ids::{AccountId, HoldId};
use tollgate::ledger::embedded::EmbeddedLedger;
use tollgate::ledger::redis;
use tollgate::ledger::state::AccountState;
use tollgate::ledger::{
    Batch, CalendarSpan, CampaignUse, CapRule, DocumentKind, Ledger, Operation, Reserve, WindowRule,
};
use tollgate::pricing::Category;

const NOW_MS: i64 = 1_795_262_400_000;
/// In a batch.
pub const SENDS: usize = 32;
const DAY: CalendarSpan = CalendarSpan { index: 20_778, start_ms: 0, end_ms: i64::MAX };

fn batch(number: u64, operations: Vec<Operation>) -> Batch {
    Batch { writer: 1, number, clock_ms: NOW_MS, operations }
}

fn founding() -> Vec<Operation> {
    let amount = |text: &str| text.parse::<Amount>().expect("an amount");
    let wallet = || "main".parse().expect("an id");
    vec![
        Operation::PutDocument {
            kind: DocumentKind::Account,
            id: "account".into(),
            body: "{}".into(),
            only_if_absent: false,
            replaces: None,
        },
        Operation::PutWallet {
            wallet: wallet(),
            overdraft_limit: None,
            low_balance_thresholds: None,
        },
        Operation::TopUp {
            wallet: wallet(),
            amount: amount("1000000000"),
            reference: "bench".into(),
        },
    ]
}

fn reserve(hold: HoldId) -> Reserve {
    Reserve {
        hold,
        settings_version: 1,
        price_valid_until_ms: i64::MAX,
        wallet: Some("main".parse().expect("an id")),
        campaign: Some(CampaignUse { id: "bench".parse().expect("an id"), auto_create: true }),
        channel: "106540352242922".parse().expect("an id"),
        country: "IN".parse().expect("a country"),
        category: Category::Marketing,
        amount: "0.0118".parse().expect("an amount"),
        allowance: None,
        recipient: [1; 8],
        spelled: None,
        window: None,
        caps: Arc::from([]),
        fingerprint: [2; 16],
        key: None,
        guarding: false,
        observe: false,
        abandoned_replay_s: 86_400,
    }
}

/// A batch of reserves and the batch that settles them.
fn sends() -> (Vec<Operation>, Vec<Operation>) {
    let holds: Vec<HoldId> = (0..SENDS).map(|_| HoldId::new(NOW_MS)).collect();
    let settle = |hold: &HoldId| Operation::Settle { hold: *hold, message_id: None, day: DAY };
    let reserve = |hold: &HoldId| Operation::Reserve(Box::new(reserve(*hold)));
    (holds.iter().map(reserve).collect(), holds.iter().map(settle).collect())
}

/// As [`sends`], each to another recipient and with a key of its own.
fn sends_to_many(first: u64) -> (Vec<Operation>, Vec<Operation>) {
    let (mut reserves, settles) = sends();
    for (number, operation) in (first..).zip(&mut reserves) {
        let Operation::Reserve(reserve) = operation else { continue };
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let key = u128::from(mixed).wrapping_mul(0x2545_f491_4f6c_dd1d_9e37_79b9_7f4a_7c15);
        reserve.recipient = mixed.to_be_bytes();
        reserve.key = Some(key.to_be_bytes());
        reserve.fingerprint = key.to_be_bytes();
        let portfolio = "main".parse().expect("an id");
        reserve.window = Some(WindowRule { portfolio, limit: u32::MAX });
        reserve.caps = Arc::from([CapRule { categories: 1, max: 9, window_s: 86_400 }]);
    }
    (reserves, settles)
}

/// Returns what decides about a batch of sends and settles them, at most `times` times.
pub fn deciding(times: u64) -> impl FnMut() {
    let mut state = AccountState::default();
    state.apply_batch(&batch(1, founding()), NOW_MS).expect("an account");
    let numbered = |index: u64| {
        let (reserves, settles) = sends_to_many(index * SENDS as u64);
        (batch(2 * index + 2, reserves), batch(2 * index + 3, settles))
    };
    let batches: Vec<(Batch, Batch)> = (0..times).map(numbered).collect();
    let mut next = 0;
    move || {
        let (reserves, settles) = &batches[next];
        next += 1;
        drop(black_box(state.apply_batch(reserves, NOW_MS).expect("verdicts")));
        drop(black_box(state.apply_batch(settles, NOW_MS).expect("verdicts")));
        drop(black_box(state.take_changes()));
    }
}

/// Returns what writes a batch of sends and the batch that settles them as Redis gets them.
pub fn encoding() -> impl FnMut() {
    let account: AccountId = "bench".parse().expect("an id");
    let (reserves, settles) = sends_to_many(0);
    let batches = [batch(2, reserves), batch(3, settles)];
    move || {
        for batch in &batches {
            drop(black_box(redis::encode(&account, batch)));
        }
    }
}

pub fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Elements(SENDS as u64));
    group.bench_function("batch", |bencher| bencher.iter(encoding()));
    group.finish();
}

pub fn rules(criterion: &mut Criterion) {
    let mut state = AccountState::default();
    state.apply_batch(&batch(1, founding()), NOW_MS).expect("an account");
    let mut group = criterion.benchmark_group("decide");
    group.throughput(Throughput::Elements(SENDS as u64));
    group.bench_function("rules", |bencher| {
        bencher.iter_batched(
            sends,
            |(reserves, settles)| {
                state.apply_batch(&batch(2, reserves), NOW_MS).expect("verdicts");
                state.apply_batch(&batch(3, settles), NOW_MS).expect("verdicts");
                state.take_changes()
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

pub fn embedded(criterion: &mut Criterion) {
    let home = tempfile::tempdir().expect("a directory");
    let ledger = EmbeddedLedger::open(home.path(), Clock::fixed(NOW_MS)).expect("a ledger");
    let account: AccountId = "bench".parse().expect("an id");
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut number = 0;
    let mut apply = |operations: Vec<Operation>| {
        number += 1;
        runtime.block_on(ledger.apply(&account, &batch(number, operations))).expect("verdicts")
    };
    apply(founding());
    let mut group = criterion.benchmark_group("decide");
    group.throughput(Throughput::Elements(SENDS as u64));
    group.bench_function("embedded", |bencher| {
        bencher.iter_batched(
            sends,
            |(reserves, settles)| {
                apply(reserves);
                apply(settles)
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

pub fn start(criterion: &mut Criterion) {
    let sends = std::env::var("TOLLGATE_SENDS").map_or(100_000, |text| text.parse().expect("N"));
    let home = tempfile::tempdir().expect("a directory");
    let open = || EmbeddedLedger::open(home.path(), Clock::fixed(NOW_MS)).expect("a ledger");
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let account: AccountId = "bench".parse().expect("an id");
    let ledger = open();
    let mut number = 0;
    let mut apply = |operations: Vec<Operation>| {
        number += 1;
        runtime.block_on(ledger.apply(&account, &batch(number, operations))).expect("verdicts")
    };
    apply(founding());
    for first in (0..sends).step_by(SENDS) {
        let (reserves, settles) = sends_to_many(first);
        apply(reserves);
        apply(settles);
    }
    runtime.block_on(ledger.close()).expect("closed");
    let mut group = criterion.benchmark_group("start");
    group.sample_size(10);
    group.bench_function(format!("after {sends} sends"), |bencher| {
        bencher.iter_batched(
            || (),
            |()| {
                let ledger = open();
                runtime.block_on(ledger.close()).expect("closed");
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}
