//! An account that only observes: everything goes on, is posted, and is counted as what it would
//! have been refused as.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;

use crate::support::{
    ACCOUNT, Backend, EXTERNAL, MARKETING_INDIA, OPERATOR_KEY, Setup, World, indian, marketing,
    on_every_ledger, template,
};

on_every_ledger!(
    nothing_is_stopped_and_everything_is_posted,
    the_throughput_limit_never_delays,
    a_trial_ends_with_one_change,
    what_is_no_limit_holds_as_always,
);

const OBSERVE: &str = r#"enforcement = "observe""#;
const SENT: &str = "200 0.0118 USD marketing India";

/// What was counted, by rejection.
async fn counted(world: &World) -> Vec<(String, u32)> {
    let page = world.request(Method::GET, world.admin, "/metrics").await;
    let page = String::from_utf8(page.body.to_vec()).unwrap();
    let count = |line: &str| {
        let of = line.strip_prefix(r#"tollgate_observed_rejections_total{rejection=""#)?;
        let (name, count) = of.split_once(r#""} "#)?;
        Some((name.to_owned(), count.parse().unwrap()))
    };
    page.lines().filter_map(count).filter(|(_, count)| *count > 0).collect()
}

async fn nothing_is_stopped_and_everything_is_posted(backend: Backend) {
    let setup = Setup::on(backend).credits(2 * MARKETING_INDIA).account(OBSERVE);
    let world = World::of(
        setup
            .account("messaging_limit = 3")
            .account(r#"caps = [{ categories = ["marketing"], max = 2, window_s = 86400 }]"#)
            .account(r#"unknown_template = "refuse""#),
    )
    .await;
    let send = async |n| {
        let reply = world.send(marketing(&indian(n))).campaign("diwali").await;
        assert_eq!(reply.summary(), SENT);
        reply.header("tollgate-observed-rejection").to_owned()
    };
    assert_eq!(send(1).await, "");
    assert_eq!(send(2).await, "");
    assert_eq!(send(3).await, "insufficient_balance");
    assert_eq!(send(4).await, "messaging_limit_reached");
    assert_eq!(send(1).await, "insufficient_balance");
    assert_eq!(send(1).await, "frequency_capped");
    let unknown = world.send(template(&indian(1), "unheard_of", "en_US")).await;
    assert_eq!(unknown.summary(), SENT, "priced as the dearest");
    assert_eq!(unknown.header("tollgate-observed-rejection"), "unclassified");
    assert_eq!(world.simulator.accepted_count(), 7);
    let books = world.books().await;
    assert_eq!(books.available, -5 * MARKETING_INDIA);
    assert_eq!(world.campaign("diwali").await, "active");
    let each = [
        ("insufficient_balance", 2),
        ("frequency_capped", 1),
        ("unclassified", 1),
        ("messaging_limit_reached", 1),
    ];
    let mut counted = counted(&world).await;
    counted.sort();
    let mut expected = each.map(|(name, count)| (name.to_owned(), count));
    expected.sort();
    assert_eq!(counted, expected);
}

async fn the_throughput_limit_never_delays(backend: Backend) {
    let setup = Setup::on(backend).account(OBSERVE).channel("throughput_limit = 1");
    let world = World::of(setup.set("throttle.max_wait_ms", 1000)).await;
    let started = Instant::now();
    let mut observed = Vec::new();
    for n in 0..4 {
        let reply = world.send(marketing(&indian(n))).await;
        assert_eq!(reply.summary(), SENT);
        observed.push(reply.header("tollgate-observed-rejection").to_owned());
    }
    if started.elapsed() < Duration::from_secs(1) {
        // One passes and one would have waited its second.
        assert_eq!(observed, ["", "", "throughput_limited", "throughput_limited"]);
    }
    assert_eq!(observed[0], "");
    assert!(started.elapsed() < Duration::from_secs(3), "four seconds is the limit's own pace");
}

async fn a_trial_ends_with_one_change(backend: Backend) {
    let world = World::of(Setup::on(backend).credits(0).account(OBSERVE)).await;
    let account = format!("/v1/accounts/{ACCOUNT}");
    let turn = async |enforcement: &str| {
        let change = json!({"enforcement": enforcement});
        let reply = world.admin(Method::PATCH, &account, OPERATOR_KEY).json(&change).await;
        assert_eq!(reply.json["enforcement"], enforcement);
    };
    let send = async |n| world.send(marketing(&indian(n))).campaign("diwali").await.summary();
    assert_eq!(send(1).await, SENT);
    turn("enforce").await;
    assert_eq!(send(2).await, "402 insufficient_balance");
    assert_eq!(world.campaign("diwali").await, "stopped credits_exhausted");
    assert_eq!(send(3).await, "409 campaign_stopped", "refused from memory");
    turn("observe").await;
    assert_eq!(send(4).await, SENT, "what was remembered stops nothing");
    assert_eq!(counted(&world).await.len(), 2);
    assert_eq!(world.books().await.available, -2 * MARKETING_INDIA);
}

async fn what_is_no_limit_holds_as_always(backend: Backend) {
    let world = World::of(Setup::on(backend).credits(0).account(OBSERVE)).await;
    let body = marketing(&indian(1));
    let first = world.send(body.clone()).idempotency_key("once").await;
    assert_eq!(first.summary(), SENT);
    let again = world.send(body).idempotency_key("once").await;
    assert_eq!(again.message_id(), first.message_id());
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(world.simulator.accepted_count(), 1, "never sent twice");
    // Without a price it would pass unmetered.
    assert_eq!(world.send(marketing("+18005550123")).await.summary(), "422 unpriced");
    assert_eq!(world.send("{}").await.summary(), "400 malformed");
    assert_eq!(world.send(marketing(&indian(1))).key("nobody-0123456789").await.status, 401);
    assert_eq!(world.books().await.available, -MARKETING_INDIA);
    let external = format!("/v24.0/{EXTERNAL}/messages");
    let reply = world.post(&external, marketing(&indian(2))).await;
    assert_eq!((reply.status, reply.header("tollgate-observed-rejection")), (200, ""));
    assert_eq!(counted(&world).await, [("insufficient_balance".to_owned(), 1)]);
}
