//! A gateway is ready while its ledger can decide a send, and names why it is not: whatever keeps
//! writes from a store shows in `/readyz` and the metrics, and goes away with its cause.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use crate::support::redis_server::RedisServer;
use crate::support::{Backend, Client, Deployment, Process, Setup, World, indian, marketing};

const SENT: &str = "200 0.0118 USD marketing India";

/// `/readyz` as its status and the reasons of what is not ready.
async fn ready(client: &Client) -> (u16, Vec<String>) {
    let reply = client.request(Method::GET, client.admin, "/readyz").await;
    let answer: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(answer["ready"], json!(reply.status == 200), "{answer}");
    let reason = |what: &Value| {
        assert!(!what["detail"].as_str().unwrap().is_empty(), "{answer}");
        what["reason"].as_str().unwrap().to_owned()
    };
    (reply.status, answer["not_ready"].as_array().unwrap().iter().map(reason).collect())
}

async fn metric(client: &Client, name: &str) -> f64 {
    let page = client.request(Method::GET, client.admin, "/metrics").await;
    let page = String::from_utf8(page.body.to_vec()).unwrap();
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in\n{page}")).parse().unwrap()
}

/// Waits for what happens at the latest with the next probe of the gateway itself.
async fn eventually<T: PartialEq + std::fmt::Debug>(expected: T, find: impl AsyncFn() -> T) {
    let begin = Instant::now();
    loop {
        let found = find().await;
        if found == expected {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "{found:?}, not {expected:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A world on a server of its own, ready and sending.
async fn world() -> (World, RedisServer) {
    let mut world = World::of(Setup::on(Backend::Redis).own_server()).await;
    let server = world.redis.take().unwrap();
    assert_eq!(ready(&world).await, (200, vec![]));
    assert_eq!(world.send(marketing(&indian(1))).await.summary(), SENT);
    (world, server)
}

/// Nothing can be decided for `reason`: readiness, metrics and sends agree; reads go on if the
/// store permits them.
async fn is_not_ready(world: &World, reason: &str) {
    assert_eq!(ready(world).await, (503, vec![reason.to_owned()]));
    eventually(0.0, async || metric(world, "tollgate_ledger_up").await).await;
    let faults = format!("tollgate_ledger_faults_total{{reason=\"{reason}\"}}");
    assert!(metric(world, &faults).await >= 1.0, "{faults}");
    let before = world.simulator.accepted_count();
    let refused = world.send(marketing(&indian(2))).await.summary();
    assert_eq!(refused, "503 ledger_unavailable");
    assert_eq!(world.simulator.accepted_count(), before);
    let live = world.request(Method::GET, world.admin, "/livez").await;
    assert_eq!(live.status, 200);
}

async fn is_ready_again(world: &World) {
    eventually((200, vec![]), async || ready(world).await).await;
    eventually(1.0, async || metric(world, "tollgate_ledger_up").await).await;
    eventually(SENT.to_owned(), async || world.send(marketing(&indian(3))).await.summary()).await;
}

/// What happens to a server, by its commands, and what ends it.
async fn while_it_lasts(causes: &[&str], ends: &[&str], reason: &str) {
    let (world, server) = world().await;
    for cause in causes {
        assert_eq!(server.command(cause), "+OK", "{cause}");
    }
    is_not_ready(&world, reason).await;
    for end in ends {
        assert_eq!(server.command(end), "+OK", "{end}");
    }
    is_ready_again(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_not_ready() {
    while_it_lasts(&["REPLICAOF 127.0.0.1 9"], &["REPLICAOF NO ONE"], "read_only").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_the_replicas_it_needs_is_not_ready() {
    let set = |count| format!("CONFIG SET min-replicas-to-write {count}");
    while_it_lasts(&[&set(1)], &[&set(0)], "too_few_replicas").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_is_not_ready() {
    let set = |bytes| format!("CONFIG SET maxmemory {bytes}");
    while_it_lasts(&[&set(1)], &[&set(0)], "out_of_memory").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_may_not_write_is_not_ready() {
    let may = |sign| format!("ACL SETUSER default {sign}eval {sign}evalsha {sign}fcall");
    while_it_lasts(&[&may("-")], &[&may("+")], "not_permitted").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_save_is_not_ready() {
    let (world, server) = world().await;
    // A directory where the file belongs.
    let file = server.directory().join("dump.rdb");
    std::fs::create_dir(&file).unwrap();
    assert_eq!(server.command("CONFIG SET save \"3600 1\""), "+OK");
    assert_eq!(server.command("BGSAVE"), "+Background saving started");
    eventually("not_persisting".to_owned(), async || ready(&world).await.1.concat()).await;
    is_not_ready(&world, "not_persisting").await;
    std::fs::remove_dir(&file).unwrap();
    assert_eq!(server.command("BGSAVE"), "+Background saving started");
    is_ready_again(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_not_ready() {
    let (world, server) = world().await;
    server.pause();
    assert_eq!(ready(&world).await, (503, vec!["no_answer".to_owned()]));
    server.resume();
    is_ready_again(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_holds_no_ledger_any_more_is_not_ready() {
    let (world, server) = world().await;
    assert_eq!(server.command("FLUSHALL"), "+OK");
    is_not_ready(&world, "another_ledger").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_lost_writes_of_every_account_is_not_ready() {
    let (world, server) = world().await;
    for account in ["acme", "rival"] {
        assert_eq!(server.command(&format!("DEL tg:{{{account}}}:writers")), ":1", "{account}");
        server.change(&format!("HINCRBY tg:{{{account}}}:account last -1"));
    }
    let frozen = (503, vec!["frozen".to_owned()]);
    eventually(frozen, async || ready(&world).await).await;
    is_not_ready(&world, "frozen").await;
}

/// However many ask, the store hears of it about once a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_ask_share_a_probe() {
    let (world, server) = world().await;
    assert_eq!(server.command("CONFIG RESETSTAT"), "+OK");
    let begin = Instant::now();
    let mut asked = 0;
    while begin.elapsed() < Duration::from_secs(2) {
        assert_eq!(ready(&world).await, (200, vec![]));
        asked += 1;
    }
    let probes = server.text("INFO commandstats");
    let count = probes
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_set:calls=")?.split(',').next()?.parse().ok());
    let count: u64 = count.unwrap_or_else(|| panic!("{probes}"));
    assert!(asked > 100, "only {asked} asked");
    // A burst of eight, one a second for those who ask, and one a second of the gateway's own.
    assert!(count <= 8 + 2 * (begin.elapsed().as_secs() + 2), "{count} probes for {asked}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_embedded_ledger_that_cannot_write_is_not_ready() {
    let world = World::on(Backend::Embedded).await;
    assert_eq!(ready(&world).await, (200, vec![]));
    let file = world.home.path().join("ledger/ledger.sqlite3");
    let file = rusqlite::Connection::open(file).unwrap();
    file.busy_timeout(Duration::from_secs(5)).unwrap();
    let trigger = |table| {
        format!(
            "CREATE TRIGGER full_{table} BEFORE INSERT ON {table} \
             BEGIN SELECT RAISE(ABORT, 'no space'); END"
        )
    };
    for table in ["journal", "identity"] {
        file.execute_batch(&trigger(table)).unwrap();
    }
    is_not_ready(&world, "other").await;
    file.execute_batch("DROP TRIGGER full_journal; DROP TRIGGER full_identity").unwrap();
    is_ready_again(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_embedded_ledger_on_a_disk_without_room_is_not_ready() {
    let deployment = Deployment::prepare(Setup::on(Backend::Embedded));
    let process = Process::serve_on_a_small_disk(&deployment, 1_000);
    let client = &process.client;
    assert_eq!(ready(client).await, (200, vec![]));
    let mut sent = 0;
    while ready(client).await.0 == 200 {
        assert!(sent < 2_000, "the disk is never full");
        client.send(marketing(&indian(sent))).await;
        sent += 1;
    }
    assert_eq!(ready(client).await, (503, vec!["unwritable".to_owned()]));
    eventually("503 ledger_unavailable".to_owned(), async || {
        client.send(marketing(&indian(5_000))).await.summary()
    })
    .await;
    eventually(0.0, async || metric(client, "tollgate_ledger_up").await).await;
    assert!(metric(client, "tollgate_ledger_faults_total{reason=\"unwritable\"}").await >= 1.0);
}
