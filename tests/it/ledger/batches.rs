//! Batches: bounded, refused whole if the clocks disagree, decided once per number; and time
//! that never goes back.

use tollgate::ledger::operation::MAX_BATCH;
use tollgate::ledger::{Batch, LedgerFault, Operation, PageRequest, Verdict};

use crate::support::ledger_script::{Line, check, operations::operation, operations::send, render};
use crate::support::{Backend, DAY, LedgerCase, MINUTE, on_every_ledger};

on_every_ledger!(
    a_repeated_batch_gets_its_verdicts_again,
    an_old_number_is_refused,
    a_batch_that_is_too_large_is_refused_whole,
    a_clock_over_a_minute_off_is_refused,
    time_does_not_go_back,
    an_account_exists_once_its_document_does,
    many_batches_at_once_oversell_nothing
);

fn line(text: &str, now_ms: i64) -> Operation {
    let line = Line::parse(text);
    if line.verb() == "send" {
        Operation::Reserve(Box::new(send(&line, now_ms, 1)))
    } else {
        operation(&line, now_ms, &Default::default())
    }
}

async fn a_repeated_batch_gets_its_verdicts_again(mut case: LedgerCase) {
    let now_ms = case.clock.now_ms();
    case.apply(vec![line("wallet main limit=9.00", now_ms)]).await.unwrap();
    let batch = case.batch(vec![
        line("send a", now_ms),
        line("adjust main 1.00 x", now_ms),
        line("send b price=99.00", now_ms),
    ]);
    let first = case.ledger.ledger.apply(&case.account, &batch).await.unwrap();
    assert!(
        matches!(
            first[..],
            [
                Verdict::Reserved { .. },
                Verdict::Posted { repeated: false, .. },
                Verdict::Rejected(_)
            ]
        ),
        "{first:?}"
    );
    // As after a reply that was lost: the gateway repeats the number, a little later.
    case.clock.advance(50);
    assert_eq!(case.ledger.ledger.apply(&case.account, &batch).await.unwrap(), first);
    let wallets = case.ledger.reads.wallets(&case.account).await.unwrap();
    assert_eq!(render::wallet(&wallets[0]), "settled 1.00 held 1.00 available 9.00 limit 9.00");
    // Another writer's numbers are its own.
    let mut other = case.batch(vec![line("send c", now_ms)]);
    (other.writer, other.number) = (other.writer + 1_000_000, 1);
    assert!(matches!(
        case.ledger.ledger.apply(&case.account, &other).await.unwrap()[..],
        [Verdict::Reserved { .. }]
    ));
    assert_eq!(case.ledger.ledger.apply(&case.account, &batch).await.unwrap(), first);
}

async fn an_old_number_is_refused(mut case: LedgerCase) {
    let now_ms = case.clock.now_ms();
    case.apply(vec![line("wallet main limit=9.00", now_ms)]).await.unwrap();
    let old = case.batch(vec![line("send a", now_ms)]);
    case.ledger.ledger.apply(&case.account, &old).await.unwrap();
    case.apply(vec![line("send b", now_ms)]).await.unwrap();
    let late = case.ledger.ledger.apply(&case.account, &old).await;
    assert!(matches!(late, Err(LedgerFault::Refused(_))), "{late:?}");
    let wallets = case.ledger.reads.wallets(&case.account).await.unwrap();
    assert_eq!(render::wallet(&wallets[0]), "settled 0.00 held 2.00 available 7.00 limit 9.00");
    // The order goes on.
    assert!(matches!(
        case.apply(vec![line("send c", now_ms)]).await.unwrap()[..],
        [Verdict::Reserved { .. }]
    ));
}

