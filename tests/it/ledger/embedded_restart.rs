//! The embedded ledger over restarts: what was returned is there again, open holds are in doubt,
//! and only one process has it open.

use std::time::Duration;

use tollgate::clock::Clock;
use tollgate::ledger::embedded::{EmbeddedLedger, OpenError};
use tollgate::ledger::{Batch, ClaimKind, Ledger, LedgerFault, LedgerReads};

use crate::support::ledger_script::{Labels, Line, check, operations, render};
use crate::support::{Backend, CASE_START_MS, LedgerCase};

#[tokio::test]
async fn everything_returned_is_there_after_a_restart() {
    let script = r#"
        wallet main limit=20.00 low=12.00 \
            -> settled 0.00 held 0.00 available 20.00 limit 20.00 low [12.00]
        wallet other                              -> settled 0.00 held 0.00 available 0.00
        top-up main 1.00 pay/1                    -> posted 1.00 balance 1.00
        document channel/100 {"wallet":"main"}    -> changed version 2
        create diwali wallet=main dedupe budget=6.00 name=Lights \
            -> active 'Lights' of main budget 6.00 dedupe
        send a campaign=diwali to=r1 limit=3 caps=marketing:1:48h key=k body=x \
            -> held 1.00 left 20.00
        settle a id=wamid.a                       -> settled 1.00
        send b to=r2 limit=3 category=service free=1                         -> held 0.00 left 20.00
        settle b                                  -> settled 0.00
        send c campaign=diwali to=r3 limit=3      -> held 1.00 left 19.00
        doubt c                                   -> marked
        send d campaign=holi wallet=other         -> insufficient_balance needs 1.00 has 0.00
        count diwali throughput_limited 3         -> counted
        stop diwali operator \
            -> stopped operator since 0s 'Lights' of main budget 6.00 dedupe spent 1.00 held 1.00 \
               accepted 1 unknown 1 rejected throughput_limited 3 used IN marketing 1 1.00
        show events \
            -> hold_in_doubt main diwali c 1.00, wallet_exhausted other holi 1.00 available 0.00, \
               campaign_stopped main diwali operator
    "#;
    let mut run = check(LedgerCase::new(Backend::Embedded).await, script).await;
    let identity = run.case.ledger.identity.clone();
    assert_eq!(
        run.case.ledger.claims.claim(ClaimKind::Key, "hash", "acme/k1").await.unwrap(),
        "acme/k1"
    );
    run.case.reopen().await;
    assert_eq!(
        (run.case.ledger.identity.pepper, &run.case.ledger.identity.ledger_id),
        (identity.pepper, &identity.ledger_id)
    );
    assert_eq!(
        run.case.ledger.claims.claimed(ClaimKind::Key, "hash").await.unwrap().as_deref(),
        Some("acme/k1")
    );
    run.check(AFTER_THE_RESTART).await;
}

