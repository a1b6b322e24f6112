//! What happens to the Redis ledger when its server restarts, stalls, forgets or refuses.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tollgate::clock::Clock;
use tollgate::ids::{AccountId, HoldId};
use tollgate::ledger::batcher::{Batcher, BatcherOptions, CallFault};
use tollgate::ledger::redis::{RedisLedger, RedisOptions};
use tollgate::ledger::*;
use tollgate::metrics::Metrics;

use crate::support::CASE_START_MS;
use crate::support::ledger_script::{Line, operations};
use crate::support::redis_server::RedisServer;

fn options() -> RedisOptions {
    RedisOptions { deadline: Duration::from_millis(400), ..RedisOptions::default() }
}

fn batch(number: u64, operations: Vec<Operation>) -> Batch {
    Batch { writer: 7, number, clock_ms: Clock::system().now_ms(), operations }
}

fn founding() -> Vec<Operation> {
    vec![
        Operation::PutDocument {
            kind: DocumentKind::Account,
            id: "account".into(),
            body: "{}".into(),
            only_if_absent: true,
            replaces: None,
        },
        Operation::PutWallet {
            wallet: "main".parse().unwrap(),
            overdraft_limit: None,
            low_balance_thresholds: None,
        },
    ]
}

fn top_up(reference: &str) -> Operation {
    Operation::TopUp {
        wallet: "main".parse().unwrap(),
        amount: "5".parse().unwrap(),
        reference: reference.into(),
    }
}

async fn settled(ledger: &RedisLedger, account: &AccountId) -> String {
    ledger.wallets(account).await.unwrap()[0].settled.to_string()
}

#[tokio::test]
async fn a_restart_loses_nothing_and_needs_nobody() {
    let mut server = RedisServer::start_with(&["--appendfsync", "always"]);
    let ledger = RedisLedger::connect(&server.url(), options()).await.unwrap();
    assert_eq!(ledger.durability(), "always");
    let account: AccountId = "acme".parse().unwrap();
    ledger.apply(&account, &batch(1, founding())).await.unwrap();
    ledger.apply(&account, &batch(2, vec![top_up("a")])).await.unwrap();
    server.kill();
    let begin = Instant::now();
    let unavailable = ledger.apply(&account, &batch(3, vec![top_up("b")])).await;
    assert!(matches!(unavailable, Err(LedgerFault::Unavailable(_))), "{unavailable:?}");
    assert!(begin.elapsed() < Duration::from_secs(1));
    assert!(ledger.probe().await.is_err());
    server.restart();
    tokio::time::sleep(Duration::from_millis(150)).await;
    ledger.apply(&account, &batch(3, vec![top_up("b")])).await.unwrap();
    ledger.apply(&account, &batch(3, vec![top_up("b")])).await.unwrap();
    assert_eq!(settled(&ledger, &account).await, "10.00");
    let late = ledger.apply(&account, &batch(2, vec![top_up("c")])).await;
    assert!(matches!(late, Err(LedgerFault::Refused(_))), "{late:?}");
    let gap = ledger.apply(&account, &batch(9, vec![top_up("c")])).await;
    assert!(matches!(gap, Err(LedgerFault::Closed(_))), "{gap:?}");
}

#[tokio::test]
async fn a_stalled_server_fails_in_time_and_what_it_ran_is_answered_again() {
    let server = RedisServer::start();
    let ledger = RedisLedger::connect(&server.url(), options()).await.unwrap();
    assert_eq!(ledger.durability(), "everysec");
    let account: AccountId = "acme".parse().unwrap();
    ledger.apply(&account, &batch(1, founding())).await.unwrap();
    server.pause();
    for _ in 0..5 {
        let begin = Instant::now();
        let unavailable = ledger.apply(&account, &batch(2, vec![top_up("a")])).await;
        assert!(matches!(unavailable, Err(LedgerFault::Unavailable(_))), "{unavailable:?}");
        assert!(begin.elapsed() < Duration::from_millis(900), "{:?}", begin.elapsed());
    }
    server.resume();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let verdicts = ledger.apply(&account, &batch(2, vec![top_up("a")])).await.unwrap();
    assert!(matches!(verdicts[..], [Verdict::Posted { repeated: false, .. }]), "{verdicts:?}");
    assert_eq!(settled(&ledger, &account).await, "5.00");
}

