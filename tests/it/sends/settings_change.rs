//! A change of settings is read once, however many sends meet it at the same time.

use std::sync::Arc;

use http::Method;
use serde_json::json;

use crate::support::{Backend, Client, Setup, WABA, World, indian, marketing};

/// Sends that find the settings changed.
const AT_ONCE: usize = 300;

/// Reads of hashes that one reading of an account's documents takes.
const HASHES: u64 = 16;

fn hashes_read(world: &World) -> u64 {
    let stats = world.redis.as_ref().unwrap().text("INFO commandstats");
    let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_hgetall:calls=")).unwrap();
    line.split(',').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_read_once_by_all_sends() {
    let setup = Setup::on(Backend::Redis)
        .own_server()
        .channel("throughput_limit = 1000")
        .set("throttle.max_wait_ms", 20_000);
    let world = World::of(setup).await;
    let (another, other) = world.another_gateway().await;
    assert_eq!(world.send(marketing(&indian(1_000))).await.status, 200);
    let template = format!("/wabas/{WABA}/templates/spring_offer/en_US");
    other.operate(Method::PUT, &template, json!({"category": "utility"})).await;
    let before = hashes_read(&world);
    // The clock is fixed: only the ledger's answer to each reserve shows the change.
    let client = Arc::new(Client::new(world.data, world.admin));
    let send = |n| {
        let client = client.clone();
        tokio::spawn(async move { client.send(marketing(&indian(n))).await.summary() })
    };
    for sent in (0..AT_ONCE).map(send).collect::<Vec<_>>() {
        assert_eq!(sent.await.unwrap(), "200 0.0014 USD utility India");
    }
    // Some are of the jobs, which look at wallets.
    let read = hashes_read(&world) - before;
    assert!((HASHES..3 * HASHES).contains(&read), "{read} hashes were read");
    assert!(another.shutdown().await.clean);
}
