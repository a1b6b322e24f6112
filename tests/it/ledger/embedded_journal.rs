//! The embedded ledger's journal and the table of rows that follows it: it stays short, a fold that
//! fails is made again, and what ended meanwhile never reaches the table.

use std::time::Duration;

use rusqlite::Connection;

use tollgate::ledger::{Operation, Verdict};

use crate::support::ledger_script::{Labels, Line, check, operations::operation};
use crate::support::{Backend, LedgerCase};

fn file(case: &LedgerCase) -> Connection {
    let file = Connection::open(case.directory().join("ledger.sqlite3")).unwrap();
    file.busy_timeout(Duration::from_secs(5)).unwrap();
    file
}

fn number(file: &Connection, sql: &str) -> i64 {
    file.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Rows of one kind in the table of the account `acme`; 3 are holds, 4 slots.
fn rows_of(file: &Connection, kind: u8) -> i64 {
    let sql = format!(
        "SELECT count(*) FROM rows
         WHERE key >= X'61636D6500{kind:02X}' AND key < X'61636D6500{:02X}'",
        kind + 1
    );
    number(file, &sql)
}

const FOUNDING: &str = "wallet main limit=9.00 -> settled 0.00 held 0.00 available 9.00 limit 9.00";

/// A send that is charged, and money for it; all but the first leave 9.00.
fn send(number: usize) -> String {
    format!(
        "top-up main 1.00 p{number} -> posted 1.00 balance {}.00
         & send a{number} to=r{number} limit=9999 -> held 1.00 left 9.00
         settle a{number} -> settled 1.00",
        1
    )
}

fn top_up(number: i64) -> Operation {
    operation(&Line::parse(&format!("top-up main 1.00 more-{number}")), 0, &Labels::new())
}

#[tokio::test]
async fn the_journal_stays_short_and_rows_follow() {
    let mut run = check(LedgerCase::new(Backend::Embedded).await, FOUNDING).await;
    let file = file(&run.case);
    let (mut longest, mut most_slots) = (0, 0);
    for at in 1..=150 {
        run.check(&send(at)).await;
        longest = longest.max(number(&file, "SELECT sum(length(record)) FROM journal"));
        let slots = rows_of(&file, 4);
        assert!(slots >= most_slots, "slots left the table");
        most_slots = slots;
    }
    // Two generations of 6 KiB, and the records that were there when they became full.
    assert!(longest < 14 << 10, "{longest} bytes");
    assert!(most_slots > 60, "{most_slots} slots in the table");
    assert!(rows_of(&file, 3) < 4, "holds that ended are in the table");
    assert!(number(&file, "SELECT min(number) FROM journal") > 100, "records stay");
    run.case.crash().await;
    run.check(
        "
        show window p1    -> 150
        show wallet main  -> settled 0.00 held 0.00 available 9.00 limit 9.00
        show holds        -> none
        ",
    )
    .await;
}

#[tokio::test]
async fn a_fold_that_fails_is_made_again() {
    let mut run = check(LedgerCase::new(Backend::Embedded).await, FOUNDING).await;
    let file = file(&run.case);
    let mut at = 0;
    while rows_of(&file, 4) == 0 {
        at += 1;
        run.check(&send(at)).await;
    }
    let all_rows = || number(&file, "SELECT count(*) FROM rows");
    let folded = all_rows();
    file.execute_batch(
        "CREATE TRIGGER full BEFORE INSERT ON rows BEGIN SELECT RAISE(ABORT, 'no space'); END",
    )
    .unwrap();
    // This generation may be folded already; then the next one fails.
    let mut posted = 0;
    while run.case.apply(vec![top_up(posted)]).await.is_ok() {
        posted += 1;
        assert!(posted < 200, "nothing is folded any more");
    }
    run.check(&format!(
        "show wallet main -> settled {posted}.00 held 0.00 available {}.00 limit 9.00",
        posted + 9
    ))
    .await;
    assert_eq!(all_rows(), folded);
    // What is not folded yet is in the journal still.
    file.execute_batch("DROP TRIGGER full").unwrap();
    run.case.crash().await;
    run.check(&format!("show window p1 -> {at}")).await;
    for at in at + 1..at + 60 {
        run.check(&format!(
            "send a{at} to=r{at} limit=9999 price=0.00 -> held 0.00 left {}.00
             settle a{at} -> settled 0.00",
            posted + 9
        ))
        .await;
    }
    run.case.crash().await;
    run.check(&format!("show window p1 -> {}", at + 59)).await;
    let again = run.case.apply(vec![top_up(posted)]).await.unwrap();
    assert!(matches!(again[..], [Verdict::Posted { repeated: false, .. }]), "{again:?}");
}

/// Records that were replayed already change nothing: the table may hold more than they say.
#[tokio::test]
async fn a_record_may_be_replayed_after_its_rows_are_in_the_table() {
    let mut run = check(LedgerCase::new(Backend::Embedded).await, FOUNDING).await;
    let writer = file(&run.case);
    for at in 1..=60 {
        run.check(&send(at)).await;
    }
    // Records that a crash kept from being removed.
    let kept: Vec<(i64, Vec<u8>)> = {
        let mut select = writer.prepare("SELECT number, record FROM journal").unwrap();
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    for at in 61..=100 {
        run.check(&send(at)).await;
    }
    run.case.ledger.ledger.close().await.unwrap();
    let first = number(&writer, "SELECT min(number) FROM journal");
    let mut again = 0;
    for (number, record) in kept.into_iter().filter(|(number, _)| *number < first) {
        let put = "INSERT INTO journal (number, record) VALUES (?1, ?2)";
        again += writer.execute(put, rusqlite::params![number, record]).unwrap();
    }
    assert!(again > 10, "{again} records");
    drop(writer);
    run.case.reopen_after_close().await;
    run.check(
        "
        show window p1    -> 100
        show wallet main  -> settled 0.00 held 0.00 available 9.00 limit 9.00
        show holds        -> none
        ",
    )
    .await;
}