#[tokio::test]
async fn a_server_that_forgot_is_not_an_empty_one() {
    let mut server = RedisServer::start_with(&["--appendonly", "no"]);
    let refused = RedisLedger::connect(&server.url(), options()).await.err().unwrap().to_string();
    assert!(refused.contains("appendonly is off"), "{refused}");
    let ledger =
        RedisLedger::connect(&server.url(), RedisOptions { allow_unsafe: true, ..options() })
            .await
            .unwrap();
    assert_eq!(ledger.durability(), "memory");
    let account: AccountId = "acme".parse().unwrap();
    ledger.apply(&account, &batch(1, founding())).await.unwrap();
    server.change("SCRIPT FLUSH");
    ledger.apply(&account, &batch(2, vec![top_up("a")])).await.unwrap();
    server.change("FLUSHALL");
    let gone = ledger.apply(&account, &batch(3, vec![top_up("a")])).await;
    assert!(matches!(gone, Err(LedgerFault::Closed(_))), "{gone:?}");
    server.restart();
    let gone = ledger.apply(&account, &batch(3, vec![top_up("a")])).await;
    assert!(
        matches!(&gone, Err(LedgerFault::Closed(text)) if text.contains("no ledger")),
        "{gone:?}"
    );
}

/// The operations of script lines, with holds by their labels.
fn operations(lines: &[&str]) -> Vec<Operation> {
    let labels = HOLDS.map(|label| (label.to_owned(), hold(label))).into();
    let read = |line: &&str| {
        let line = Line::parse(line);
        if line.verb() == "send" {
            let reserve = operations::send(&line, CASE_START_MS, 1);
            return Operation::Reserve(Box::new(Reserve { hold: hold(line.word(1)), ..reserve }));
        }
        operations::operation(&line, Clock::system().now_ms(), &labels)
    };
    lines.iter().map(read).collect()
}

fn is_out_of_memory(fault: &LedgerFault) -> bool {
    matches!(fault, LedgerFault::Refused(text) if text.contains("out of memory"))
}

#[tokio::test]
async fn a_full_server_takes_no_new_business_but_ends_the_old() {
    let server = RedisServer::start();
    let ledger = RedisLedger::connect(&server.url(), options()).await.unwrap();
    let account: AccountId = "acme".parse().unwrap();
    ledger.apply(&account, &batch(1, founding())).await.unwrap();
    let first = batch(
        2,
        operations(&[
            "top-up main 9 paid",
            "send a campaign=diwali limit=9",
            "send b",
            "send c",
            "send d",
        ]),
    );
    let verdicts = ledger.apply(&account, &first).await.unwrap();
    assert!(
        matches!(verdicts[1..], [Verdict::Reserved { .. }, _, _, Verdict::Reserved { .. }]),
        "{verdicts:?}"
    );
    server.change("CONFIG SET maxmemory 1");

    // A repetition of what ran returns the same verdicts, whatever it holds; nothing new is taken.
    assert_eq!(ledger.apply(&account, &first).await.unwrap(), verdicts);
    for lines in
        [&["settle a", "send e"][..], &["create holi"], &["document waba/7 {}"], &["wallet other"]]
    {
        let full = ledger.apply(&account, &batch(3, operations(lines))).await;
        assert!(full.as_ref().is_err_and(is_out_of_memory), "{lines:?}: {full:?}");
    }
    let other = "other".parse().unwrap();
    let full = ledger.apply(&other, &batch(1, founding())).await;
    assert!(full.as_ref().is_err_and(is_out_of_memory), "{full:?}");

    let ends = [
        "settle a",
        "release b",
        "doubt c",
        "abandon d",
        "alias r1~r2",
        "top-up main 5 more",
        "count diwali campaign_stopped 2",
        "stop diwali operator",
    ];
    let verdicts = ledger.apply(&account, &batch(3, operations(&ends))).await.unwrap();
    assert!(
        matches!(
            verdicts[..5],
            [
                Verdict::Settled { .. },
                Verdict::Released { .. },
                Verdict::Marked,
                Verdict::Marked,
                Verdict::AliasLearned { changed: true },
            ]
        ),
        "{verdicts:?}"
    );
    let sweep =
        ledger.apply(&account, &batch(4, operations(&["sweep open=0ms doubt=24h"]))).await.unwrap();
    assert_eq!(sweep, [Verdict::Swept { marked: 1, resolved: 0, more: false }]);

    everything_can_be_read(&ledger, &account).await;
    let another = RedisLedger::connect(&server.url(), options()).await.expect("a gateway starts");
    everything_can_be_read(&another, &account).await;
    server.change("CONFIG SET maxmemory 0");
    let verdicts = ledger.apply(&account, &batch(5, operations(&["send e"]))).await.unwrap();
    assert!(matches!(verdicts[..], [Verdict::Reserved { .. }]), "{verdicts:?}");
}

