//! The embedded ledger with many recipients and keys: what a send leaves on disk, and how long the
//! next start takes. `TOLLGATE_SENDS=N` sets how many.

use std::path::Path;

use tollgate::clock::Stopwatch;
use tollgate::ids::HoldId;
use tollgate::ledger::{CapRule, Operation, Reserve, WindowRule};

use crate::support::ledger_script::{Labels, Line, operations};
use crate::support::{Backend, CASE_START_MS, LedgerCase, day};

/// Sends in one batch.
const BATCH: usize = 64;

/// A charged send to the recipient of that number, with a key of its own.
fn send(number: u64, plain: &Reserve) -> Reserve {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut key = [0; 16];
    key[..8].copy_from_slice(&mixed.to_be_bytes());
    key[8..].copy_from_slice(&mixed.rotate_left(17).to_be_bytes());
    Reserve {
        hold: HoldId::new(CASE_START_MS),
        channel: format!("1065403522400{:02}", number % 100).parse().unwrap(),
        recipient: mixed.to_be_bytes(),
        window: Some(WindowRule { portfolio: "p1".parse().unwrap(), limit: u32::MAX }),
        caps: [CapRule { categories: 1, max: 9, window_s: 86_400 }].into(),
        fingerprint: key,
        key: Some(key),
        ..plain.clone()
    }
}

fn bytes_in(directory: &Path) -> u64 {
    let files = std::fs::read_dir(directory).unwrap();
    let files = files.map(|file| file.unwrap()).filter(|file| file.file_name() != "spare");
    files.map(|file| file.metadata().unwrap().len()).sum()
}

/// Makes so many charged sends, reserves and settles by turns.
async fn make(case: &mut LedgerCase, sends: u64) {
    let line =
        |text: &str| operations::operation(&Line::parse(text), CASE_START_MS, &Labels::new());
    case.apply(vec![line("wallet main"), line("top-up main 1000000000.00 p")]).await.unwrap();
    let plain = operations::send(&Line::parse("send x campaign=diwali"), CASE_START_MS, 1);
    let numbers: Vec<u64> = (0..sends).collect();
    for numbers in numbers.chunks(BATCH) {
        let reserves: Vec<Reserve> = numbers.iter().map(|number| send(*number, &plain)).collect();
        let settle = |reserve: &Reserve| Operation::Settle {
            hold: reserve.hold,
            message_id: Some("wamid.HBgMOTE5ODc2NTQzMjEwFQIAERgSQjA4RjYyRkE5".into()),
            day: day(CASE_START_MS),
        };
        let settles = reserves.iter().map(settle).collect();
        let reserves = reserves.into_iter().map(|reserve| Operation::Reserve(Box::new(reserve)));
        case.apply(reserves.collect()).await.unwrap();
        case.apply(settles).await.unwrap();
    }
}

#[tokio::test]
async fn a_start_after_many_sends_is_short() {
    let sends = std::env::var("TOLLGATE_SENDS").map_or(20_000, |text| text.parse().unwrap());
    let mut case = LedgerCase::new(Backend::Embedded).await;
    let empty = bytes_in(case.directory());
    make(&mut case, sends).await;
    case.ledger.ledger.close().await.unwrap();
    let grown = bytes_in(case.directory()) - empty;
    let began = Stopwatch::start();
    case.reopen_after_close().await;
    let took = began.elapsed();
    println!("{sends} charged sends: {} bytes each on disk, open in {took:?}", grown / sends);
    assert_eq!(
        case.ledger.reads.window_used(&case.account, &"p1".parse().unwrap()).await,
        Ok(u32::try_from(sends).unwrap())
    );
    // Generous: this is not a release build, and the machine has other work.
    assert!(took.as_secs() < 20 + sends / 5_000, "{took:?}");
    assert!(grown / sends < 1_000, "{} bytes a send", grown / sends);
}
