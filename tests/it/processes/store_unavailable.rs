//! The store becomes unavailable under load: sends are refused within the deadline, nothing
//! billable is forwarded, and sends succeed again without help once it is back.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::Method;

use crate::support::redis_server::RedisServer;
use crate::support::{
    Backend, Books, EXTERNAL, MARKETING_INDIA, READ_RECEIPT, RIVAL_KEY, RIVAL_NUMBER, Setup, World,
    indian, marketing, text,
};

const SENT: &str = "200 0.0118 USD marketing India";
const WORKERS: usize = 8;

/// The ledger's deadline, and what a busy machine may add to it.
const DEADLINE: Duration = Duration::from_secs(1);
const SLACK: Duration = Duration::from_millis(500);

/// One send of the load.
struct Seen {
    begin: Instant,
    took: Duration,
    summary: String,
}

struct Load {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Seen>>>,
    workers: Vec<tokio::task::JoinHandle<()>>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_hangs() {
    outage(|server| server.pause(), |server| server.resume()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_killed_and_started_again() {
    outage(RedisServer::kill, RedisServer::restart).await;
}

async fn outage(leave: impl Fn(&mut RedisServer), come_back: impl Fn(&mut RedisServer)) {
    let setup = Setup::on(Backend::Redis)
        .own_server()
        .channel("throughput_limit = 1000")
        .set("ledger.deadline_ms", DEADLINE.as_millis());
    let mut world = World::of(setup).await;
    let mut server = world.redis.take().unwrap();
    let world = Arc::new(world);
    let load = Load::begin(&world);
    assert_eq!(world.request(Method::GET, world.admin, "/readyz").await.status, 200);
    tokio::time::sleep(Duration::from_millis(500)).await;

    leave(&mut server);
    let left = Instant::now();
    tokio::time::sleep(Duration::from_millis(700)).await;
    let forwarded = world.simulator.accepted_count();
    without_the_store(&world).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        world.simulator.accepted_count(),
        forwarded,
        "something billable was forwarded without a decision"
    );
    let back = Instant::now();
    come_back(&mut server);

    let recovered = tokio::time::timeout(Duration::from_secs(10), async {
        while world.simulator.accepted_count() < forwarded + 20 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    recovered.await.expect("sends do not go on by themselves");
    let seen = load.end().await;
    assert_eq!(world.request(Method::GET, world.admin, "/readyz").await.status, 200);
    judge(&seen, left, back);
    let accepted = seen.iter().filter(|seen| seen.summary == SENT).count();
    assert_eq!(world.simulator.accepted_count(), accepted as u64, "every message has its answer");
    let left = 100_000_000 - i64::try_from(accepted).unwrap() * MARKETING_INDIA;
    assert_eq!(settled_books(&world).await, Books { settled: left, held: 0, available: left });
}

/// What needs no decision flows on; what cannot be known is not guessed.
async fn without_the_store(world: &World) {
    let external = world.post(&format!("/v24.0/{EXTERNAL}/messages"), marketing(&indian(1))).await;
    assert_eq!(external.summary(), "200 0.00 USD marketing India");
    assert_eq!(world.send(READ_RECEIPT).await.summary(), "200");
    let free = world.send(text(&indian(2))).await;
    assert_eq!(
        free.summary(),
        "503 ledger_unavailable",
        "only the ledger knows whether it is free"
    );
    let rival = world
        .post(&format!("/v24.0/{RIVAL_NUMBER}/messages"), marketing(&indian(3)))
        .key(RIVAL_KEY)
        .await;
    assert_eq!(
        rival.summary(),
        "503 ledger_unavailable",
        "a key not seen before is neither good nor bad"
    );
    let ready = world.request(Method::GET, world.admin, "/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(String::from_utf8_lossy(&ready.body).contains("ledger"), "{ready:?}");
    assert_eq!(world.request(Method::GET, world.admin, "/livez").await.status, 200);
    let metrics = world.request(Method::GET, world.admin, "/metrics").await;
    assert!(String::from_utf8_lossy(&metrics.body).contains("\ntollgate_ledger_up 0\n"));
}

/// Sends begun while the store was unavailable were refused, each within the deadline; all others
/// were sent or refused.
fn judge(seen: &[Seen], left: Instant, back: Instant) {
    let mut refused = 0;
    let mut longest = Duration::ZERO;
    for seen in seen {
        assert!(
            seen.summary == SENT || seen.summary == "503 ledger_unavailable",
            "{}",
            seen.summary
        );
        assert!(
            seen.took < DEADLINE + SLACK,
            "a send took {:?} and returned {}",
            seen.took,
            seen.summary
        );
        if seen.begin > left && seen.begin + seen.took < back {
            assert_eq!(seen.summary, "503 ledger_unavailable");
            refused += 1;
            longest = longest.max(seen.took);
        }
    }
    assert!(refused >= WORKERS, "only {refused} sends began during the outage");
    eprintln!(
        "{refused} of {} sends were refused without the store, the slowest after {longest:?}",
        seen.len()
    );
}

/// The books once everything queued is written.
async fn settled_books(world: &World) -> Books {
    for _ in 0..100 {
        let books = world.books().await;
        if books.held == 0 {
            return books;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.books().await
}

impl Load {
    fn begin(world: &Arc<World>) -> Load {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let next = Arc::new(AtomicUsize::new(1_000));
        let worker = |_| {
            let (world, stop, seen, next) =
                (world.clone(), stop.clone(), seen.clone(), next.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let begin = Instant::now();
                    let summary = world
                        .send(marketing(&indian(next.fetch_add(1, Ordering::SeqCst))))
                        .await
                        .summary();
                    seen.lock().unwrap().push(Seen { begin, took: begin.elapsed(), summary });
                    // An engine that hammers a refusing gateway would show nothing more.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
        };
        let workers = (0..WORKERS).map(worker).collect();
        Load { stop, seen, workers }
    }

    async fn end(self) -> Vec<Seen> {
        self.stop.store(true, Ordering::SeqCst);
        for worker in self.workers {
            worker.await.unwrap();
        }
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}