#[tokio::test]
async fn what_nobody_waits_for_is_done_on_a_full_server_without_the_sends_it_came_with() {
    let server = RedisServer::start();
    let ledger = Arc::new(RedisLedger::connect(&server.url(), options()).await.unwrap());
    let account: AccountId = "acme".parse().unwrap();
    ledger.apply(&account, &batch(1, [founding(), vec![top_up("a")]].concat())).await.unwrap();
    let send = |label: &str| {
        let line = format!("send {label}");
        Operation::Reserve(Box::new(Reserve {
            hold: hold(label),
            ..operations::send(&Line::parse(&line), CASE_START_MS, 1)
        }))
    };
    ledger.apply(&account, &batch(2, vec![send("a")])).await.unwrap();
    server.change("CONFIG SET maxmemory 1");
    let bounds = BatcherOptions { deadline: Duration::from_secs(5), queue: 10 };
    let batcher = Batcher::new(ledger.clone(), Clock::system(), Arc::new(Metrics::new(1)), bounds);
    batcher.post(
        &account,
        operations::operation(
            &Line::parse("settle a"),
            Clock::system().now_ms(),
            &[("a".to_owned(), hold("a"))].into(),
        ),
    );
    let refused = batcher.call(&account, send("b")).await;
    assert!(
        matches!(&refused, Err(CallFault::Ledger(fault)) if is_out_of_memory(fault)),
        "{refused:?}"
    );
    assert!(batcher.drain_all(Duration::from_secs(5)).await, "the settle still waits");
    assert_eq!(settled(&ledger, &account).await, "4.00");

    // Nor does it wait if sends never cease: there is one in every batch from here on.
    server.change("CONFIG SET maxmemory 0");
    ledger.apply(&account, &batch(3, vec![send("c")])).await.unwrap();
    server.change("CONFIG SET maxmemory 1");
    let senders: Vec<_> = ["b", "d", "e"]
        .map(|label| {
            let (batcher, account, send) = (batcher.clone(), account.clone(), send(label));
            tokio::spawn(async move {
                loop {
                    assert!(batcher.call(&account, send.clone()).await.is_err());
                    tokio::task::yield_now().await;
                }
            })
        })
        .into();
    tokio::time::sleep(Duration::from_millis(50)).await;
    for n in 0..10 {
        let paid = batcher.call(&account, top_up(&format!("paid-{n}"))).await;
        assert!(matches!(paid, Ok(Verdict::Posted { .. })), "{paid:?}");
    }
    batcher.post(
        &account,
        operations::operation(
            &Line::parse("settle c"),
            Clock::system().now_ms(),
            &[("c".to_owned(), hold("c"))].into(),
        ),
    );
    batcher.drain(&account).await.expect("the settle is done, or the drain says that it is not");
    assert_eq!(settled(&ledger, &account).await, "53.00");
    for sender in senders {
        assert!(!sender.is_finished(), "a send was admitted by a full store");
        sender.abort();
    }
}

const HOLDS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// The same for the same label.
fn hold(label: &str) -> HoldId {
    static MADE: OnceLock<[HoldId; 5]> = OnceLock::new();
    let made = MADE.get_or_init(|| HOLDS.map(|_| HoldId::new(Clock::system().now_ms())));
    made[HOLDS.iter().position(|known| *known == label).unwrap()]
}

/// With one campaign stopped, and two holds in doubt.
async fn everything_can_be_read(ledger: &RedisLedger, account: &AccountId) {
    let page = PageRequest { cursor: None, limit: 10 };
    assert_eq!(settled(ledger, account).await, "13.00");
    assert_eq!(ledger.documents(account).await.unwrap().documents.len(), 1);
    assert_eq!(ledger.campaigns(account, &page).await.unwrap().items[0].accepted, 1);
    assert_eq!(ledger.holds(account, None, &page).await.unwrap().items.len(), 2);
    assert_eq!(
        ledger.hold(account, hold("c")).await.unwrap().map(|view| view.state),
        Some(HoldState::InDoubt)
    );
    assert_eq!(ledger.holds_in_doubt(account).await, Ok(2));
    assert_eq!(ledger.window_used(account, &"p1".parse().unwrap()).await, Ok(1));
    assert_eq!(ledger.accounts(&page).await.unwrap().items, std::slice::from_ref(account));
    assert_eq!(ledger.gateways_alive("a").await, Ok(1));
    assert_eq!(ledger.claimed(ClaimKind::Channel, "100").await, Ok(None));
}

/// Sends one command of plain words; panics if the server returns an error.
#[tokio::test]
async fn silent_gateways_are_not_counted() {
    let server = RedisServer::start();
    let ledger = RedisLedger::connect(&server.url(), options()).await.unwrap();
    assert_eq!(ledger.gateways_alive("a").await, Ok(1));
    assert_eq!(ledger.gateways_alive("b").await, Ok(2));
    assert_eq!(ledger.gateways_alive("a").await, Ok(2));
    let begin = Instant::now();
    while ledger.gateways_alive("b").await != Ok(1) {
        assert!(begin.elapsed() < Duration::from_secs(8), "`a` should have been forgotten");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
