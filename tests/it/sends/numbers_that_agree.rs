//! Numbers that agree: a refusal for money names this message's own price, a remembered one names
//! the campaign and what it lacks, and every refusal is counted once, wherever it was made.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tollgate_simulator::{Fault, FaultAction};

use crate::support::{
    Backend, Client, DISABLED, Deployment, MARKETING_INDIA, Process, RIVAL_NUMBER, Request, Setup,
    World, indian, marketing, on_every_ledger, template,
};

on_every_ledger!(
    a_refusal_names_the_price_of_its_own_message,
    a_remembered_refusal_names_the_campaign_and_what_it_lacks,
    what_was_refused_from_memory_is_counted_over_a_restart,
    whatever_refuses_a_send_its_campaign_counts_it,
);

/// One micro-credit short of a marketing message.
const SHORT: i64 = MARKETING_INDIA - 1;

async fn counts(client: &Client, campaign: &str) -> Value {
    let path = format!("/campaigns/{campaign}");
    client.operate(Method::GET, &path, Value::Null).await["counts"]["rejected"].clone()
}

async fn a_refusal_names_the_price_of_its_own_message(backend: Backend) {
    let world = World::of(Setup::on(backend).credits(SHORT)).await;
    let path = format!("/wabas/{}/templates/receipt/en_US", crate::support::WABA);
    world.operate(Method::PUT, &path, json!({"category": "utility"})).await;
    let ran_out = world.send(marketing(&indian(1))).campaign("diwali").await;
    assert_eq!(ran_out.summary(), "402 insufficient_balance");
    // A cheaper message of a new campaign: the wallet could pay for it, yet it waits for credits.
    let waits = world.send(template(&indian(2), "receipt", "en_US")).campaign("holi").await;
    assert_eq!(waits.summary(), "402 insufficient_balance");
    let data = &waits.json["error"]["error_data"];
    assert_eq!(
        (&data["needed"], &data["available"], &data["currency"]),
        (&json!("0.0014"), &json!("0.011799"), &json!("USD"))
    );
    let details = data["details"].as_str().unwrap();
    assert!(details.contains("this message costs 0.0014 USD"), "{details}");
    assert!(details.contains("ran out of credits at a message of 0.0118 USD"), "{details}");
    // Without a campaign it is judged by its own price alone.
    let sent = world.send(template(&indian(2), "receipt", "en_US")).await;
    assert_eq!(sent.summary(), "200 0.0014 USD utility India");
}

async fn a_remembered_refusal_names_the_campaign_and_what_it_lacks(backend: Backend) {
    let world = World::of(Setup::on(backend).credits(MARKETING_INDIA + SHORT)).await;
    let mut replies = Vec::new();
    for n in 0..5 {
        replies.push(world.send(marketing(&indian(n))).campaign("diwali").await);
    }
    let summaries: Vec<String> = replies.iter().map(|reply| reply.summary()).collect();
    let stopped = "409 campaign_stopped";
    let expected =
        ["200 0.0118 USD marketing India", "402 insufficient_balance", stopped, stopped, stopped];
    assert_eq!(summaries, expected);
    // The first asked the ledger, the others were refused from memory: all say the same.
    for reply in &replies[2..] {
        let data = &reply.json["error"]["error_data"];
        assert_eq!((&data["needed"], &data["available"]), (&Value::Null, &Value::Null));
        assert_eq!((&data["campaign"], &data["shortfall"]), (&json!("diwali"), &json!("0.000001")));
        let details = data["details"].as_str().unwrap();
        assert!(details.contains("campaign diwali stopped"), "{details}");
        assert!(details.contains("0.000001 USD is missing"), "{details}");
    }
    world.top_up("1.00", "second payment").await;
    world.pass(Duration::from_secs(2));
    let reply = world.send(marketing(&indian(5))).campaign("diwali").await;
    let data = &reply.json["error"]["error_data"];
    assert_eq!((reply.summary().as_str(), &data["shortfall"]), (stopped, &json!("0.00")));
    assert!(data["details"].as_str().unwrap().ends_with("restart it to go on"), "{data}");
    assert_eq!(
        counts(&world, "diwali").await,
        json!({"insufficient_balance": 1, "campaign_stopped": 4})
    );
    let stop = world.operate(Method::POST, "/campaigns/diwali/restart", Value::Null).await;
    assert_eq!(stop["state"], "active");
    world.operate(Method::POST, "/campaigns/diwali/stop", Value::Null).await;
    let reply = world.send(marketing(&indian(6))).campaign("diwali").await;
    let data = &reply.json["error"]["error_data"];
    assert_eq!((&data["campaign"], &data["shortfall"]), (&json!("diwali"), &Value::Null));
}

/// Refused sends of a stopped campaign, one after another; the storm costs no ledger call a send.
async fn storm(client: &Client, from: usize, sends: usize) {
    for n in from..from + sends {
        let reply = client.send(marketing(&indian(n))).campaign("diwali").await;
        assert_eq!(reply.summary(), "409 campaign_stopped");
    }
}