/// What [`everything_returned_is_there_after_a_restart`] expects of the ledger it opens again.
const AFTER_THE_RESTART: &str = r#"
        show events                               -> none
        show wallet main           -> settled 0.00 held 1.00 available 19.00 limit 20.00 low [12.00]
        show wallet other                         -> settled 0.00 held 0.00 available 0.00 exhausted
        show campaign diwali \
            -> stopped operator since 0s 'Lights' of main budget 6.00 dedupe spent 1.00 held 1.00 \
               accepted 1 unknown 1 rejected throughput_limited 3 used IN marketing 1 1.00
        show entries main \
            -> 1 top_up pay/1 1.00 balance 1.00, 2 charge a 100 IN marketing for diwali -1.00 \
               balance 0.00
        show usage                     -> day 0 100 IN marketing 1 1.00, day 0 100 IN service 1 0.00
        show holds \
            -> c in doubt 1.00 100 IN marketing of main for diwali by deadline since 0s
        show window p1                            -> 3
        document channel/100 {"wallet":"main"}    -> unchanged version 2
        top-up main 1.00 pay/1                    -> posted before 1.00 balance 1.00
        restart diwali \
            -> active 'Lights' of main budget 6.00 dedupe spent 1.00 held 1.00 accepted 1 unknown \
               1 rejected throughput_limited 3 used IN marketing 1 1.00
        send e key=k body=x                       -> replayed a wamid.a 1.00
        send f body=c to=r8                       -> outcome_unknown c
        send g campaign=diwali to=r1              -> already_sent
        send h to=r1 caps=marketing:1:48h         -> frequency_capped 1 in 172800s retry 172800s
        send i to=r9 limit=3                      -> messaging_limit_reached 3 of 3 retry 86460s
        send j category=service free=1 to=r9      -> held 1.00 left 18.00
        send k campaign=diwali price=5.00 to=r9   -> campaign_stopped budget_spent since 0s
        send l campaign=holi wallet=other \
            -> insufficient_balance needs 1.00 has 0.00 ran out at 1.00
        send m price=6.01                         -> held 6.01 left 11.99
        show events \
            -> campaign_restarted main diwali, campaign_stopped main diwali 6.00 budget_spent, \
               low_balance main 12.00 available 11.99
        release c                                 -> released 1.00
        adjust main 1.00 x                        -> posted 1.00 balance 1.00
        show entries main \
            -> 1 top_up pay/1 1.00 balance 1.00, 2 charge a 100 IN marketing for diwali -1.00 \
               balance 0.00, 3 adjustment x '' 1.00 balance 1.00
"#;

#[tokio::test]
async fn open_holds_are_in_doubt_after_a_restart() {
    let script = "
        wallet main limit=9.00                   -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a campaign=diwali key=k to=r1 limit=9 -> held 1.00 left 8.00
        later 1s
        send b                                    -> held 1.00 left 7.00
        abandon b                                 -> marked
        send c                                    -> held 1.00 left 6.00
        settle c                                  -> settled 1.00
        show events                               -> none
    ";
    let mut run = check(LedgerCase::new(Backend::Embedded).await, script).await;
    run.case.reopen().await;
    let script = "
        show holds \
            -> a in doubt 1.00 100 IN marketing of main for diwali by unreported since 0s, \
               b in doubt 1.00 100 IN marketing of main by unreported since 1s
        show wallet main                        -> settled -1.00 held 2.00 available 6.00 limit 9.00
        show campaign diwali                      -> active of main held 1.00 unknown 1
        show window p1                            -> 1
        show events                   -> hold_in_doubt main diwali a 1.00, hold_in_doubt main b 1.00
        send d key=k body=a                       -> outcome_unknown a
        send e body=a                             -> outcome_unknown a
    ";
    run.check(script).await;
    run.case.reopen().await;
    // Reported once, however often it is started.
    let script = "
        show events                               -> none
        settle a                                  -> settled 1.00
        release b                                 -> released 1.00
        show wallet main                        -> settled -2.00 held 0.00 available 7.00 limit 9.00
        show window p1                            -> 1
    ";
    run.check(script).await;
}

/// Two sends with one body were given up, the later one first; a restart at 1 h reported them, and
/// then the machine's clock was set back.
#[tokio::test]
async fn order_and_time_hold_over_a_restart() {
    let script = "
        wallet main limit=9.00                   -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a body=x                             -> held 1.00 left 8.00
        later 1s
        send b body=x                             -> held 1.00 left 7.00
        abandon b                                 -> marked
        abandon a                                 -> marked
        at 1h
    ";
    let mut run = check(LedgerCase::new(Backend::Embedded).await, script).await;
    run.case.reopen().await;
    let script = "
        send c body=x                             -> outcome_unknown a
        at 59m
        create diwali                             -> active
        stop diwali operator                      -> stopped operator since 3600s
        show events \
            -> hold_in_doubt main a 1.00, hold_in_doubt main b 1.00, campaign_stopped diwali \
               operator
    ";
    run.check(script).await;
}

#[tokio::test]
async fn a_directory_serves_one_ledger() {
    let case = LedgerCase::new(Backend::Embedded).await;
    let second = EmbeddedLedger::open(case.directory(), Clock::fixed(0));
    assert!(matches!(second, Err(OpenError::InUse(_))), "{:?}", second.err());
    case.ledger.reads.probe().await.unwrap();
}

