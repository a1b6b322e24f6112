//! What is taken back at one gateway is not used at another: the first send after it meets the new
//! settings.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::{
    ACCOUNT, Backend, KEY, NUMBER, READ_RECEIPT, Setup, WABA, World, indian, marketing,
};

const SENT: &str = "200 0.0118 USD marketing India";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_revoked_at_one_gateway_sends_nothing_at_the_other() {
    let world = World::on(Backend::Redis).await;
    let (another, other) = world.another_gateway().await;
    let made = world.operate(Method::POST, "/keys", json!({"scopes": ["send"]})).await;
    let (key, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
    // The other gateway has key and settings in memory, and the clock is fixed: only the
    // settings' version shows it.
    assert_eq!(other.send(marketing(&indian(1))).key(key).await.summary(), SENT);
    world.operate(Method::DELETE, &format!("/keys/{id}"), Value::Null).await;
    assert_eq!(other.send(marketing(&indian(2))).key(key).await.summary(), "401 unauthorized");
    assert_eq!(world.send(marketing(&indian(2))).key(key).await.summary(), "401 unauthorized");
    assert_eq!(world.simulator.accepted_count(), 1, "the revoked key has sent");
    // Another key of the account goes on under the new settings.
    assert_eq!(other.send(marketing(&indian(3))).key(KEY).await.summary(), SENT);
    assert!(another.shutdown().await.clean);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_needs_no_reserve_is_taken_back_within_two_seconds() {
    let world = World::on(Backend::Redis).await;
    let (another, other) = world.another_gateway().await;
    let made = world.operate(Method::POST, "/keys", json!({"scopes": ["send", "read"]})).await;
    let (key, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
    let receipt = || other.send(READ_RECEIPT).key(key).into_future();
    let wallet = format!("/v1/accounts/{ACCOUNT}/wallets/main");
    assert_eq!(receipt().await.status, 200);
    assert_eq!(other.admin(Method::GET, &wallet, key).await.status, 200);
    world.operate(Method::DELETE, &format!("/keys/{id}"), Value::Null).await;
    // However long the other gateway was not asked.
    for time in [Duration::from_secs(2), Duration::from_secs(3600)] {
        world.pass(time);
        assert_eq!(receipt().await.summary(), "401 unauthorized", "{time:?}");
        assert_eq!(other.admin(Method::GET, &wallet, key).await.status, 401, "{time:?}");
    }
    assert!(another.shutdown().await.clean);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_goes_back_keeps_nothing_that_was_taken_back() {
    let world = World::on(Backend::Redis).await;
    let (another, other) = world.another_gateway().await;
    let made = world.operate(Method::POST, "/keys", json!({"scopes": ["send", "read"]})).await;
    let (key, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
    let receipt = |key: &str| other.send(READ_RECEIPT).key(key).into_future();
    assert_eq!((receipt(key).await.status, receipt(KEY).await.status), (200, 200));
    world.clock.advance(-3_600_000);
    world.operate(Method::DELETE, &format!("/keys/{id}"), Value::Null).await;
    let disabled = json!({"waba": WABA, "token_file": "meta-token", "enabled": false});
    world.operate(Method::PUT, &format!("/channels/{NUMBER}"), disabled).await;
    world.pass(Duration::from_secs(2));
    assert_eq!(receipt(key).await.summary(), "401 unauthorized");
    assert_eq!(receipt(KEY).await.status, 403);
    assert!(another.shutdown().await.clean);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_revoked_on_a_server_without_memory() {
    let world = World::of(Setup::on(Backend::Redis).own_server()).await;
    let made = world.operate(Method::POST, "/keys", json!({"scopes": ["send"]})).await;
    let (key, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
    let server = world.redis.as_ref().unwrap();
    assert_eq!(server.command("CONFIG SET maxmemory 1"), "+OK");
    world.operate(Method::DELETE, &format!("/keys/{id}"), Value::Null).await;
    assert_eq!(server.command("CONFIG SET maxmemory 0"), "+OK");
    assert_eq!(world.send(marketing(&indian(1))).key(key).await.summary(), "401 unauthorized");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_key_ends_after_its_overlap() {
    let world = World::on(Backend::Redis).await;
    let (another, other) = world.another_gateway().await;
    let made = world.operate(Method::POST, "/keys", json!({"scopes": ["send"]})).await;
    let (old, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
    let path = format!("/keys/{id}/rotate");
    let rotated = world.operate(Method::POST, &path, json!({"overlap_s": 60})).await;
    let new = rotated["key"].as_str().unwrap();
    assert_eq!(rotated["scopes"], json!(["send"]));
    assert_eq!((&rotated["replaces"]["id"], &rotated["expires"]), (&json!(id), &Value::Null));
    assert!(rotated["replaces"]["expires"].is_string() && new != old);
    let again = world.ask_operator(Method::POST, &path, json!({})).await;
    assert_eq!(again.status, 409, "{}", again.json);
    let long = world.ask_operator(Method::POST, &path, json!({"overlap_s": 2_592_001})).await;
    assert_eq!(long.status, 422, "{}", long.json);
    for (n, (key, sent)) in [(old, true), (new, true)].into_iter().enumerate() {
        let summary = other.send(marketing(&indian(n))).key(key).await.summary();
        assert_eq!(summary == SENT, sent, "{summary}");
    }
    world.pass(Duration::from_secs(60));
    for gateway in [&other, &world.client] {
        let summary = gateway.send(marketing(&indian(7))).key(old).await.summary();
        assert_eq!(summary, "401 unauthorized");
    }
    assert_eq!(other.send(marketing(&indian(8))).key(new).await.summary(), SENT);
    // A key that has ended costs its engine's address nothing, however often it comes.
    for n in 0..100 {
        let summary = other.send(marketing(&indian(20 + n))).key(old).await.summary();
        assert_eq!(summary, "401 unauthorized");
    }
    let fresh = world.operate(Method::POST, "/keys", json!({"scopes": ["send"]})).await;
    let fresh = fresh["key"].as_str().unwrap();
    assert_eq!(other.send(marketing(&indian(9))).key(fresh).await.summary(), SENT);
    // The next rotation removes what has ended.
    let path = format!("/keys/{}/rotate", rotated["id"].as_str().unwrap());
    world.operate(Method::POST, &path, Value::Null).await;
    let keys = world.operate(Method::GET, "/keys", Value::Null).await.to_string();
    assert!(!keys.contains(&format!("\"{id}\"")), "{keys}");
    assert!(another.shutdown().await.clean);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_switched_off_at_one_gateway_sends_nothing_at_the_other() {
    let world = World::on(Backend::Redis).await;
    let (another, other) = world.another_gateway().await;
    assert_eq!(other.send(marketing(&indian(1))).await.summary(), SENT);
    let settings = json!({"waba": WABA, "token_file": "meta-token", "enabled": false});
    world.operate(Method::PUT, &format!("/channels/{NUMBER}"), settings).await;
    let summary = other.send(marketing(&indian(2))).await.summary();
    assert_eq!(summary, world.send(marketing(&indian(2))).await.summary());
    assert!(summary.starts_with("403 channel_"), "{summary}");
    assert_eq!(world.simulator.accepted_count(), 1);
    assert!(another.shutdown().await.clean);
}
