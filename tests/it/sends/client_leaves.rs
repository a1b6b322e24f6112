//! A client that leaves, at every moment and in every way, with an upstream that accepts, refuses
//! or hangs: what it hears, what is charged, what the same body again gets. Never two messages,
//! never a charge that nobody can hear of.

use std::time::Duration;

use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tollgate_simulator::{Fault, FaultAction};

use crate::support::{
    Backend, KEY, MARKETING_INDIA, NUMBER, Setup, World, indian, marketing, on_every_ledger,
};

on_every_ledger!(
    every_leave_with_an_upstream_that_accepts,
    every_leave_with_an_upstream_that_refuses,
    every_leave_with_an_upstream_that_hangs,
    every_leave_behind_more_bytes,
    callback_data_and_version_make_no_other_send,
    an_answer_is_repeated_for_its_time,
);

const SENT: &str = "200 0.0118 USD marketing India";
const UNKNOWN: &str = "409 outcome_unknown";

/// How long upstream thinks, and how long until the client leaves in the meantime.
const THINKS: Duration = Duration::from_millis(400);
const LEAVES: Duration = Duration::from_millis(150);

/// When the client leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// In the middle of its body.
    WithinBody,
    /// Right behind its request.
    AtOnce,
    /// While upstream thinks.
    Meanwhile,
    /// After it has read the answer.
    Afterwards,
}

/// How the client leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Closes the connection, as an SDK does that gives up.
    Close,
    /// Resets it, as a process that is killed.
    Reset,
    /// Closes its sending side and reads on.
    HalfClose,
}

const MOMENTS: [Moment; 4] =
    [Moment::WithinBody, Moment::AtOnce, Moment::Meanwhile, Moment::Afterwards];
const WAYS: [Way; 3] = [Way::Close, Way::Reset, Way::HalfClose];