#[tokio::test]
async fn a_closed_ledger_returns_closed() {
    let mut case = LedgerCase::new(Backend::Embedded).await;
    case.ledger.ledger.close().await.unwrap();
    let late = case.apply(Vec::new()).await;
    assert!(matches!(late, Err(LedgerFault::Closed(_))), "{late:?}");
    assert!(matches!(case.ledger.reads.probe().await, Err(LedgerFault::Closed(_))));
    assert!(matches!(case.ledger.reads.wallets(&case.account).await, Err(LedgerFault::Closed(_))));
    // Closed is closed: the next may open it while the first is still held.
    case.reopen_after_close().await;
    case.ledger.reads.probe().await.unwrap();
}

/// What the disk did not take was never decided: nothing of it is seen, and the same batch may come
/// again under its number.
#[tokio::test]
async fn a_commit_that_fails_leaves_nothing() {
    let script = "
        wallet main limit=9.00     -> settled 0.00 held 0.00 available 9.00 limit 9.00
        send a key=k               -> held 1.00 left 8.00
    ";
    let mut run = check(LedgerCase::new(Backend::Embedded).await, script).await;
    let file = rusqlite::Connection::open(run.case.directory().join("ledger.sqlite3")).unwrap();
    file.busy_timeout(Duration::from_secs(5)).unwrap();
    file.execute_batch(
        "CREATE TRIGGER full BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'no space'); END",
    )
    .unwrap();
    let script = "
        settle a                   -> unavailable
        & top-up main 1.00 p       -> unavailable
        show wallet main           -> settled 0.00 held 1.00 available 8.00 limit 9.00
        show entries main          -> none
        show usage                 -> none
        # What needs no entry is still taken.
        send b key=k body=a        -> idempotency_in_flight
        later 1s
        send c                     -> held 1.00 left 7.00
        show holds \
            -> a open 1.00 100 IN marketing of main since 0s, c open 1.00 100 IN marketing of main \
               since 1s
    ";
    run.check(script).await;
    file.execute_batch("DROP TRIGGER full").unwrap();
    let script = "
        settle a                   -> settled 1.00
        & top-up main 1.00 p       -> posted 1.00 balance 0.00
        show entries main \
            -> 1 charge a 100 IN marketing -1.00 balance -1.00, 2 top_up p 1.00 balance 0.00
    ";
    run.check(script).await;
    run.case.reopen().await;
    run.check("show wallet main -> settled 0.00 held 1.00 available 8.00 limit 9.00").await;
}

/// A gateway that ends without closing drops the ledger with work still queued: its directory stays
/// locked until the last commit.
#[tokio::test]
async fn a_dropped_ledger_finishes_what_it_was_given() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), Clock::fixed(CASE_START_MS));
    let ledger = EmbeddedLedger::open(directory.path(), clock.clone()).unwrap();
    let (account, no_labels) = ("acme".parse().unwrap(), Labels::new());
    let line = |text: &str| operations::operation(&Line::parse(text), CASE_START_MS, &no_labels);
    let batch =
        |number, operations| Batch { writer: 1, number, clock_ms: CASE_START_MS, operations };
    let founding = batch(1, vec![line("document account/account {}"), line("wallet main")]);
    ledger.apply(&account, &founding).await.unwrap();
    for number in 2..=201 {
        let batch = batch(number, vec![line(&format!("top-up main 1.00 pay-{number}"))]);
        let mut waiting = ledger.apply(&account, &batch);
        // Polled once, so that the job is queued, and given up.
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(waiting.as_mut().poll(context).is_ready())
        })
        .await;
    }
    drop(ledger);
    let mut tries = 0;
    let opened = loop {
        match EmbeddedLedger::open(directory.path(), clock.clone()) {
            Err(OpenError::InUse(_)) if tries < 1000 => {
                tokio::time::sleep(Duration::from_millis(10)).await
            }
            opened => break opened.unwrap(),
        }
        tries += 1;
    };
    let wallets = opened.wallets(&account).await.unwrap();
    assert_eq!(render::wallet(&wallets[0]), "settled 200.00 held 0.00 available 200.00");
}
