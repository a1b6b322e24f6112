//! `kill -9` under load: after a restart the books hold at least what every message costs that the
//! Cloud API took; what they hold more is open.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tollgate::clock::Clock;
use tollgate::config::Config;
use tollgate::gateway::Gateway;

use crate::support::{
    Backend, Client, Deployment, MARKETING_INDIA, Process, Setup, indian, marketing,
    on_every_ledger,
};

on_every_ledger!(what_upstream_took_is_in_the_books_after_a_crash);

const PAID_IN: i64 = 100_000_000;

/// Sends in work at one time.
const WORKERS: usize = 24;

async fn what_upstream_took_is_in_the_books_after_a_crash(backend: Backend) {
    let setup = Setup::on(backend)
        .own_server()
        .channel("throughput_limit = 1000")
        .set("throttle.max_wait_ms", 20_000)
        .simulator(|options| options.latency = Duration::from_millis(30));
    let deployment = Deployment::prepare(setup);
    let next = AtomicUsize::new(0);
    let mut process = Process::serve(&deployment, &[]);
    for crash in 0..3 {
        process = crash_under_load(process, &deployment, &next, 40 + 20 * crash).await;
        check_books(&process.client, &deployment).await;
    }
    // The gateway works on, and whoever repeats a message that is in doubt does not send it again.
    let reply = process.client.send(marketing(&indian(next.load(Ordering::SeqCst)))).await;
    assert_eq!(reply.summary(), "200 0.0118 USD marketing India");
    check_books(&process.client, &deployment).await;
    let messages = deployment.simulator.accepted_count();
    process.kill();
    everything_open_becomes_in_doubt(&deployment).await;
    assert_eq!(deployment.simulator.accepted_count(), messages, "something was sent again");
}

/// Sends until enough arrived, kills the gateway in the midst of it, and starts it again.
async fn crash_under_load(
    process: Process,
    deployment: &Deployment,
    next: &AtomicUsize,
    enough: u64,
) -> Process {
    let process = Arc::new(process);
    let stop = Arc::new(AtomicBool::new(false));
    let before = deployment.simulator.accepted_count();
    let first = next.fetch_add(10_000, Ordering::SeqCst);
    let workers = (0..WORKERS).map(|worker| {
        let (process, stop) = (process.clone(), stop.clone());
        tokio::spawn(async move {
            let mut n = first + worker;
            // The first send without a reply is the crash.
            while !stop.load(Ordering::SeqCst)
                && process
                    .client
                    .send(marketing(&indian(n)))
                    .campaign("diwali")
                    .attempt()
                    .await
                    .is_ok()
            {
                n += WORKERS;
            }
        })
    });
    let workers: Vec<_> = workers.collect();
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while deployment.simulator.accepted_count() < before + enough {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.expect("the load does not arrive");
    process.kill();
    stop.store(true, Ordering::SeqCst);
    for worker in workers {
        worker.await.unwrap();
    }
    Process::serve(deployment, &[])
}

/// Top-ups - settled + held covers every message that was taken; what it covers beyond is held, and
/// nothing but what is open is held.
async fn check_books(client: &Client, deployment: &Deployment) {
    let books = client.books().await;
    let price = MARKETING_INDIA;
    let taken = i64::try_from(deployment.simulator.accepted_count()).unwrap() * price;
    let charged = PAID_IN - books.settled;
    assert!(charged <= taken, "charged {charged} for messages worth {taken}");
    assert!(
        charged + books.held >= taken,
        "charged {charged} and held {} do not cover messages worth {taken}",
        books.held
    );
    assert_eq!(books.available, books.settled - books.held);
    let mut holds = client.holds("in_doubt").await;
    holds.extend(client.holds("open").await);
    assert_eq!(
        i64::try_from(holds.len()).unwrap() * price,
        books.held,
        "what is held is not what is open"
    );
    let usage = client
        .operate(http::Method::GET, "/usage?group_by=country,category", serde_json::Value::Null)
        .await;
    assert_eq!(usage["total"]["messages"].as_i64().unwrap() * price, charged);
}

/// A minute later nothing is simply open any more. A gateway of this process with a clock that is
/// ahead replaces the wait.
async fn everything_open_becomes_in_doubt(deployment: &Deployment) {
    let config =
        Config::from_parts(&deployment.text, "world.toml", deployment.environment.clone()).unwrap();
    let later = Clock::system().now_ms() + 60_000;
    let gateway = Gateway::start(&config, Clock::fixed(later)).await.unwrap();
    let client = Client::new(gateway.data_addr(), gateway.admin_addr());
    // The sweep begins with accounts it has heard of.
    let held = client.books().await.held;
    for _ in 0..200 {
        if client.holds("open").await.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(client.holds("open").await.is_empty(), "holds of a gateway that is gone stay open");
    assert_eq!(
        i64::try_from(client.holds("in_doubt").await.len()).unwrap() * MARKETING_INDIA,
        held
    );
    assert!(held > 0, "the crash met no send in work: it shows nothing");
    check_books(&client, deployment).await;
    assert!(gateway.shutdown().await.clean);
}