/// A send of `body`, as it goes over the wire.
fn request(body: &str) -> String {
    format!(
        "POST /v24.0/{NUMBER}/messages HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {KEY}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends `body` and leaves; the status and rejection of the answer, empty if there is none.
async fn leave(world: &World, body: &str, moment: Moment, way: Way) -> String {
    let whole = request(body);
    let cut = if moment == Moment::WithinBody { body.len().div_ceil(2) } else { 0 };
    leave_behind(world, &whole[..whole.len() - cut], moment, way).await
}

/// Sends these bytes and leaves.
async fn leave_behind(world: &World, sent: &str, moment: Moment, way: Way) -> String {
    let mut stream = TcpStream::connect(world.data).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    match moment {
        Moment::WithinBody => tokio::time::sleep(Duration::from_millis(50)).await,
        Moment::AtOnce => {}
        Moment::Meanwhile => tokio::time::sleep(LEAVES).await,
        Moment::Afterwards => {
            while !answer.ends_with(b"}") {
                assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "{way:?}: no answer");
            }
        }
    }
    match way {
        Way::Close => {}
        Way::Reset => stream.set_zero_linger().unwrap(),
        Way::HalfClose => {
            stream.shutdown().await.unwrap();
            let read = stream.read_to_end(&mut answer);
            tokio::time::timeout(Duration::from_secs(10), read).await.unwrap().unwrap();
        }
    }
    drop(stream);
    let answer = String::from_utf8(answer).unwrap().to_lowercase();
    let status = answer.lines().next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let header =
        |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    format!("{status} {}", header("tollgate-rejection:").unwrap_or_default()).trim().to_owned()
}

/// How many sends the gateway has carried to their end.
async fn ended(world: &World) -> u64 {
    let reply = world.request(Method::GET, world.admin, "/metrics").await;
    let page = String::from_utf8(reply.body.to_vec()).unwrap();
    let lines = page.lines().filter(|line| line.starts_with("tollgate_sends_total{"));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// Leaves, and waits until the gateway has carried the send to its end - if it saw it: a reset may
/// come before it read anything.
async fn left(world: &World, body: &str, moment: Moment, way: Way) -> String {
    let before = ended(world).await;
    let heard = leave(world, body, moment, way).await;
    let rounds = if way == Way::Reset { 50 } else { 500 };
    for _ in 0..rounds {
        if ended(world).await > before {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    settled(world).await;
    heard
}

/// Waits until nothing is open any more.
async fn settled(world: &World) {
    for _ in 0..250 {
        if world.holds("open").await.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("a hold stays open");
}

async fn accepted_and_charged(world: &World) -> (u64, i64) {
    let spent = 100_000_000 - world.books().await.settled;
    (world.simulator.accepted_count(), spent / MARKETING_INDIA)
}

async fn every_leave_with_an_upstream_that_accepts(backend: Backend) {
    let world = World::of(Setup::on(backend)).await;
    world.simulator.set_latency(THINKS);
    let (mut case, mut messages) = (0, 0);
    for moment in MOMENTS {
        for way in WAYS {
            case += 1;
            let name = format!("{moment:?} {way:?}");
            let body = marketing(&indian(case));
            let heard = left(&world, &body, moment, way).await;
            let accepted = world.simulator.accepted_count();
            let first = accepted - messages;
            let (reads, whole) = (way == Way::HalfClose, moment != Moment::WithinBody);
            let answered = moment == Moment::Afterwards || (reads && whole);
            assert_eq!(heard == "200", answered, "{name}: {heard}");
            match (moment, way) {
                (Moment::WithinBody, _) => assert_eq!(first, 0, "{name}"),
                // A reset may come before anything was reserved.
                (Moment::AtOnce, Way::Reset) => assert!(first <= 1, "{name}"),
                _ => assert_eq!(first, 1, "{name}"),
            }
            // The repeat: an answer nobody was sure to hear, or a message of its own.
            let again = world.send(body.clone()).await;
            assert_eq!(again.summary(), SENT, "{name}");
            let replayed = again.header("idempotency-replayed") == "true";
            let unheard = first == 1 && moment != Moment::Afterwards;
            assert_eq!(replayed, unheard, "{name}");
            let third = world.send(body).await;
            assert_eq!(third.header("idempotency-replayed"), "", "{name}: repeated once");
            settled(&world).await;
            messages = accepted + 1 + u64::from(!replayed);
            let expected = (messages, i64::try_from(messages).unwrap());
            assert_eq!(accepted_and_charged(&world).await, expected, "{name}");
        }
    }
}

async fn every_leave_with_an_upstream_that_refuses(backend: Backend) {
    let world = World::of(Setup::on(backend)).await;
    let mut case = 0;
    for moment in MOMENTS {
        for way in WAYS {
            case += 1;
            let name = format!("{moment:?} {way:?}");
            world.simulator.fault(Fault::refuse(131_026));
            let body = marketing(&indian(case));
            let heard = left(&world, &body, moment, way).await;
            let expected = match (moment, way) {
                (Moment::WithinBody, Way::HalfClose) => "499 client_gone",
                (Moment::Afterwards, _) | (_, Way::HalfClose) => "400",
                _ => "",
            };
            assert_eq!(heard, expected, "{name}");
            assert_eq!(world.send(body.clone()).await.summary(), "400 #131026", "{name}");
            world.simulator.clear();
            let third = world.send(body).await;
            assert_eq!(
                (third.summary().as_str(), third.header("idempotency-replayed")),
                (SENT, "")
            );
            settled(&world).await;
            let messages = u64::try_from(case).unwrap();
            let expected = (messages, i64::try_from(messages).unwrap());
            assert_eq!(accepted_and_charged(&world).await, expected, "{name}");
        }
    }
}

async fn every_leave_with_an_upstream_that_hangs(backend: Backend) {
    let setup = Setup::on(backend).set("upstream.answer_timeout_ms", THINKS.as_millis());
    let world = World::of(setup.set("upstream.connect_timeout_ms", 100)).await;
    world.simulator.fault(Fault::new(FaultAction::Hang).after_accepting());
    let (mut case, mut in_doubt) = (0, 0);
    for moment in MOMENTS {
        for way in WAYS {
            case += 1;
            let name = format!("{moment:?} {way:?}");
            let body = marketing(&indian(case));
            let before = world.simulator.accepted_count();
            let heard = left(&world, &body, moment, way).await;
            let first = world.simulator.accepted_count() - before;
            let whole = moment != Moment::WithinBody;
            let answered = moment == Moment::Afterwards || (way == Way::HalfClose && whole);
            assert_eq!(heard == UNKNOWN, answered, "{name}: {heard}");
            match (moment, way) {
                (Moment::WithinBody, _) => assert_eq!(first, 0, "{name}"),
                (Moment::AtOnce, Way::Reset) => assert!(first <= 1, "{name}"),
                _ => assert_eq!(first, 1, "{name}"),
            }
            in_doubt += i64::try_from(first).unwrap();
            assert_eq!(world.books().await.held, in_doubt * MARKETING_INDIA, "{name}");
            if first == 1 {
                assert_eq!(world.send(body.clone()).await.summary(), UNKNOWN, "{name}");
                let accepted = world.simulator.accepted_count() - before;
                assert_eq!(accepted, 1, "{name}: sent twice");
            }
        }
    }
    assert_eq!(world.books().await.settled, 100_000_000, "nothing is charged while nobody knows");
}

/// Behind the send comes more before the client leaves: an empty line, a probe, another send. Its
/// leave is seen all the same, and what was not begun by then never is.
async fn every_leave_behind_more_bytes(backend: Backend) {
    let world = World::of(Setup::on(backend)).await;
    world.simulator.set_latency(THINKS);
    let (mut case, mut messages) = (0, 0);
    let probe = "GET /livez HTTP/1.1\r\nHost: gateway\r\n\r\n";
    for more in ["\r\n", probe, "another send", "half a send"] {
        for way in WAYS {
            case += 2;
            let name = format!("{more:?} {way:?}");
            let (first, second) = (marketing(&indian(case)), marketing(&indian(case + 1)));
            let another = request(&second);
            let more = match more {
                "another send" => another.as_str(),
                "half a send" => &another[..another.len() / 2],
                more => more,
            };
            let sent = request(&first) + more;
            let heard = leave_behind(&world, &sent, Moment::Meanwhile, way).await;
            assert_eq!(heard, if way == Way::HalfClose { "200" } else { "" }, "{name}");
            // Longer than another send would take.
            tokio::time::sleep(THINKS * 2).await;
            settled(&world).await;
            messages += 1;
            assert_eq!(world.simulator.accepted_count(), messages, "{name}");
            let again = world.send(first).await;
            assert_eq!(again.summary(), SENT, "{name}");
            assert_eq!(again.header("idempotency-replayed"), "true", "{name}: sent twice");
            let again = world.send(second).await;
            assert_eq!(again.summary(), SENT, "{name}");
            assert_eq!(again.header("idempotency-replayed"), "", "{name}: never sent");
            messages += 1;
            settled(&world).await;
            let expected = (messages, i64::try_from(messages).unwrap());
            assert_eq!(accepted_and_charged(&world).await, expected, "{name}");
        }
    }
}

async fn callback_data_and_version_make_no_other_send(backend: Backend) {
    let world = World::of(Setup::on(backend)).await;
    world.simulator.set_latency(THINKS);
    let body = |n: usize, data: &str| {
        marketing(&indian(n)).replacen(
            '{',
            &format!(r#"{{"biz_opaque_callback_data":"{data}","#),
            1,
        )
    };
    assert_eq!(leave(&world, &body(1, "try 1"), Moment::Meanwhile, Way::Close).await, "");
    assert_eq!(world.send(body(1, "try 2")).await.summary(), UNKNOWN);
    settled(&world).await;
    let path = format!("/v25.0/{NUMBER}/messages");
    let again = world.post(&path, body(1, r#"{\"try\":3}"#)).await;
    assert_eq!((again.summary().as_str(), again.header("idempotency-replayed")), (SENT, "true"));
    assert_eq!(world.simulator.accepted_count(), 1);
    // Another recipient is another message.
    assert_eq!(world.send(body(2, "try 1")).await.summary(), SENT);
    assert_eq!(accepted_and_charged(&world).await, (2, 2));
}

async fn an_answer_is_repeated_for_its_time(backend: Backend) {
    for (seconds, wait, replayed) in [(3600, 3599, "true"), (3600, 3600, ""), (0, 0, "")] {
        let setup = Setup::on(backend).set("send.abandoned_replay_s", seconds);
        let world = World::of(setup).await;
        world.simulator.set_latency(THINKS);
        let body = marketing(&indian(1));
        assert_eq!(leave(&world, &body, Moment::Meanwhile, Way::Close).await, "");
        settled(&world).await;
        world.pass(Duration::from_secs(wait));
        let again = world.send(body).await;
        assert_eq!(again.header("idempotency-replayed"), replayed, "{seconds} {wait}");
        assert_eq!(again.summary(), SENT);
    }
}
