//! What has expired counts for nothing at once, and leaves memory a little with each batch.

use tollgate::ledger::state::{AccountState, Row};
use tollgate::ledger::{Batch, CapRule, Operation, Reserve, Verdict, WindowRule};

use crate::support::ledger_script::{Labels, Line, operations};
use crate::support::{CASE_START_MS, DAY, day};

/// Sends of one day, each to another recipient and with a key of its own.
const SENDS: usize = 3_000;

/// Rows that a batch without operations may change: eight of each of six kinds, and the account.
const LITTLE: usize = 6 * 8 + 1;

struct Books {
    state: AccountState,
    now_ms: i64,
}

impl Books {
    fn apply(&mut self, operations: Vec<Operation>) -> Vec<Verdict> {
        let batch = Batch { writer: 1, number: 1, clock_ms: self.now_ms, operations };
        self.state.apply_batch(&batch, self.now_ms).unwrap()
    }

    /// Rows that a batch without operations drops, by kind: keys, slots, cap hits.
    fn drop_some(&mut self) -> [usize; 3] {
        self.state.take_changes();
        self.apply(Vec::new());
        let rows: Vec<&Row> = self.state.changes().rows().map(|(row, _)| row).collect();
        assert!(rows.len() <= LITTLE, "{} rows at once", rows.len());
        let count = |wanted: fn(&&&Row) -> bool| rows.iter().filter(wanted).count();
        [
            count(|row| matches!(row, Row::Key(_))),
            count(|row| matches!(row, Row::Slot(..))),
            count(|row| matches!(row, Row::CapHits(_))),
        ]
    }
}

fn swept(more: bool) -> Verdict {
    Verdict::Swept { marked: 0, resolved: 0, more }
}

fn books_of_one_day() -> Books {
    let mut books = Books { state: AccountState::default(), now_ms: CASE_START_MS };
    let line =
        |text: &str| operations::operation(&Line::parse(text), CASE_START_MS, &Labels::new());
    let founding = ["document account/account {}", "wallet main", "top-up main 9000.00 p"];
    books.apply(founding.map(line).into());
    let plain = operations::send(&Line::parse("send a"), CASE_START_MS, 1);
    for number in 0..u64::try_from(SENDS).unwrap() {
        let hash = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        let key = [hash, hash].concat().try_into().unwrap();
        let send = operations::send(&Line::parse("send a"), CASE_START_MS, 1);
        let (hold, window) =
            (send.hold, WindowRule { portfolio: "p1".parse().unwrap(), limit: u32::MAX });
        let send = Reserve {
            recipient: hash,
            key: Some(key),
            fingerprint: key,
            window: Some(window),
            caps: [CapRule { categories: 1, max: 9, window_s: 60 }].into(),
            ..plain.clone()
        };
        let send = Reserve { hold, ..send };
        let settle = Operation::Settle { hold, message_id: None, day: day(CASE_START_MS) };
        books.apply(vec![Operation::Reserve(Box::new(send)), settle]);
    }
    books
}

#[test]
fn what_expired_is_dropped_a_little_with_each_batch() {
    let mut books = books_of_one_day();
    let portfolio = "p1".parse().unwrap();
    assert_eq!(books.state.window_used(&portfolio, books.now_ms) as usize, SENDS);
    assert_eq!(books.drop_some(), [0; 3]);
    books.now_ms += 2 * DAY;
    assert_eq!(books.drop_some(), [8, 8, 0]);
    // Nobody sees how much of it is still there.
    assert_eq!(books.state.window_used(&portfolio, books.now_ms), 0);
    let mut dropped = [8, 8, 0];
    for _ in 0..SENDS / 8 {
        let more = books.drop_some();
        dropped = [0, 1, 2].map(|kind| dropped[kind] + more[kind]);
    }
    assert_eq!(dropped, [SENDS, SENDS, 0]);
    assert_eq!(books.drop_some(), [0; 3]);
    books.now_ms += 31 * DAY;
    assert_eq!(books.drop_some(), [0, 0, 8]);
}

#[test]
fn without_batches_what_expired_is_dropped_by_sweeps() {
    let mut books = books_of_one_day();
    books.now_ms += 31 * DAY;
    let sweep = Line::parse("sweep open=38s doubt=1d");
    let sweep = operations::operation(&sweep, books.now_ms, &Labels::new());
    let mut sweeps = 1;
    while books.apply(vec![sweep.clone()]).contains(&swept(true)) {
        sweeps += 1;
        assert!(sweeps < 10, "what expired is still there after {sweeps} sweeps");
    }
    assert!(sweeps > 2, "{SENDS} records of a kind went in {sweeps} steps");
    assert_eq!(books.drop_some(), [0; 3]);
}

#[test]
fn dropping_keeps_up_with_sending() {
    let mut books = books_of_one_day();
    books.now_ms += 2 * DAY;
    for _ in 0..SENDS / 64 {
        let sends = (0..32).flat_map(|_| {
            let send = operations::send(&Line::parse("send b to=b"), books.now_ms, 1);
            let settle =
                Operation::Settle { hold: send.hold, message_id: None, day: day(books.now_ms) };
            [Operation::Reserve(Box::new(send)), settle]
        });
        let sends = sends.collect();
        books.apply(sends);
    }
    let left = books.drop_some();
    assert_eq!(left, [0; 3], "what expired waits although twice as much was sent");
}
