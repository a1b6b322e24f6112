//! How the Redis ledger's script gets to its server, and what it takes for its own there.

use std::time::Duration;

use tollgate::clock::Clock;
use tollgate::ids::AccountId;
use tollgate::ledger::redis::{RedisLedger, RedisOptions};
use tollgate::ledger::*;

use crate::support::ledger_script::{Labels, Line, operations};
use crate::support::redis_server::RedisServer;

const FOUNDING: [&str; 3] = ["document account/account {}", "wallet main", "top-up main 5.00 a"];

fn options() -> RedisOptions {
    RedisOptions { deadline: Duration::from_secs(5), ..RedisOptions::default() }
}

fn batch(writer: u64, number: u64, lines: &[&str]) -> Batch {
    let now_ms = Clock::system().now_ms();
    let operation = |line: &&str| match Line::parse(line) {
        line if line.verb() == "send" => {
            Operation::Reserve(Box::new(operations::send(&line, now_ms, 1)))
        }
        line => operations::operation(&line, now_ms, &Labels::new()),
    };
    Batch { writer, number, clock_ms: now_ms, operations: lines.iter().map(operation).collect() }
}

fn account() -> AccountId {
    "acme".parse().unwrap()
}

fn posted(verdicts: Result<Vec<Verdict>, LedgerFault>) -> bool {
    matches!(verdicts.as_deref(), Ok([.., Verdict::Posted { repeated: false, .. }]))
}

#[tokio::test]
async fn a_server_that_forgot_the_script_is_given_it_again() {
    let server = RedisServer::start();
    let ledger = RedisLedger::connect(&server.url(), options()).await.unwrap();
    ledger.apply(&account(), &batch(1, 1, &FOUNDING)).await.unwrap();
    server.change("FUNCTION FLUSH");
    assert!(posted(ledger.apply(&account(), &batch(1, 2, &["top-up main 5.00 b"])).await));
}

#[tokio::test]
async fn a_full_server_that_forgot_the_script_ends_what_must_end() {
    let server = RedisServer::start();
    let ledger = RedisLedger::connect(&server.url(), options()).await.unwrap();
    ledger.apply(&account(), &batch(1, 1, &FOUNDING)).await.unwrap();
    server.change("FUNCTION FLUSH");
    server.change("CONFIG SET maxmemory 1");
    assert!(posted(ledger.apply(&account(), &batch(1, 2, &["top-up main 5.00 b"])).await));
    let refused = ledger.apply(&account(), &batch(1, 3, &["send a"])).await.unwrap_err();
    assert_eq!(refused.reason(), FaultReason::OutOfMemory);
    server.change("CONFIG SET maxmemory 0");
    let sent = ledger.apply(&account(), &batch(1, 3, &["send a"])).await.unwrap();
    assert!(matches!(sent[..], [Verdict::Reserved { .. }]), "{sent:?}");
}

/// One gateway calls the function, another the same text as a script, on one account.
#[tokio::test]
async fn a_gateway_that_may_load_no_function_decides_alike() {
    let server = RedisServer::start();
    let function = RedisLedger::connect(&server.url(), options()).await.unwrap();
    function.apply(&account(), &batch(1, 1, &FOUNDING)).await.unwrap();
    server.change("ACL SETUSER plain on >secret ~* +@all -function");
    let url = format!("redis://plain:secret@{}/0", server.address());
    let script = RedisLedger::connect(&url, options()).await.unwrap();
    let lines = [
        "send a price=2.00 campaign=diwali limit=2 caps=marketing:2:1d",
        "send b price=2.00 key=k",
        "send c price=2.00 campaign=diwali",
        "send d price=1.00",
    ];
    let mut sent = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let number = u64::try_from(index / 2).unwrap();
        let (ledger, writer, first) =
            if index % 2 == 0 { (&function, 1, 2) } else { (&script, 2, 1) };
        sent.extend(
            ledger.apply(&account(), &batch(writer, first + number, &[line])).await.unwrap(),
        );
    }
    let left = |verdict: &Verdict| match verdict {
        Verdict::Reserved { available: Some(left), .. } => left.to_string(),
        Verdict::Rejected(rejection) => format!("{rejection:?}").chars().take(19).collect(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        sent.iter().map(left).collect::<Vec<_>>(),
        ["3.00", "1.00", "InsufficientBalance", "0.00"]
    );
    let by_script = script.wallets(&account()).await.unwrap();
    assert_eq!(function.wallets(&account()).await.unwrap(), by_script);
}

#[tokio::test]
async fn an_account_in_another_format_is_left_alone() {
    let server = RedisServer::start();
    let ledger = RedisLedger::connect(&server.url(), options()).await.unwrap();
    ledger.apply(&account(), &batch(1, 1, &FOUNDING)).await.unwrap();
    // What a later version adds in this format is passed over.
    server.change("HSET tg:{acme}:account added_later x");
    assert!(posted(ledger.apply(&account(), &batch(1, 2, &["top-up main 1.00 b"])).await));
    for format in [1, 9] {
        server.change(&format!("HSET tg:{{acme}}:account version {format}"));
        let refused = ledger.apply(&account(), &batch(1, 3, &["send a"])).await.unwrap_err();
        let stated = format!("stored in format {format}, and this version writes format 3");
        let text = refused.to_string();
        assert!(text.contains(&stated), "{text}");
    }
    assert_eq!(ledger.wallets(&account()).await.unwrap()[0].settled.to_string(), "6.00");
}
