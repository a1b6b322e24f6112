//! Sends to an upstream that speaks TLS: whom the gateway trusts, and what it makes of a connection
//! that is cut at any byte.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tollgate_simulator::{Simulator, SimulatorOptions};

use crate::support::{
    Authority, Backend, Books, Issued, LOCAL, MARKETING_INDIA, Setup, World, indian, marketing, run,
};

const SENT: &str = "200 0.0118 USD marketing India";

/// A world whose upstream has this certificate, and whose gateway trusts this authority beside the
/// machine's.
async fn world(authority: &Authority, issued: &Issued, protocols: &[&str]) -> World {
    let home = tempfile::tempdir().unwrap();
    let ca = authority.write(home.path());
    let tls = Some(issued.server(protocols));
    let mut setup = Setup::on(Backend::Embedded).set("upstream.ca_file", ca.display());
    setup.simulator = SimulatorOptions { tls, ..setup.simulator };
    World::of(setup).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sends_go_over_what_upstream_offers() {
    let authority = Authority::new();
    let issued = authority.issue(LOCAL);
    for protocols in [&["h2"][..], &["h2", "http/1.1"], &["http/1.1"], &[]] {
        let world = world(&authority, &issued, protocols).await;
        for n in 0..3 {
            let reply = world.send(marketing(&indian(n))).await;
            assert_eq!(reply.summary(), SENT, "{protocols:?}");
            assert!(reply.message_id().starts_with("wamid."), "{protocols:?}");
        }
        assert_eq!(world.simulator.accepted_count(), 3);
        // Many at once share few connections without one of them getting lost.
        let sends = (10..210).map(|n| world.send(marketing(&indian(n))).into_future());
        for reply in futures_of(sends).await {
            assert_eq!(reply.summary(), SENT, "{protocols:?}");
        }
        assert_eq!(world.simulator.accepted_count(), 203);
    }
}

async fn futures_of<F: Future + Send>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut pinned: Vec<_> = futures.map(Box::pin).collect();
    let mut outputs = Vec::new();
    // All are polled once, so that all are sent at once, then waited for in turn.
    for future in &mut pinned {
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx)));
        if let std::task::Poll::Ready(output) = polled.await {
            outputs.push(output);
        }
    }
    assert!(outputs.is_empty(), "no reply is there at once");
    for future in pinned {
        outputs.push(future.await);
    }
    outputs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_proves_nothing_is_refused() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    for (issued, why) in [
        (authority.issue_expired(LOCAL), "its time is over"),
        (authority.issue(&["graph.example", "127.0.0.2"]), "for another name"),
        (Issued::by_itself(LOCAL), "signed by itself"),
        (stranger.issue(LOCAL), "signed by a stranger"),
    ] {
        let world = world(&authority, &issued, &["h2", "http/1.1"]).await;
        let before = world.books().await;
        let reply = world.send(marketing(&indian(1))).await;
        assert_eq!(reply.summary(), "502 upstream_unreachable", "{why}");
        assert!(reply.text("/error/error_data/details").contains("certificate_refused"), "{why}");
        assert_eq!(world.simulator.requests_count(), 0, "{why}");
        assert_eq!(world.books().await, before, "{why}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_text_is_never_a_fallback() {
    // The upstream speaks no TLS, though its address is https.
    let simulator = Simulator::start(SimulatorOptions::default()).unwrap();
    let url = simulator.url().replace("http://", "https://");
    let world = World::of(Setup::on(Backend::Embedded).set("upstream.url", url)).await;
    let reply = world.send(marketing(&indian(1))).await;
    assert_eq!(reply.summary(), "502 upstream_unreachable");
    assert!(reply.text("/error/error_data/details").contains("tls_failed"), "{}", reply.json);
    assert_eq!(simulator.requests_count(), 0);
}

/// Forwards connections to `upstream` and cuts each after so many bytes of one direction, counted
/// over the connection; `usize::MAX` cuts none.
struct Cutter {
    address: SocketAddr,
    to_upstream: Arc<AtomicUsize>,
    to_gateway: Arc<AtomicUsize>,
}

impl Cutter {
    async fn before(upstream: SocketAddr) -> Cutter {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let cutter = Cutter {
            address: listener.local_addr().unwrap(),
            to_upstream: Arc::new(AtomicUsize::new(usize::MAX)),
            to_gateway: Arc::new(AtomicUsize::new(usize::MAX)),
        };
        let limits = (cutter.to_upstream.clone(), cutter.to_gateway.clone());
        tokio::spawn(async move {
            while let Ok((gateway, _)) = listener.accept().await {
                let left = (limits.0.load(Ordering::SeqCst), limits.1.load(Ordering::SeqCst));
                let upstream = TcpStream::connect(upstream).await.unwrap();
                tokio::spawn(carry(gateway, upstream, left));
            }
        });
        cutter
    }
}

async fn carry(
    mut gateway: TcpStream,
    mut upstream: TcpStream,
    (mut up, mut down): (usize, usize),
) {
    let (mut from_gateway, mut from_upstream) = (vec![0; 16 << 10], vec![0; 16 << 10]);
    loop {
        let (read, piece, to, left) = tokio::select! {
            read = gateway.read(&mut from_gateway) => (read, &from_gateway, &mut upstream, &mut up),
            read = upstream.read(&mut from_upstream) => {
                (read, &from_upstream, &mut gateway, &mut down)
            }
        };
        let Ok(length @ 1..) = read else { break };
        let taken = length.min(*left);
        if to.write_all(&piece[..taken]).await.is_err() || taken < length {
            break;
        }
        *left -= taken;
    }
    // Whatever is unread is lost: both sides see a reset.
    let _ = (gateway.set_zero_linger(), upstream.set_zero_linger());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_at_any_byte_is_judged_right() {
    let authority = Authority::new();
    let issued = authority.issue(LOCAL);
    for protocols in [&["h2"][..], &["http/1.1"]] {
        let home = tempfile::tempdir().unwrap();
        let ca = authority.write(home.path());
        let tls = Some(issued.server(protocols));
        let simulator =
            Simulator::start(SimulatorOptions { tls, ..SimulatorOptions::default() }).unwrap();
        let cutter = Cutter::before(simulator.addr()).await;
        let setup = Setup::on(Backend::Embedded)
            .set("upstream.url", format!("https://{}", cutter.address))
            .set("upstream.ca_file", ca.display())
            .set("upstream.answer_timeout_ms", 3000);
        let world = World::of(setup).await;
        let (mut refused, mut unknown, mut sent, mut charged) = (0, 0, 0, 0);
        let mut case = 0;
        for direction in [&cutter.to_upstream, &cutter.to_gateway] {
            for bytes in (0..4_000).step_by(61) {
                direction.store(bytes, Ordering::SeqCst);
                let before = simulator.accepted_count();
                case += 1;
                let reply = world.send(marketing(&indian(case))).await.summary();
                let accepted = simulator.accepted_count() - before;
                match reply.as_str() {
                    // What upstream made of it is not known, so nothing is said of it.
                    "409 outcome_unknown" => unknown += 1,
                    "502 upstream_unreachable" => {
                        assert_eq!(
                            accepted, 0,
                            "{protocols:?} {bytes}: told that nothing was sent"
                        );
                        refused += 1;
                    }
                    SENT => {
                        assert_eq!(accepted, 1, "{protocols:?} {bytes}");
                        (sent, charged) = (sent + 1, charged + MARKETING_INDIA);
                    }
                    other => panic!("{protocols:?} {bytes}: {other}"),
                }
                assert!(accepted <= 1, "{protocols:?} {bytes}: sent twice");
            }
            direction.store(usize::MAX, Ordering::SeqCst);
        }
        assert!(refused > 0 && unknown > 0 && sent > 0, "{refused} {unknown} {sent}");
        let held = unknown * MARKETING_INDIA;
        let settled = 100_000_000 - charged;
        assert_eq!(world.books().await, Books { settled, held, available: settled - held });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_reports_what_upstream_showed() {
    let (authority, home) = (Authority::new(), tempfile::tempdir().unwrap());
    let ca = authority.write(home.path());
    let file = home.path().join("tollgate.toml");
    let check = async |url: &str| {
        let text = format!("[upstream]\nurl = \"{url}\"\nca_file = \"{}\"\n", ca.display());
        std::fs::write(&file, text).unwrap();
        run(&["check", "--connect", "--config", &file.display().to_string()], &[]).await
    };
    let tls = Some(authority.issue(LOCAL).server(&["h2", "http/1.1"]));
    let simulator =
        Simulator::start(SimulatorOptions { tls, ..SimulatorOptions::default() }).unwrap();
    let done = check(&simulator.url()).await;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    for expected in [
        &format!("{} answers 4", simulator.url()),
        " over HTTP/2.0 in ",
        &format!("(connected to {} in ", simulator.addr()),
        "certificate for 127.0.0.1, localhost, signed by CN=Test Authority, valid until ",
        "(TLS 1.3)",
    ] {
        assert!(done.stdout.contains(expected), "no {expected} in {}", done.stdout);
    }
    assert_eq!(simulator.accepted_count(), 0);

    let tls = Some(authority.issue_expired(LOCAL).server(&[]));
    let expired =
        Simulator::start(SimulatorOptions { tls, ..SimulatorOptions::default() }).unwrap();
    let done = check(&expired.url()).await;
    assert_eq!(done.code, Some(69), "{}", done.stdout);
    assert!(done.stderr.contains("does not answer: the TLS handshake failed: "), "{}", done.stderr);
    assert!(done.stderr.contains("xpired"), "{}", done.stderr);
}
