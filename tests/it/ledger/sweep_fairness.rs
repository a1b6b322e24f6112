//! The sweep looks after every account, whatever is wrong with one of them.

use std::time::Duration;

use tollgate::ledger::{DocumentKind, DoubtReason, Operation};

use crate::support::ledger_script::{Labels, Line, operations};
use crate::support::{DAY, LedgerCase, MINUTE, Sweeping, on_every_ledger};

on_every_ledger!(an_account_that_cannot_be_read_keeps_no_other_waiting);

/// Sends left open by one account; more than the jobs may sweep in one go.
const LEFT: u64 = 300;

async fn an_account_that_cannot_be_read_keeps_no_other_waiting(mut case: LedgerCase) {
    // `acme` comes first, and its settings name no rate card: what it has in doubt for too long
    // cannot be charged. What it has open can become in doubt.
    let wallet = operations::operation(
        &Line::parse("wallet main limit=999.00"),
        case.clock.now_ms(),
        &Labels::new(),
    );
    let reserve = operations::send(&Line::parse("send lost"), case.clock.now_ms(), 1);
    let mark = Operation::MarkInDoubt { hold: reserve.hold, reason: DoubtReason::Deadline };
    case.apply(vec![wallet.clone(), Operation::Reserve(Box::new(reserve)), mark]).await.unwrap();
    let open = operations::send(&Line::parse("send open to=r2"), case.clock.now_ms(), 1);
    case.apply(vec![Operation::Reserve(Box::new(open))]).await.unwrap();
    case.clock.advance(DAY);
    case.turn_to("bakery");
    let settings = r#"{"currency":"USD","rate_card":"meta-usd"}"#;
    let founding = Operation::PutDocument {
        kind: DocumentKind::Account,
        id: "account".into(),
        body: settings.into(),
        only_if_absent: true,
        replaces: None,
    };
    case.apply(vec![founding, wallet]).await.unwrap();
    for round in 0..LEFT / 50 {
        let line = |send| format!("send {round}-{send}");
        let sends = (0..50).map(|send| {
            Operation::Reserve(Box::new(operations::send(
                &Line::parse(&line(send)),
                case.clock.now_ms(),
                1,
            )))
        });
        case.apply(sends.collect()).await.unwrap();
    }
    case.clock.advance(MINUTE);
    let sweeping = Sweeping::start(&case.ledger, &case.clock, Duration::from_millis(10));
    let time = sweeping.until(&format!("tollgate_holds_in_doubt {}", LEFT + 2)).await;
    assert!(time < Duration::from_secs(20), "the holds were swept after {time:?}");
    assert!(sweeping.shows("tollgate_ledger_up 1"), "the ledger must stay available");
    sweeping.end().await;
    assert_eq!(case.ledger.reads.holds_in_doubt(&case.account).await, Ok(LEFT));
    case.turn_to("acme");
    assert_eq!(case.ledger.reads.holds_in_doubt(&case.account).await, Ok(2));
}
