//! How HTTP/2 streams end: a refused one was not processed, nor was one behind the last
//! that a closing connection takes; anything else is unknown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::support::{
    Authority, Backend, Books, LOCAL, MARKETING_INDIA, Setup, World, indian, marketing,
};

const SENT: &str = "200 0.0118 USD marketing India";
const ACCEPTED: &[u8] = br#"{"messages":[{"id":"wamid.A"}]}"#;

/// What the upstream does to a connection, by its number.
type Script = fn(usize) -> Act;

#[derive(Clone, Copy)]
enum Act {
    /// Accepts every message.
    Accept,
    /// Resets each stream with this reason, unread.
    Reset(h2::Reason),
    /// Takes the request, replies with GOAWAY that names this last stream and this error, and
    /// closes.
    GoAway(u32, u8),
}

struct Upstream {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    accepted: Arc<AtomicUsize>,
}

async fn upstream(tls: Arc<ServerConfig>, script: Script) -> Upstream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = Upstream {
        address: listener.local_addr().unwrap(),
        connections: Arc::default(),
        accepted: Arc::default(),
    };
    let (connections, accepted) = (upstream.connections.clone(), upstream.accepted.clone());
    let acceptor = TlsAcceptor::from(tls);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let act = script(connections.fetch_add(1, Ordering::SeqCst));
            let (acceptor, accepted) = (acceptor.clone(), accepted.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                match act {
                    Act::GoAway(last, error) => go_away(stream, last, error).await,
                    act => serve(stream, act, accepted).await,
                }
            });
        }
    });
    upstream
}

async fn serve(stream: TlsStream<TcpStream>, act: Act, accepted: Arc<AtomicUsize>) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((_, mut respond))) = connection.accept().await {
        if let Act::Reset(reason) = act {
            respond.send_reset(reason);
            continue;
        }
        accepted.fetch_add(1, Ordering::SeqCst);
        let mut stream = respond.send_response(http::Response::new(()), false).unwrap();
        stream.send_data(Bytes::from_static(ACCEPTED), true).unwrap();
    }
}

/// Frames by hand, because a library would not name a stream it has not seen.
async fn go_away(mut stream: TlsStream<TcpStream>, last: u32, error: u8) {
    // Empty SETTINGS; then the client's preface and its frames until one ends its request.
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    let mut preface = [0; 24];
    if stream.read_exact(&mut preface).await.is_err() {
        return;
    }
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).await.is_err() {
            return;
        }
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        stream.read_exact(&mut vec![0; length]).await.unwrap();
        let (data, end_stream) = (head[3] == 0, head[4] & 1 == 1);
        if data && end_stream {
            break;
        }
    }
    let mut frame = vec![0, 0, 8, 7, 0, 0, 0, 0, 0];
    frame.extend(last.to_be_bytes());
    frame.extend([0, 0, 0, error]);
    stream.write_all(&frame).await.unwrap();
    let _ = stream.shutdown().await;
}

async fn world(upstream: &Upstream, authority: &Authority) -> World {
    let home = tempfile::tempdir().unwrap();
    let ca = authority.write(home.path());
    let setup = Setup::on(Backend::Embedded)
        .set("upstream.url", format!("https://{}", upstream.address))
        .set("upstream.ca_file", ca.display());
    World::of(setup).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_was_not_processed_is_sent_again() {
    let authority = Authority::new();
    let scripts: [Script; 3] = [
        |_| Act::Reset(h2::Reason::REFUSED_STREAM),
        |connection| if connection == 0 { Act::GoAway(0, 0) } else { Act::Accept },
        |connection| if connection == 0 { Act::GoAway(0, 1) } else { Act::Accept },
    ];
    for (case, (script, reply)) in
        scripts.into_iter().zip(["502 upstream_unreachable", SENT, SENT]).enumerate()
    {
        let upstream = upstream(authority.issue(LOCAL).server(&["h2"]), script).await;
        let world = world(&upstream, &authority).await;
        assert_eq!(world.send(marketing(&indian(1))).await.summary(), reply, "case {case}");
        let accepted = upstream.accepted.load(Ordering::SeqCst);
        assert_eq!(accepted, usize::from(reply == SENT), "case {case}");
        let left = 100_000_000 - i64::try_from(accepted).unwrap() * MARKETING_INDIA;
        assert_eq!(world.books().await, Books { settled: left, held: 0, available: left });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_other_end_of_a_stream_is_unknown() {
    let authority = Authority::new();
    let scripts: [Script; 4] = [
        |_| Act::Reset(h2::Reason::CANCEL),
        |_| Act::Reset(h2::Reason::INTERNAL_ERROR),
        // Stream 1, the request's, may have been processed.
        |_| Act::GoAway(1, 0),
        |_| Act::GoAway(1, 2),
    ];
    for (case, script) in scripts.into_iter().enumerate() {
        let upstream = upstream(authority.issue(LOCAL).server(&["h2"]), script).await;
        let world = world(&upstream, &authority).await;
        let reply = world.send(marketing(&indian(1))).await;
        assert_eq!(reply.summary(), "409 outcome_unknown", "case {case}");
        assert_eq!(upstream.connections.load(Ordering::SeqCst), 1, "case {case}: not tried again");
        assert_eq!(world.books().await.held, MARKETING_INDIA, "case {case}");
    }
}
