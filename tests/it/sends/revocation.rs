//! What is taken back at one gateway is not used at another: the first send after it meets the new
//! settings.

use http::Method;
use serde_json::{Value, json};

use crate::support::{Backend, KEY, NUMBER, WABA, World, indian, marketing};

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