async fn what_was_refused_from_memory_is_counted_over_a_restart(backend: Backend) {
    const STORM: usize = 300;
    let deployment = Deployment::prepare(Setup::on(backend).own_server().credits(SHORT));
    let process = Process::serve(&deployment, &[]);
    process.client.operate(Method::POST, "/campaigns", json!({"id": "diwali"})).await;
    let out = process.client.send(marketing(&indian(0))).campaign("diwali").await;
    assert_eq!(out.summary(), "402 insufficient_balance");
    storm(&process.client, 1, STORM).await;
    process.terminate();
    let ended = process.ended(Duration::from_secs(20)).await;
    assert_eq!(ended.code(), Some(0), "{}", process.log());
    let process = Process::serve(&deployment, &[]);
    let all = |stopped: usize| json!({"insufficient_balance": 1, "campaign_stopped": stopped});
    assert_eq!(counts(&process.client, "diwali").await, all(STORM));
    // A crash loses no refusal that is over a second old.
    storm(&process.client, 1, STORM).await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    process.kill();
    let process = Process::serve(&deployment, &[]);
    assert_eq!(counts(&process.client, "diwali").await, all(2 * STORM));
}

async fn whatever_refuses_a_send_its_campaign_counts_it(backend: Backend) {
    let setup = Setup::on(backend).credits(2 * MARKETING_INDIA);
    let world = World::of(setup.account(r#"unknown_template = "refuse""#)).await;
    world.operate(Method::POST, "/campaigns", json!({"id": "diwali"})).await;
    let good = marketing(&indian(1));
    let send = async |request: Request<'_>| request.campaign("diwali").await.summary();
    let path = |number: &str| format!("/v24.0/{number}/messages");
    // Refused here, at every stage before the ledger.
    for (request, expected) in [
        (world.send("{}"), "400 malformed"),
        (
            world.send(good.clone()).header("content-type", "text/plain"),
            "415 unsupported_media_type",
        ),
        (world.post(&path(DISABLED), good.clone()), "403 channel_disabled"),
        (world.post(&path(RIVAL_NUMBER), good.clone()), "403 channel_unknown"),
        (world.send(marketing("12@g.us")), "422 recipient_unsupported"),
        (world.send(marketing("+18005550123")), "422 unpriced"),
        (world.send(template(&indian(1), "unheard_of", "en_US")), "422 unclassified"),
    ] {
        assert_eq!(send(request).await, expected);
    }
    let stopped = |state: &str| format!("/campaigns/diwali/{state}");
    world.operate(Method::POST, &stopped("stop"), Value::Null).await;
    for _ in 0..3 {
        assert_eq!(send(world.send(good.clone())).await, "409 campaign_stopped");
    }
    world.operate(Method::POST, &stopped("restart"), Value::Null).await;
    // Held first and refused then; refused by the ledger; not known.
    world.simulator.fault(Fault::new(FaultAction::Reset).next(1));
    assert_eq!(send(world.send(good.clone())).await, "409 outcome_unknown");
    assert_eq!(send(world.send(good.clone())).await, "409 outcome_unknown", "guarded");
    assert_eq!(send(world.send(marketing(&indian(2)))).await, "200 0.0118 USD marketing India");
    assert_eq!(send(world.send(marketing(&indian(3)))).await, "402 insufficient_balance");
    let shown = world.operate(Method::GET, "/campaigns/diwali", Value::Null).await;
    assert_eq!((&shown["counts"]["accepted"], &shown["counts"]["unknown"]), (&json!(1), &json!(1)));
    let expected = json!({
        "malformed": 1, "unsupported_media_type": 1, "channel_disabled": 1,
        "channel_unknown": 1, "recipient_unsupported": 1,
        "unpriced": 1, "unclassified": 1, "campaign_stopped": 3, "outcome_unknown": 1,
        "insufficient_balance": 1,
    });
    assert_eq!(shown["counts"]["rejected"], expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_gateway_reads_what_any_refused() {
    const STORM: usize = 400;
    let world = World::of(Setup::on(Backend::Redis).credits(SHORT)).await;
    let (another, other) = world.another_gateway().await;
    world.operate(Method::POST, "/campaigns", json!({"id": "diwali"})).await;
    let out = world.send(marketing(&indian(0))).campaign("diwali").await;
    assert_eq!(out.summary(), "402 insufficient_balance");
    let batches = async |client: &Client| {
        let page = client.request(Method::GET, client.admin, "/metrics").await;
        let page = String::from_utf8(page.body.to_vec()).unwrap();
        let name = "tollgate_ledger_seconds_count{operation=\"batch\"} ";
        page.lines().find_map(|line| line.strip_prefix(name)?.parse::<u64>().ok()).unwrap()
    };
    let before = batches(&world).await;
    let begin = std::time::Instant::now();
    tokio::join!(storm(&world, 1, STORM), storm(&other, 1_000, STORM));
    // The sweep of two accounts, a question and a count each second.
    let calls = batches(&world).await - before;
    assert!(calls <= 8 * (begin.elapsed().as_secs() + 2), "{calls} calls for {STORM} sends");
    // Neither gateway is read at which the refusals were made, nor is one told to write them.
    let third = world.another_gateway().await;
    let expected = json!({"insufficient_balance": 1, "campaign_stopped": 2 * STORM});
    let begin = std::time::Instant::now();
    while counts(&third.1, "diwali").await != expected {
        let found = counts(&third.1, "diwali").await;
        assert!(begin.elapsed() < Duration::from_secs(10), "{found}, not {expected}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(another.shutdown().await.clean && third.0.shutdown().await.clean);
}