async fn a_batch_that_is_too_large_is_refused_whole(mut case: LedgerCase) {
    let now_ms = case.clock.now_ms();
    case.apply(vec![line("wallet main limit=99.00", now_ms)]).await.unwrap();
    let sends = |count: usize| {
        (0..count).map(|index| line(&format!("send s{index}"), now_ms)).collect::<Vec<_>>()
    };
    let refused = case.apply(sends(MAX_BATCH + 1)).await;
    assert!(matches!(refused, Err(LedgerFault::Refused(_))), "{refused:?}");
    let wallets = case.ledger.reads.wallets(&case.account).await.unwrap();
    assert_eq!(render::wallet(&wallets[0]), "settled 0.00 held 0.00 available 99.00 limit 99.00");
    // A batch that was refused whole has used no number up; the case takes the same for the next.
    let largest = case.batch(sends(MAX_BATCH));
    assert_eq!(case.ledger.ledger.apply(&case.account, &largest).await.unwrap().len(), MAX_BATCH);
    assert_eq!(case.ledger.ledger.apply(&case.account, &next_after(&largest)).await.unwrap(), []);
}

/// An empty batch under the next number.
fn next_after(batch: &Batch) -> Batch {
    Batch { number: batch.number + 1, operations: Vec::new(), ..batch.clone() }
}

async fn a_clock_over_a_minute_off_is_refused(mut case: LedgerCase) {
    let now_ms = case.clock.now_ms();
    case.apply(vec![line("wallet main limit=9.00", now_ms)]).await.unwrap();
    let mut batch = case.batch(vec![line("send a", now_ms)]);
    for off_ms in [MINUTE + 1, -MINUTE - 1, i64::MAX / 2, i64::MIN / 2] {
        batch.clock_ms = now_ms.saturating_add(off_ms);
        let refused = case.ledger.ledger.apply(&case.account, &batch).await;
        assert!(matches!(refused, Err(LedgerFault::Refused(_))), "{off_ms} ms off: {refused:?}");
    }
    // Nothing was changed, not even an account's founding.
    let founding = case.batch(vec![line("document account/account {}", now_ms)]);
    let founding = Batch { number: 1, clock_ms: now_ms + 2 * MINUTE, ..founding };
    let nobody = "nobody".parse().unwrap();
    assert!(matches!(
        case.ledger.ledger.apply(&nobody, &founding).await,
        Err(LedgerFault::Refused(_))
    ));
    let accounts =
        case.ledger.reads.accounts(&PageRequest { cursor: None, limit: 9 }).await.unwrap();
    assert_eq!(accounts.items, [case.account.clone()]);
    for off_ms in [MINUTE, -MINUTE] {
        batch.clock_ms = now_ms + off_ms;
        batch.operations = vec![line(&format!("send s{off_ms}"), now_ms)];
        assert!(matches!(
            case.ledger.ledger.apply(&case.account, &batch).await.unwrap()[..],
            [Verdict::Reserved { .. }]
        ));
        batch.number += 1;
    }
}

async fn time_does_not_go_back(case: LedgerCase) {
    let script = "
        wallet main limit=9.00                  -> settled 0.00 held 0.00 available 9.00 limit 9.00
        at 10m
        send a limit=1 caps=marketing:1:1h      -> held 1.00 left 8.00
        settle a                                -> settled 1.00
        # The ledger's own clock was set back; what is written goes on from the latest time it has
        # seen.
        at 5m
        send b caps=marketing:1:1h              -> frequency_capped 1 in 3600s retry 3600s
        send c to=r2 limit=1                    -> messaging_limit_reached 1 of 1 retry 86460s
        stop nobody operator                    -> campaign unknown
        create diwali wallet=main               -> active of main
        stop diwali operator                    -> stopped operator since 600s of main
        show window p1                          -> 1
        at 70m
        send d caps=marketing:1:1h              -> held 1.00 left 7.00
    ";
    check(case, script).await;
}

