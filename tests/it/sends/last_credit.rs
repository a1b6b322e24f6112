//! The last credit: whatever comes at once, exactly what the credits cover is sent, and the
//! campaign stops until a person restarts it.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::{
    Backend, Books, MARKETING_INDIA, Setup, World, indian, marketing, on_every_ledger,
};

on_every_ledger!(
    a_thousand_at_once_send_exactly_what_the_credits_cover,
    sends_without_a_campaign_are_judged_one_by_one,
    an_overdraft_is_credit_too_and_a_low_balance_is_reported_once,
);

const AT_ONCE: usize = 1_000;

/// Messages the wallet pays for; what is left beside them is one micro-credit short of another.
const COVERED: usize = 83;

async fn a_thousand_at_once_send_exactly_what_the_credits_cover(backend: Backend) {
    let world = spendable(backend).await;
    let mut summaries = send_at_once(&world, Some("diwali")).await;
    summaries.sort();
    summaries.dedup_by(|one, other| one == other);
    let (k, price) = (i64::try_from(COVERED).unwrap(), MARKETING_INDIA);
    assert_eq!(
        summaries,
        ["200 0.0118 USD marketing India", "402 insufficient_balance", "409 campaign_stopped"]
    );
    assert_eq!(world.simulator.accepted_count(), COVERED as u64);
    assert_eq!(world.books().await, Books { settled: price - 1, held: 0, available: price - 1 });
    let usage = world.operate(Method::GET, "/usage?group_by=country,category", Value::Null).await;
    assert_eq!(usage["total"]["messages"], k);
    assert_eq!(crate::support::micros(usage["total"]["credits"].as_str().unwrap()), k * price);
    let events = world.events().await;
    assert_eq!(events.iter().filter(|event| *event == "wallet_exhausted").count(), 1, "{events:?}");
    assert_eq!(world.campaign("diwali").await, "stopped credits_exhausted");

    // Credits alone restart nothing, neither while this gateway remembers the stop nor once it
    // reads the ledger again.
    world.top_up("5.00", "second payment").await;
    for pause in [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(2)] {
        world.pass(pause);
        let reply = world.send(marketing(&indian(AT_ONCE))).campaign("diwali").await;
        assert_eq!(reply.summary(), "409 campaign_stopped");
    }
    assert_eq!(world.simulator.accepted_count(), COVERED as u64);
    world.operate(Method::POST, "/campaigns/diwali/restart", Value::Null).await;
    let reply = world.send(marketing(&indian(AT_ONCE))).campaign("diwali").await;
    assert_eq!(reply.summary(), "200 0.0118 USD marketing India");
    assert_eq!(world.simulator.accepted_count(), COVERED as u64 + 1);
}

async fn sends_without_a_campaign_are_judged_one_by_one(backend: Backend) {
    let world = spendable(backend).await;
    let summaries = send_at_once(&world, None).await;
    let accepted =
        summaries.iter().filter(|summary| *summary == "200 0.0118 USD marketing India").count();
    let refused = summaries.iter().filter(|summary| *summary == "402 insufficient_balance").count();
    assert_eq!((accepted, refused), (COVERED, AT_ONCE - COVERED));
    assert_eq!(world.simulator.accepted_count(), COVERED as u64);
    assert_eq!(world.books().await.settled, MARKETING_INDIA - 1);
    assert!(
        !world.events().await.contains(&"wallet_exhausted".to_owned()),
        "no campaign was refused"
    );
    // What is paid in is spent at once.
    world.top_up("0.000001", "a micro-credit").await;
    assert_eq!(world.send(marketing(&indian(0))).await.summary(), "200 0.0118 USD marketing India");
    let short = world.send(marketing(&indian(1))).await;
    assert_eq!(short.summary(), "402 insufficient_balance");
    let data = &short.json["error"]["error_data"];
    assert_eq!(
        (&data["needed"], &data["available"], &data["currency"]),
        (&"0.0118".into(), &"0.00".into(), &"USD".into())
    );
}

async fn an_overdraft_is_credit_too_and_a_low_balance_is_reported_once(backend: Backend) {
    let world = World::of(Setup::on(backend).credits(3 * MARKETING_INDIA)).await;
    let limits = json!({"overdraft_limit": "0.0236", "low_balance_thresholds": ["0.02"]});
    world.operate(Method::PATCH, "/wallets/main", limits).await;
    let mut statuses = Vec::new();
    for n in 0..6 {
        statuses.push(world.send(marketing(&indian(n))).await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 200, 200, 402]);
    assert_eq!(world.books().await, Books { settled: -2 * MARKETING_INDIA, held: 0, available: 0 });
    let low = async || world.events().await.iter().filter(|event| *event == "low_balance").count();
    assert_eq!(low().await, 1);
    // Above the threshold it is armed again.
    world.top_up("0.05", "second payment").await;
    for n in 6..9 {
        assert_eq!(world.send(marketing(&indian(n))).await.status, 200);
    }
    assert_eq!(low().await, 2);
}

async fn spendable(backend: Backend) -> Arc<World> {
    let credits = i64::try_from(COVERED).unwrap() * MARKETING_INDIA + MARKETING_INDIA - 1;
    let setup = Setup::on(backend)
        .credits(credits)
        .channel("throughput_limit = 1000")
        .set("throttle.max_wait_ms", 20_000);
    Arc::new(World::of(setup).await)
}

/// Every reply in short.
async fn send_at_once(world: &Arc<World>, campaign: Option<&'static str>) -> Vec<String> {
    let sends = (0..AT_ONCE).map(|n| {
        let world = world.clone();
        tokio::spawn(async move {
            let request = world.send(marketing(&indian(n)));
            let request = if let Some(id) = campaign { request.campaign(id) } else { request };
            request.await.summary()
        })
    });
    let mut summaries = Vec::new();
    for send in sends.collect::<Vec<_>>() {
        summaries.push(send.await.unwrap());
    }
    summaries
}
