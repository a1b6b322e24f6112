//! Two gateways on one store: one wallet, one campaign, one memory of keys; what is decided at one
//! counts at the other.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::{
    Backend, Books, Client, MARKETING_INDIA, Setup, World, indian, marketing, text,
};

const SENT: &str = "200 0.0118 USD marketing India";

const AT_ONCE: usize = 500;

/// Messages the wallet pays for, more than a batch holds.
const COVERED: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_credit_is_spent_once() {
    let credits = i64::try_from(COVERED).unwrap() * MARKETING_INDIA;
    let setup = Setup::on(Backend::Redis)
        .credits(credits)
        .channel("throughput_limit = 1000")
        .set("throttle.max_wait_ms", 20_000);
    let world = World::of(setup).await;
    let (another, other) = world.another_gateway().await;
    let one = Arc::new(Client::new(world.data, world.admin));
    let other = Arc::new(other);
    // Both have read the account's settings before the rush begins.
    assert_eq!(one.send(text(&indian(1_000))).await.status, 200);
    assert_eq!(other.send(text(&indian(1_001))).await.status, 200);
    let sends = (0..AT_ONCE).map(|n| {
        let client = if n % 2 == 0 { one.clone() } else { other.clone() };
        tokio::spawn(async move {
            client.send(marketing(&indian(n))).campaign("diwali").await.summary()
        })
    });
    let mut accepted = [0, 0];
    let mut refused = 0;
    for (n, send) in sends.collect::<Vec<_>>().into_iter().enumerate() {
        match send.await.unwrap().as_str() {
            SENT => accepted[n % 2] += 1,
            "402 insufficient_balance" | "409 campaign_stopped" => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!((accepted[0] + accepted[1], refused), (COVERED, AT_ONCE - COVERED));
    assert!(accepted[0] > 0 && accepted[1] > 0, "{accepted:?}: only one gateway sent");
    assert_eq!(world.simulator.accepted_count(), COVERED as u64 + 2);
    // A gateway reads after what it has queued itself: what the other had is written by now.
    other.books().await;
    assert_eq!(world.books().await, Books { settled: 0, held: 0, available: 0 });
    assert_eq!(other.books().await, Books { settled: 0, held: 0, available: 0 });
    let events = world.events().await;
    assert_eq!(events.iter().filter(|event| *event == "wallet_exhausted").count(), 1, "{events:?}");

    // A restart works at once at the gateway it was ordered at, and within a second elsewhere.
    world.top_up("1.00", "second payment").await;
    world.operate(Method::POST, "/campaigns/diwali/restart", Value::Null).await;
    assert_eq!(world.send(marketing(&indian(1))).campaign("diwali").await.summary(), SENT);
    world.pass(Duration::from_millis(1_001));
    assert_eq!(other.send(marketing(&indian(2))).campaign("diwali").await.summary(), SENT);
    assert!(another.shutdown().await.clean);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_and_settings_are_known_to_both() {
    let world = World::on(Backend::Redis).await;
    let (another, other) = world.another_gateway().await;
    let first = world.send(marketing(&indian(1))).idempotency_key("order-1").await;
    // Whether or not the first gateway has reported to the store yet, there is no second
    // message.
    let again = other.send(marketing(&indian(1))).idempotency_key("order-1").await;
    assert!(
        [SENT, "409 idempotency_in_flight"].contains(&again.summary().as_str()),
        "{}",
        again.summary()
    );
    world.books().await;
    let again = other.send(marketing(&indian(1))).idempotency_key("order-1").await;
    assert_eq!(
        (again.header("idempotency-replayed"), again.message_id()),
        ("true", first.message_id())
    );
    assert_eq!(world.simulator.accepted_count(), 1);
    // The other gateway has the old settings in memory; the store does not let it use them.
    let template = format!("/wabas/{}/templates/spring_offer/en_US", crate::support::WABA);
    world.operate(Method::PUT, &template, json!({"category": "utility"})).await;
    assert_eq!(other.send(marketing(&indian(2))).await.summary(), "200 0.0014 USD utility India");
    // A key made here sends there, and a stop here stops there.
    let made = world.operate(Method::POST, "/keys", json!({"scopes": ["send"]})).await;
    let key = made["key"].as_str().unwrap();
    assert_eq!(other.send(marketing(&indian(3))).campaign("diwali").key(key).await.status, 200);
    other.operate(Method::POST, "/campaigns/diwali/stop", Value::Null).await;
    assert_eq!(
        world.send(marketing(&indian(4))).campaign("diwali").await.summary(),
        "409 campaign_stopped"
    );
    assert!(another.shutdown().await.clean);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_one_account_at_both_do_not_undo_each_other() {
    let world = World::on(Backend::Redis).await;
    let (another, other) = world.another_gateway().await;
    for round in 1..=30 {
        let modes = ["observe", "enforce"];
        let (limit, mode) = (json!(100 + round), json!(modes[round % 2]));
        let (limited, switched) = (json!({"messaging_limit": limit}), json!({"enforcement": mode}));
        tokio::join!(
            world.operate(Method::PATCH, "", limited),
            other.operate(Method::PATCH, "", switched),
        );
        let account = world.operate(Method::GET, "", Value::Null).await;
        assert_eq!((&account["messaging_limit"], &account["enforcement"]), (&limit, &mode));
    }
    assert!(another.shutdown().await.clean);
}

/// The ids of the account's keys that a gateway made.
async fn key_ids(client: &Client) -> Vec<String> {
    let keys = client.operate(Method::GET, "/keys", Value::Null).await;
    let ids = keys["items"].as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap());
    ids.filter(|id| id.starts_with("k-")).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_rotated_at_both_is_replaced_once_and_revoking_wins() {
    let world = World::on(Backend::Redis).await;
    let (another, other) = world.another_gateway().await;
    for _ in 0..10 {
        let made = world.operate(Method::POST, "/keys", json!({"scopes": ["send"]})).await;
        let id = made["id"].as_str().unwrap();
        let (one, rotation) = (format!("/keys/{id}"), format!("/keys/{id}/rotate"));
        let before = key_ids(&world).await.len();
        let (here, there) = tokio::join!(
            world.ask_operator(Method::POST, &rotation, Value::Null),
            other.ask_operator(Method::POST, &rotation, Value::Null),
        );
        let mut statuses = [here.status, there.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409], "{} {}", here.json, there.json);
        assert_eq!(key_ids(&world).await.len(), before + 1);

        let new = if here.status == 201 { here.json } else { there.json };
        let new = new["id"].as_str().unwrap();
        let (two, rotation) = (format!("/keys/{new}"), format!("/keys/{new}/rotate"));
        let (rotated, revoked) = tokio::join!(
            world.ask_operator(Method::POST, &rotation, Value::Null),
            other.ask_operator(Method::DELETE, &two, Value::Null),
        );
        assert_eq!(revoked.status, 204, "{}", revoked.json);
        assert!(matches!(rotated.status, 201 | 404), "{}", rotated.json);
        assert!(!key_ids(&world).await.contains(&new.to_owned()), "a revoked key is back");
        world.operate(Method::DELETE, &one, Value::Null).await;
    }
    assert!(another.shutdown().await.clean);
}