async fn an_account_exists_once_its_document_does(mut case: LedgerCase) {
    let (now_ms, acme) = (case.clock.now_ms(), case.account.clone());
    case.turn_to("nobody");
    let operations = [
        "send a version=0",
        "settle a",
        "top-up main 1.00 x",
        "restart diwali",
        "stop diwali operator",
        "finish diwali",
    ];
    let verdicts = case.apply(operations.map(|text| line(text, now_ms)).into()).await.unwrap();
    let unknown = Verdict::CampaignUnknown;
    assert_eq!(
        verdicts[..4],
        [Verdict::WalletUnknown, Verdict::NoHold, Verdict::WalletUnknown, unknown.clone()]
    );
    assert_eq!(verdicts[4..], [unknown.clone(), unknown]);
    let one = PageRequest { cursor: None, limit: 9 };
    assert_eq!(case.ledger.reads.accounts(&one).await.unwrap().items, std::slice::from_ref(&acme));
    assert_eq!(case.ledger.reads.wallets(&case.account).await.unwrap(), []);
    let founding = vec![
        line("document account/account {}", now_ms),
        line("wallet main limit=1.00", now_ms),
        line("send a", now_ms),
    ];
    let verdicts = case.apply(founding).await.unwrap();
    assert!(
        matches!(
            verdicts[..],
            [Verdict::Document { changed: true, .. }, Verdict::Wallet(_), Verdict::Reserved { .. }]
        ),
        "{verdicts:?}"
    );
    assert_eq!(
        case.ledger.reads.accounts(&one).await.unwrap().items,
        [acme.clone(), case.account.clone()]
    );
    // Accounts share nothing.
    assert_eq!(case.ledger.reads.wallets(&acme).await.unwrap(), []);
}

/// Sixteen gateways, each with batches of its own, after the same 100 credits.
async fn many_batches_at_once_oversell_nothing(mut case: LedgerCase) {
    let now_ms = case.clock.now_ms();
    case.apply(vec![line("wallet main", now_ms), line("top-up main 100.00 p", now_ms)])
        .await
        .unwrap();
    let mut gateways = tokio::task::JoinSet::new();
    for gateway in 0..16u64 {
        let (ledger, account, clock) =
            (case.ledger.clone(), case.account.clone(), case.clock.clone());
        gateways.spawn(async move {
            let mut held = 0;
            for number in 1..=5 {
                let sends = (0..4)
                    .map(|send| {
                        line(&format!("send {gateway}-{number}-{send} campaign=diwali"), now_ms)
                    })
                    .collect();
                let writer = 1_000_000 + gateway;
                let batch = Batch { writer, number, clock_ms: clock.now_ms(), operations: sends };
                let verdicts = ledger.ledger.apply(&account, &batch).await.unwrap();
                held += verdicts
                    .iter()
                    .filter(|verdict| matches!(verdict, Verdict::Reserved { .. }))
                    .count();
            }
            held
        });
    }
    assert_eq!(gateways.join_all().await.into_iter().sum::<usize>(), 100);
    let wallets = case.ledger.reads.wallets(&case.account).await.unwrap();
    assert_eq!(render::wallet(&wallets[0]), "settled 100.00 held 100.00 available 0.00 exhausted");
    let events = case
        .ledger
        .reads
        .events(&case.account, &PageRequest { cursor: None, limit: 99 })
        .await
        .unwrap();
    assert_eq!(events.items.len(), 1, "{:?}", events.items);
}

/// After a long time without memory a store holds thousands of writers: a new one looks at some of
/// them only, and in time all that are idle are gone.
#[tokio::test]
async fn idle_writers_are_forgotten_bit_by_bit() {
    const IDLE: usize = 600;
    let mut case = LedgerCase::new(Backend::Redis).await;
    let account = case.account.to_string();
    for _ in 0..IDLE {
        case.turn_to(&account);
        case.apply(Vec::new()).await.unwrap();
    }
    assert_eq!(case.fields_in_redis("writers"), IDLE + 1);
    case.clock.advance(91 * DAY);
    case.turn_to(&account);
    case.apply(Vec::new()).await.unwrap();
    let left = case.fields_in_redis("writers");
    assert!((IDLE / 2..IDLE).contains(&left), "{left} after the first look");
    let mut writers = 0;
    while case.fields_in_redis("writers") > writers + 1 {
        case.turn_to(&account);
        case.apply(Vec::new()).await.unwrap();
        writers += 1;
        assert!(writers < 30, "{} are left", case.fields_in_redis("writers"));
    }
}
