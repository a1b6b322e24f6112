//! The embedded ledger's file: stores of the first format are taken over, those of a later version
//! are left alone, and what was cut off at any byte leaves whole groups.

use tollgate::clock::Clock;
use tollgate::ids::HoldId;
use tollgate::ledger::ClaimKind;
use tollgate::ledger::embedded::EmbeddedLedger;

use crate::support::ledger_script::check;
use crate::support::{Backend, LedgerCase, all};

/// A store of the first format, as its last version wrote it: everything of
/// [`TAKEN_OVER`] was done there, the hold `e` a second later.
const FIRST_FORMAT: &str = include_str!("../fixtures/ledger_first_format.sql");

fn file(case: &LedgerCase) -> rusqlite::Connection {
    let file = rusqlite::Connection::open(case.directory().join("ledger.sqlite3")).unwrap();
    file.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    file
}

#[tokio::test]
async fn a_store_of_the_first_format_is_taken_over() {
    let directory = tempfile::tempdir().unwrap();
    let first = rusqlite::Connection::open(directory.path().join("ledger.sqlite3")).unwrap();
    first.execute_batch(FIRST_FORMAT).unwrap();
    drop(first);
    let case = LedgerCase::in_directory(directory).await;
    assert_eq!(case.ledger.identity.ledger_id, "first-format");
    assert_eq!(case.ledger.identity.pepper, [7; 32]);
    let owner = case.ledger.claims.claimed(ClaimKind::Key, "hash").await.unwrap();
    assert_eq!(owner.as_deref(), Some("acme/k1"));
    let mut run = check(case, "").await;
    for (label, hold) in [
        ("a", "01a13e9340007497a3ae6616762826da"),
        ("c", "01a13e9340007701ab13b022db76970b"),
        ("e", "01a13e9343e872f79bea4c8510564589"),
        ("u", "01a13e9340007f8ba8046514f2e35a97"),
    ] {
        run.labels.insert(label.into(), hold.parse::<HoldId>().unwrap());
    }
    run.check(TAKEN_OVER).await;
    // And once more, from what it was made into.
    run.case.reopen().await;
    run.check(
        "
        show wallet main          -> settled -1.50 held 2.00 available 16.50 limit 20.00 low [12.00]
        show window p1                            -> 5
        ",
    )
    .await;
}

const TAKEN_OVER: &str = r#"
        show events \
            -> hold_in_doubt main diwali c 1.00, wallet_exhausted other holi 1.00 available 0.00, \
               campaign_stopped main diwali operator, hold_in_doubt main e 1.00
        show wallet main          -> settled -1.50 held 2.00 available 16.50 limit 20.00 low [12.00]
        show wallet other                         -> settled 0.00 held 0.00 available 0.00 exhausted
        show campaign diwali \
            -> stopped operator since 0s 'Lights' of main budget 6.00 dedupe spent 1.00 held 1.00 \
               accepted 1 unknown 1 rejected throughput_limited 3 refused 131026 1 used IN \
               marketing 1 1.00
        show entries main \
            -> 1 top_up pay/1 1.00 balance 1.00, 2 charge a 100 IN marketing for diwali -1.00 \
               balance 0.00, 3 charge u 100 IN marketing -1.00 balance -1.00, 4 adjustment fix \
               'typo' -0.50 balance -1.50
        show usage                     -> day 0 100 IN marketing 2 2.00, day 0 100 IN service 1 0.00
        show holds \
            -> c in doubt 1.00 100 IN marketing of main for diwali by deadline since 0s, \
               e in doubt 1.00 100 IN marketing of main by unreported since 1s
        show window p1                            -> 5
        document channel/100 {"wallet":"main"}    -> unchanged version 3
        document template/7/sale/de {"n":1}       -> unchanged version 3
        top-up main 1.00 pay/1                    -> posted before 1.00 balance 1.00
        adjust main -0.50 fix typo                -> posted before -0.50 balance -1.50
        send g key=k body=x                       -> replayed a wamid.a 1.00
        send h body=c to=r8                       -> outcome_unknown c
        send i body=y to=r8                       -> replayed u wamid.u 1.00
        send j to=r5 caps=marketing:1:48h         -> frequency_capped 1 in 172800s retry 172799s
        send k to=r9 limit=5                      -> messaging_limit_reached 5 of 5 retry 86459s
        send l campaign=holi wallet=other \
            -> insufficient_balance needs 1.00 has 0.00 ran out at 1.00
