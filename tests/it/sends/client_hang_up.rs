//! A client that gives up, in the middle of its body or while its reserve still waits for the
//! store: counted as one that hung up, and if it sends the same bytes again, one message, one
//! charge.

use std::time::Duration;

use http::Method;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tollgate_simulator::{Fault, FaultAction};

use crate::support::{
    Backend, Books, Client, KEY, MARKETING_INDIA, NUMBER, Setup, World, indian, marketing,
    on_every_ledger, text,
};

/// How long the client waits, and how long the store hangs; the ledger's deadline is longer
/// than both.
const PATIENCE: Duration = Duration::from_millis(900);
const HANG: Duration = Duration::from_millis(1_500);
const LEDGER_DEADLINE: Duration = Duration::from_secs(2);

const SENT: &str = "200 0.0118 USD marketing India";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repetition_after_a_hang_up_before_the_reserve_is_the_only_message() {
    give_up_and_repeat(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_the_only_one_at_another_gateway_as_well() {
    give_up_and_repeat(true).await;
}

/// A client gives up while the store hangs, and repeats its send at the same gateway or another.
async fn give_up_and_repeat(elsewhere: bool) {
    let world = World::of(
        Setup::on(Backend::Redis)
            .own_server()
            .set("ledger.deadline_ms", LEDGER_DEADLINE.as_millis()),
    )
    .await;
    let (_another, other) = world.another_gateway().await;
    let second: &Client = if elsewhere { &other } else { &world };
    // Key and settings are in memory from here on: only the reserve needs the store.
    for client in [&*world, second] {
        assert_eq!(client.send(text(&indian(1))).await.summary(), "200 0.00 USD service India");
    }
    let body = marketing(&indian(2));
    let server = world.redis.as_ref().unwrap();
    server.pause();
    let resume = async {
        tokio::time::sleep(HANG).await;
        server.resume();
    };
    let client = async {
        let given_up = world.send(body.clone()).within(PATIENCE).await;
        assert!(
            given_up.is_none(),
            "the store stands still, and yet: {}",
            given_up.unwrap().summary()
        );
        assert_eq!(
            world.simulator.accepted_count(),
            2,
            "something was forwarded without a decision"
        );
        second.send(body.clone()).await
    };
    let ((), repeated) = tokio::join!(resume, client);
    assert_eq!(repeated.summary(), SENT);
    let left = 100_000_000 - MARKETING_INDIA;
    let expected = Books { settled: left, held: 0, available: left };
    assert_eq!(settled_books(&world).await, expected);
    assert_eq!(world.accepted_bodies(), [text(&indian(1)), text(&indian(1)), body]);
    assert!(world.holds("open").await.is_empty() && world.holds("in_doubt").await.is_empty());
    // Nothing of the first send comes later either.
    tokio::time::sleep(LEDGER_DEADLINE).await;
    assert_eq!((world.simulator.accepted_count(), world.books().await), (3, expected));
    // The first one is counted by what became of it, not as a malformed request.
    for line in [
        r#"tollgate_sends_total{outcome="hung_up",category="marketing"} 1"#,
        r#"tollgate_rejections_total{rejection="client_gone"} 1"#,
        r#"tollgate_rejections_total{rejection="malformed"} 0"#,
    ] {
        metric(&world, line).await;
    }
}

/// The answer to a send whose client left is asked for while the store hangs: who asks gives
/// up or is told to come again, and the answer waits for whoever hears it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_waits_until_it_is_heard() {
    let setup = Setup::on(Backend::Redis).own_server();
    let world = World::of(setup.set("ledger.deadline_ms", 1_000)).await;
    let body = marketing(&indian(1));
    world.simulator.fault(Fault::new(FaultAction::Delay { ms: 1_500 }).next(1));
    assert!(world.send(body.clone()).within(PATIENCE).await.is_none(), "upstream thinks longer");
    let left = 100_000_000 - MARKETING_INDIA;
    let expected = Books { settled: left, held: 0, available: left };
    for _ in 0..100 {
        if world.books().await == expected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(world.books().await, expected);
    let server = world.redis.as_ref().unwrap();
    for patience in [Duration::from_secs(5), Duration::from_millis(800)] {
        server.pause();
        let asked = world.send(body.clone()).within(patience).await;
        assert!(asked.is_none_or(|reply| reply.summary() == "503 ledger_unavailable"));
        server.resume();
        tokio::time::sleep(LEDGER_DEADLINE).await;
    }
    let again = world.send(body.clone()).await;
    assert_eq!((again.summary().as_str(), again.header("idempotency-replayed")), (SENT, "true"));
    assert_eq!((world.simulator.accepted_count(), world.books().await), (1, expected));
    // It is heard: the next is a message of its own.
    let own = world.send(body).await;
    assert_eq!((own.summary().as_str(), own.header("idempotency-replayed")), (SENT, ""));
    assert_eq!(world.simulator.accepted_count(), 2);
}

on_every_ledger!(a_cut_body_is_a_hang_up_and_broken_chunks_are_malformed);

async fn a_cut_body_is_a_hang_up_and_broken_chunks_are_malformed(backend: Backend) {
    let world = World::on(backend).await;
    let head = format!(
        "POST /v24.0/{NUMBER}/messages HTTP/1.1\r\nHost: gateway\r\n\
         Authorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
    );
    for rest in ["Content-Length: 200\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n5\r\n{"] {
        let mut stream = TcpStream::connect(world.data).await.unwrap();
        stream.write_all(format!("{head}{rest}").as_bytes()).await.unwrap();
    }
    metric(&world, r#"tollgate_rejections_total{rejection="client_gone"} 2"#).await;
    metric(&world, r#"tollgate_sends_total{outcome="hung_up",category="none"} 2"#).await;
    metric(&world, r#"tollgate_rejections_total{rejection="malformed"} 0"#).await;

    let mut stream = TcpStream::connect(world.data).await.unwrap();
    let rest = "Transfer-Encoding: chunked\r\n\r\nno length\r\n{";
    stream.write_all(format!("{head}{rest}").as_bytes()).await.unwrap();
    metric(&world, r#"tollgate_rejections_total{rejection="malformed"} 1"#).await;
    assert_eq!(world.simulator.requests_count(), 0);
}

/// Waits until the metrics page has this line.
async fn metric(world: &World, line: &str) {
    let mut page = String::new();
    for _ in 0..250 {
        let reply = world.request(Method::GET, world.admin, "/metrics").await;
        page = String::from_utf8(reply.body.to_vec()).unwrap();
        if page.lines().any(|shown| shown == line) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no {line} in\n{page}");
}

/// The books once nothing is held any more.
async fn settled_books(world: &World) -> Books {
    for _ in 0..100 {
        let books = world.books().await;
        if books.held == 0 {
            return books;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.books().await
}
