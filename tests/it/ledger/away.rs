//! What happens to the Redis ledger when its server restarts, stalls, forgets or refuses.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tollgate::clock::Clock;
use tollgate::ids::AccountId;
use tollgate::ledger::redis::{RedisLedger, RedisOptions};
use tollgate::ledger::*;

use crate::servers::RedisServer;

fn options() -> RedisOptions {
    RedisOptions { deadline: Duration::from_millis(400), ..RedisOptions::default() }
}

fn batch(number: u64, operations: Vec<Operation>) -> Batch {
    Batch { writer: 7, number, clock_ms: Clock::system().now_ms(), operations }
}

fn founding() -> Vec<Operation> {
    vec![
        Operation::PutDocument { kind: DocumentKind::Account, id: "account".into(), body: "{}".into(), only_if_absent: true },
        Operation::PutWallet { wallet: "main".parse().unwrap(), overdraft_limit: None, low_balance_thresholds: None },
    ]
}

fn top_up(reference: &str) -> Operation {
    Operation::TopUp { wallet: "main".parse().unwrap(), amount: "5".parse().unwrap(), reference: reference.into() }
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
    let away = ledger.apply(&account, &batch(3, vec![top_up("b")])).await;
    assert!(matches!(away, Err(LedgerFault::Unavailable(_))), "{away:?}");
    assert!(begin.elapsed() < Duration::from_secs(1));
    assert!(ledger.ping().await.is_err());
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
        let away = ledger.apply(&account, &batch(2, vec![top_up("a")])).await;
        assert!(matches!(away, Err(LedgerFault::Unavailable(_))), "{away:?}");
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
    let ledger = RedisLedger::connect(&server.url(), RedisOptions { allow_unsafe: true, ..options() }).await.unwrap();
    assert_eq!(ledger.durability(), "memory");
    let account: AccountId = "acme".parse().unwrap();
    ledger.apply(&account, &batch(1, founding())).await.unwrap();
    redis_command(&server, &["SCRIPT", "FLUSH"]);
    ledger.apply(&account, &batch(2, vec![top_up("a")])).await.unwrap();
    redis_command(&server, &["FLUSHALL"]);
    let gone = ledger.apply(&account, &batch(3, vec![top_up("a")])).await;
    assert!(matches!(gone, Err(LedgerFault::Closed(_))), "{gone:?}");
    server.restart();
    let gone = ledger.apply(&account, &batch(3, vec![top_up("a")])).await;
    assert!(matches!(&gone, Err(LedgerFault::Closed(text)) if text.contains("no ledger")), "{gone:?}");
}

#[tokio::test]
async fn a_full_server_refuses_whole_batches() {
    let server = RedisServer::start();
    let ledger = RedisLedger::connect(&server.url(), options()).await.unwrap();
    let account: AccountId = "acme".parse().unwrap();
    ledger.apply(&account, &batch(1, founding())).await.unwrap();
    redis_command(&server, &["CONFIG", "SET", "maxmemory", "1"]);
    let full = ledger.apply(&account, &batch(2, vec![top_up("a")])).await;
    assert!(matches!(&full, Err(LedgerFault::Unavailable(text)) if text.contains("memory")), "{full:?}");
    assert_eq!(settled(&ledger, &account).await, "0.00");
    redis_command(&server, &["CONFIG", "SET", "maxmemory", "0"]);
    ledger.apply(&account, &batch(2, vec![top_up("a")])).await.unwrap();
    assert_eq!(settled(&ledger, &account).await, "5.00");
}

/// Sends one command of plain words; panics unless the server answers it without an error.
fn redis_command(server: &RedisServer, words: &[&str]) {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(format!("{}\r\n", words.join(" ")).as_bytes()).unwrap();
    let mut answer = [0u8; 64];
    let length = stream.read(&mut answer).unwrap();
    assert!(answer[..length].starts_with(b"+OK"), "{words:?}: {}", String::from_utf8_lossy(&answer[..length]));
}

#[tokio::test]
async fn gateways_that_say_nothing_are_not_counted() {
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
