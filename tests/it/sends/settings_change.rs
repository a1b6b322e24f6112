//! A change of settings is read once, however many sends meet it at the same time and however
//! large the account is.

use std::sync::Arc;
use std::time::Duration;

use tollgate::ledger::redis::{RedisLedger, RedisOptions};
use tollgate::ledger::{Batch, DocumentKind, Operation};

use crate::support::{ACCOUNT, Backend, Client, Setup, WABA, World, indian, marketing};

/// Templates that the account gets.
const TEMPLATES: usize = 30_000;

/// Sends that find the settings changed.
const AT_ONCE: usize = 300;

/// Reads of hashes that one reading of an account's documents takes.
const HASHES: u64 = 16;

fn hashes_read(world: &World) -> u64 {
    let stats = world.redis.as_ref().unwrap().text("INFO commandstats");
    let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_hgetall:calls=")).unwrap();
    line.split(',').next().unwrap().parse().unwrap()
}

/// Another gateway's change: many templates more, and another category of the one that is sent.
async fn change(world: &World) {
    let options = RedisOptions {
        clock: world.clock.clone(),
        deadline: Duration::from_secs(20),
        ..RedisOptions::default()
    };
    let url = world.redis.as_ref().unwrap().url();
    let ledger = RedisLedger::connect(&url, options).await.unwrap().into_open();
    let put = |name: &str, category: &str| Operation::PutDocument {
        kind: DocumentKind::Template,
        id: format!("{WABA}/{name}/en_US").into(),
        body: format!(r#"{{"category":"{category}"}}"#).into(),
        only_if_absent: false,
        replaces: None,
    };
    let mut operations: Vec<_> =
        (0..TEMPLATES).map(|n| put(&format!("template_{n}"), "marketing")).collect();
    operations.push(put("spring_offer", "utility"));
    for (n, operations) in operations.chunks(64).enumerate() {
        let batch = Batch {
            writer: 77,
            number: n as u64 + 1,
            clock_ms: world.clock.now_ms(),
            operations: operations.to_vec(),
        };
        ledger.ledger.apply(&ACCOUNT.parse().unwrap(), &batch).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_read_once_by_all_sends() {
    let setup = Setup::on(Backend::Redis)
        .own_server()
        .channel("throughput_limit = 1000")
        .set("throttle.max_wait_ms", 20_000);
    let world = World::of(setup).await;
    assert_eq!(world.send(marketing(&indian(1_000))).await.status, 200);
    change(&world).await;
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
}
