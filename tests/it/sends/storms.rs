//! What one client cannot do to the others: guess keys, flood with one key, fill the gateway.

use std::time::Duration;

use http::Method;

use crate::support::{
    ACCOUNT, Backend, KEY, OPERATOR_KEY, RIVAL_KEY, RIVAL_NUMBER, Setup, World, indian, marketing,
    text,
};

const SENT: &str = "200 0.0118 USD marketing India";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessed_keys_are_not_looked_up_for_ever() {
    let world = World::of(Setup::on(Backend::Redis).set("server.failed_keys_per_minute", 3)).await;
    assert_eq!(world.send(marketing(&indian(1))).await.summary(), SENT);
    for guess in 0..3 {
        let reply = world.send(marketing(&indian(2))).key(&format!("guess-{guess}-of-a-key")).await;
        assert_eq!(reply.summary(), "401 unauthorized");
        assert_eq!(reply.header("retry-after"), "");
    }
    // One more, then nothing unknown is looked up: another account's key neither.
    world.send(marketing(&indian(2))).key("guess-4-of-a-key-0").await;
    let path = format!("/v24.0/{RIVAL_NUMBER}/messages");
    let reply = world.post(&path, text(&indian(2))).key(RIVAL_KEY).await;
    assert_eq!(reply.summary(), "401 unauthorized");
    let wait: i64 = reply.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert!(reply.text("/error/error_data/details").contains("too many unknown keys"));
    let wallet = format!("/v1/accounts/{ACCOUNT}/wallets/main");
    let refused = world.admin(Method::GET, &wallet, "guess-5-of-a-key-0").await;
    assert!(refused.json["detail"].as_str().unwrap().contains("too many unknown keys"));
    // Keys that were good a moment ago still are, from the same address.
    assert_eq!(world.send(marketing(&indian(3))).await.summary(), SENT);
    assert_eq!(world.admin(Method::GET, &wallet, OPERATOR_KEY).await.status, 401);
    assert_eq!(world.simulator.accepted_count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_has_a_rate() {
    let world = World::of(Setup::on(Backend::Embedded).set("send.max_requests_per_key_s", 5)).await;
    let mut summaries = Vec::new();
    for n in 0..40 {
        summaries.push(world.send(marketing(&indian(n))).await.summary());
    }
    let refused = summaries.iter().filter(|one| *one == "429 throughput_limited").count();
    assert!(refused > 0 && summaries[..5].iter().all(|one| one == SENT), "{summaries:?}");
    let path = format!("/v24.0/{RIVAL_NUMBER}/messages");
    let reply = world.post(&path, text(&indian(1))).key(RIVAL_KEY).await;
    assert_eq!(reply.status, 200, "another key has its own: {}", reply.json);
    assert_eq!(world.simulator.accepted_count(), 41 - u64::try_from(refused).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_account_leaves_room_for_the_others() {
    let setup = Setup::on(Backend::Embedded)
        .set("send.max_in_flight_per_account", 4)
        .set("send.max_in_flight", 5);
    let world = World::of(setup).await;
    world.simulator.set_latency(Duration::from_millis(800));
    let send = |n| world_send(&world, n);
    let (a, b, c, d, e) = tokio::join!(send(1), send(2), send(3), send(4), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let own = world.send(marketing(&indian(5))).await;
        assert_eq!(own.summary(), "503 overloaded");
        assert_eq!(own.header("retry-after"), "1");
        assert!(own.text("/error/error_data/details").contains("of this account"), "{}", own.json);
        let path = format!("/v24.0/{RIVAL_NUMBER}/messages");
        world.post(&path, text(&indian(1))).key(RIVAL_KEY).await.status
    });
    assert_eq!([a, b, c, d], [SENT; 4]);
    assert_eq!(e, 200, "the other account has room");
    assert_eq!(world.simulator.accepted_count(), 5);
    assert_eq!(world.send(marketing(&indian(6))).key(KEY).await.summary(), SENT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_campaign_takes_nothing_of_its_channels_throughput() {
    let setup = Setup::on(Backend::Redis).channel("throughput_limit = 20");
    let world = World::of(setup).await;
    let send = |n: usize, campaign: &'static str| {
        world.send(marketing(&indian(n))).campaign(campaign).into_future()
    };
    assert_eq!(send(0, "live").await.summary(), SENT);
    assert_eq!(send(1, "stopped").await.summary(), SENT);
    world.operate(Method::POST, "/campaigns/stopped/stop", serde_json::Value::Null).await;
    // Remembered from here on.
    assert_eq!(send(2, "stopped").await.summary(), "409 campaign_stopped");
    let storm = async {
        for n in 0..400 {
            let summary = send(1_000 + n, "stopped").await.summary();
            assert_eq!(summary, "409 campaign_stopped", "{n}");
        }
    };
    let live = async {
        for n in 0..10 {
            assert_eq!(send(10 + n, "live").await.summary(), SENT, "{n}");
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    };
    tokio::join!(storm, live);
    assert_eq!(world.simulator.accepted_count(), 12);
}

async fn world_send(world: &World, n: usize) -> String {
    world.send(marketing(&indian(n))).await.summary()
}
