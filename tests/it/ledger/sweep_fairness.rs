//! The sweep looks after every account, whatever is wrong with one of them.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tollgate::catalog::Tokens;
use tollgate::jobs::{Jobs, SweepOptions};
use tollgate::ledger::batcher::BatcherOptions;
use tollgate::ledger::{DocumentKind, InDoubtPolicies, InDoubtPolicy, Operation};
use tollgate::pricing::PriceBook;
use tollgate::services::{Services, ServicesOptions};
use tollgate::upstream::client::UpstreamOptions;

use crate::support::ledger_script::{Labels, Line, operations};
use crate::support::{LedgerCase, MINUTE, on_every_ledger};

on_every_ledger!(an_account_that_cannot_be_read_keeps_no_other_waiting);

/// Sends left open by one account; more than the jobs may sweep in one go.
const LEFT: u64 = 300;

async fn an_account_that_cannot_be_read_keeps_no_other_waiting(mut case: LedgerCase) {
    // `acme` comes first, and its settings name no rate card.
    case.turn_to("bakery");
    let settings = r#"{"currency":"USD","rate_card":"meta-usd"}"#;
    let founding = Operation::PutDocument {
        kind: DocumentKind::Account,
        id: "account".into(),
        body: settings.into(),
        only_if_absent: true,
        replaces: None,
    };
    let wallet = operations::operation(
        &Line::parse("wallet main limit=999.00"),
        case.clock.now_ms(),
        &Labels::new(),
    );
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
    let services = Services::new(
        &case.ledger,
        ServicesOptions {
            book: PriceBook::builtin(),
            tokens: Tokens::new(None, "META_TOKEN*".parse().unwrap(), case.clock.clone()),
            upstream: UpstreamOptions::default(),
            base_url: "http://127.0.0.1:9".parse().unwrap(),
            allow_plaintext: false,
            batching: BatcherOptions { deadline: Duration::from_secs(20), queue: 100 },
            wallet_metrics: 10,
            failed_keys_per_minute: None,
            clock: case.clock.clone(),
        },
    );
    let metrics = services.metrics.clone();
    let jobs = Jobs { services };
    let options = SweepOptions {
        interval: Duration::from_millis(10),
        open_age: Duration::from_secs(38),
        in_doubt_age: Duration::from_secs(86_400),
        policies: InDoubtPolicies::always(InDoubtPolicy::Charge),
    };
    let stop = CancellationToken::new();
    let sweeping = tokio::spawn(jobs.sweep(options, stop.clone()));
    let begin = Instant::now();
    while !metrics.render().lines().any(|line| line == format!("tollgate_holds_in_doubt {LEFT}")) {
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "the holds were not swept:\n{}",
            metrics.render()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    sweeping.await.unwrap();
    assert_eq!(case.ledger.reads.holds_in_doubt(&case.account).await, Ok(LEFT));
    assert!(
        metrics.render().lines().any(|line| line == "tollgate_ledger_up 1"),
        "the ledger must stay available"
    );
}