"#;

#[tokio::test]
async fn a_store_of_a_later_version_is_refused() {
    let mut case = LedgerCase::new(Backend::Embedded).await;
    case.ledger.ledger.close().await.unwrap();
    let file = file(&case);
    let format: i64 = file.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    file.pragma_update(None, "user_version", format + 1).unwrap();
    let refused = EmbeddedLedger::open(case.directory(), Clock::fixed(0)).err().unwrap();
    let expected = format!(
        "the ledger was written by a newer version (its format is {}, this version reads up to \
         {format})",
        format + 1
    );
    assert!(refused.to_string().ends_with(&expected), "{refused}");
    // It was left as it is.
    file.pragma_update(None, "user_version", format).unwrap();
    drop(file);
    case.reopen_after_close().await;
    case.ledger.reads.probe().await.unwrap();
}

/// What a machine that loses power keeps of the file's log may end anywhere.
#[tokio::test]
async fn a_log_that_ends_anywhere_holds_whole_groups() {
    let script = "wallet main limit=9.00 -> settled 0.00 held 0.00 available 9.00 limit 9.00";
    let mut run = check(LedgerCase::new(Backend::Embedded).await, script).await;
    for number in 1..=60 {
        let ended = if number > 1 { "released 1.00" } else { "no hold" };
        run.check(&format!(
            "top-up main 1.00 p{number} -> posted 1.00 balance 1.00
             & send a{number} to=r{number} -> held 1.00 left {}.00
             & settle a{number} -> settled 1.00
             & send b{number} to=r{number} -> held 1.00 left {}.00
             & release b{} -> {ended}",
            if number > 1 { 8 } else { 9 },
            if number > 1 { 7 } else { 8 },
            number - 1
        ))
        .await;
    }
    let name = "ledger.sqlite3-wal";
    let log = std::fs::read(run.case.directory().join(name)).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for part in 0..50 {
        let copy = tempfile::tempdir().unwrap();
        let database = run.case.directory().join("ledger.sqlite3");
        std::fs::copy(database, copy.path().join("ledger.sqlite3")).unwrap();
        std::fs::write(copy.path().join(name), &log[..log.len() * part / 50]).unwrap();
        let case = LedgerCase::in_directory(copy).await;
        let reads = &case.ledger.reads;
        let Some(wallet) = reads.wallets(&case.account).await.unwrap().pop() else { continue };
        let entries = all(30, async |page| {
            reads.entries(&case.account, &wallet.id, 0, i64::MAX, &page).await.unwrap()
        })
        .await;
        let numbers: Vec<u64> = entries.iter().map(|entry| entry.sequence).collect();
        assert_eq!(numbers, (1..=entries.len() as u64).collect::<Vec<_>>(), "part {part}");
        assert_eq!(entries.len() % 2, 0, "half a group, part {part}");
        let sum: i64 = entries.iter().map(|entry| entry.amount.micros()).sum();
        assert_eq!(wallet.settled.micros(), sum, "part {part}");
        let holds =
            all(30, async |page| reads.holds(&case.account, None, &page).await.unwrap()).await;
        let held: i64 = holds.iter().map(|hold| hold.amount.micros()).sum();
        assert_eq!((wallet.held.micros(), holds.len()), (held, usize::from(!entries.is_empty())));
        seen.insert(entries.len());
    }
    assert!(seen.len() > 30, "cut at {seen:?} only");
}
