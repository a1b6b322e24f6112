//! The listener seen from raw sockets.

mod multiplexed;
mod sent_ahead;
mod unread_bodies;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Drained, ServerOptions, serve};
use crate::http::peer::{Peer, TrustedProxies};

const SOON: Duration = Duration::from_secs(5);
const POST: &[u8] = b"POST /send HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}";

/// A running listener; a handler of the test's own responds to every request.
struct Listening {
    address: SocketAddr,
    shutdown: CancellationToken,
    served: JoinHandle<Drained>,
}

impl Listening {
    async fn open<H, F>(options: ServerOptions, handler: H) -> Listening
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Vec<u8>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let shutdown = CancellationToken::new();
        let service = service_fn(move |request| {
            let answering = handler(request);
            async move {
                let body = Bytes::from(answering.await);
                Ok::<_, Infallible>(Response::new(Full::new(body)))
            }
        });
        let served = tokio::spawn(serve(listener, options, service, shutdown.clone()));
        Listening { address, shutdown, served }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("it listens")
    }

    async fn close(self) -> Drained {
        self.shutdown.cancel();
        timeout(SOON, self.served).await.expect("it ends in time").expect("it does not panic")
    }
}

/// Reads until `ending` has come.
async fn read_to(stream: &mut TcpStream, ending: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(ending.as_bytes()) {
        let mut piece = [0; 1024];
        let length =
            timeout(SOON, stream.read(&mut piece)).await.expect("in time").expect("readable");
        assert!(length > 0, "closed after {:?}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&piece[..length]);
    }
    String::from_utf8(read).expect("text")
}

/// Waits for the peer's close, whatever comes before; `false` if it does not come.
async fn closes(stream: &mut TcpStream, within: Duration) -> bool {
    let mut rest = Vec::new();
    timeout(within, stream.read_to_end(&mut rest)).await.is_ok()
}

async fn ok(_: Request<Incoming>) -> Vec<u8> {
    b"done".to_vec()
}

/// A handler that never returns and reports when it starts and when it is dropped.
fn pending(
    events: mpsc::Sender<&'static str>,
) -> impl Fn(Request<Incoming>) -> std::pin::Pin<Box<dyn Future<Output = Vec<u8>> + Send>> + Clone {
    struct Reported(mpsc::Sender<&'static str>);
    impl Drop for Reported {
        fn drop(&mut self) {
            let _ = self.0.try_send("dropped");
        }
    }
    move |request| {
        let reported = Reported(events.clone());
        Box::pin(async move {
            let body = super::super::body::read_body(request.into_body(), 1024, SOON)
                .await
                .expect("a body");
            let _ = reported.0.try_send("started");
            std::future::pending::<()>().await;
            body.to_vec()
        })
    }
}

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let listening = Listening::open(ServerOptions::default(), ok).await;
    let mut client = listening.connect().await;
    for _ in 0..3 {
        client.write_all(POST).await.expect("written");
        assert!(read_to(&mut client, "done").await.starts_with("HTTP/1.1 200 OK\r\n"));
    }
    assert_eq!(listening.close().await, Drained { cut: 0 });
    assert!(closes(&mut client, SOON).await, "an unused connection is closed at once");
}

#[tokio::test]
async fn a_client_that_hangs_up_drops_its_request() {
    let (events, mut seen) = mpsc::channel(64);
    let listening = Listening::open(ServerOptions::default(), pending(events)).await;
    let client = listening.connect().await;
    client.set_zero_linger().expect("a reset at its end");
    let mut client = client;
    client.write_all(POST).await.expect("written");
    assert_eq!(timeout(SOON, seen.recv()).await, Ok(Some("started")));
    drop(client);
    assert_eq!(timeout(SOON, seen.recv()).await, Ok(Some("dropped")));
    assert_eq!(listening.close().await, Drained { cut: 0 });
}

#[tokio::test]
async fn a_client_that_closes_its_sending_side_gets_its_answer() {
    // An answer of one piece, and one that fills the socket's buffers.
    for length in [4, 8 << 20] {
        let listening = Listening::open(ServerOptions::default(), move |request| async move {
            let peer = request.extensions().get::<Peer>().cloned().expect("set for every request");
            peer.finished.cancelled().await;
            vec![b'x'; length]
        })
        .await;
        let mut client = listening.connect().await;
        client.write_all(POST).await.expect("written");
        client.shutdown().await.expect("half closed");
        let mut answer = Vec::new();
        let read = timeout(SOON, client.read_to_end(&mut answer)).await;
        read.expect("closed after the answer").expect("readable");
        assert!(answer.len() > length && answer.ends_with(b"xxxx"), "{}", answer.len());
        assert_eq!(listening.close().await, Drained { cut: 0 });
    }
}

#[tokio::test]
async fn a_client_that_closes_within_its_request_is_gone() {
    let (events, mut seen) = mpsc::channel(64);
    let listening = Listening::open(ServerOptions::default(), move |request| {
        let events = events.clone();
        async move {
            let body = super::super::body::read_body(request.into_body(), 1024, SOON).await;
            let _ = events.try_send(if body.is_err() { "cut" } else { "whole" });
            Vec::new()
        }
    })
    .await;
    let mut client = listening.connect().await;
    client.write_all(&POST[..POST.len() - 1]).await.expect("written");
    client.shutdown().await.expect("half closed");
    assert_eq!(timeout(SOON, seen.recv()).await, Ok(Some("cut")));
    assert_eq!(listening.close().await, Drained { cut: 0 });
}

#[tokio::test]
async fn requests_that_can_be_read_in_two_ways_are_refused() {
    let handled = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&handled);
    let listening = Listening::open(ServerOptions::default(), move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { b"done".to_vec() }
    })
    .await;
    let smuggled = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\
                    transfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    for (before, pieces) in [("", 1), ("", 7), (std::str::from_utf8(POST).expect("text"), 1)] {
        handled.store(0, Ordering::SeqCst);
        let mut client = listening.connect().await;
        let whole = format!("{before}{smuggled}GET /more HTTP/1.1\r\nhost: x\r\n\r\n");
        for piece in whole.as_bytes().chunks(whole.len() / pieces + 1) {
            // The listener may have closed already.
            drop(client.write_all(piece).await);
            tokio::task::yield_now().await;
        }
        let mut answer = Vec::new();
        drop(timeout(SOON, client.read_to_end(&mut answer)).await.expect("closed"));
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let expected = usize::from(!before.is_empty());
        assert_eq!(handled.load(Ordering::SeqCst), expected, "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 400").count(), 1, "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 200").count(), expected, "{answer}");
    }
    assert_eq!(listening.close().await, Drained { cut: 0 });
}

#[tokio::test]
async fn an_address_has_so_many_connections() {
    let options = ServerOptions { max_connections_per_address: 2, ..ServerOptions::default() };
    let listening = Listening::open(options, ok).await;
    let mut clients = [listening.connect().await, listening.connect().await];
    for client in &mut clients {
        client.write_all(POST).await.expect("written");
        read_to(client, "done").await;
    }
    let mut third = listening.connect().await;
    assert!(closes(&mut third, SOON).await, "one too many");
    let [first, _second] = clients;
    drop(first);
    // The listener notices the end a moment later.
    for _ in 0..50 {
        let mut next = listening.connect().await;
        drop(next.write_all(POST).await);
        let mut start = [0; 8];
        if next.read_exact(&mut start).await.is_ok() {
            assert_eq!(&start, b"HTTP/1.1");
            assert_eq!(listening.close().await, Drained { cut: 0 });
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the place of a closed connection stays taken");
}

#[tokio::test]
async fn connections_end_after_their_requests_and_their_age() {
    for options in [
        ServerOptions { max_requests_per_connection: 1, ..ServerOptions::default() },
        ServerOptions { max_connection_age: Duration::ZERO, ..ServerOptions::default() },
    ] {
        let listening = Listening::open(options, ok).await;
        let mut client = listening.connect().await;
        client.write_all(POST).await.expect("written");
        assert!(read_to(&mut client, "done").await.contains("connection: close"));
        assert!(closes(&mut client, SOON).await);
        assert_eq!(listening.close().await, Drained { cut: 0 });
    }
}

#[tokio::test]
async fn a_trusted_proxy_names_its_clients() {
    let proxies = Arc::new(TrustedProxies {
        networks: vec!["127.0.0.0/8".parse().expect("a network")],
        proxy_protocol: true,
    });
    let options =
        ServerOptions { proxies, max_connections_per_address: 1, ..ServerOptions::default() };
    let listening = Listening::open(options, |request| async move {
        let peer = request.extensions().get::<Peer>().cloned().expect("set for every request");
        format!("from {}!", peer.client(request.headers())).into_bytes()
    })
    .await;
    let header = |last: u8| {
        let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
        header.extend([192, 0, 2, last, 10, 0, 0, 1, 0, 80, 1, 187]);
        header
    };
    let mut clients = Vec::new();
    for last in [1, 2] {
        let mut client = listening.connect().await;
        client.write_all(&[&header(last), POST].concat()).await.expect("written");
        assert!(read_to(&mut client, "!").await.ends_with(&format!("from 192.0.2.{last}!")));
        clients.push(client);
    }
    let mut again = listening.connect().await;
    again.write_all(&header(1)).await.expect("written");
    assert!(closes(&mut again, SOON).await, "the client's address is counted");
    let mut silent = listening.connect().await;
    silent.write_all(POST).await.expect("written");
    assert!(closes(&mut silent, SOON).await, "a trusted proxy must begin with the header");
    assert_eq!(listening.close().await, Drained { cut: 0 });
}

#[tokio::test]
async fn http2_is_spoken_by_prior_knowledge() {
    use hyper::client::conn::http2;
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let options = ServerOptions {
        idle_timeout: Duration::from_millis(200),
        first_request_timeout: Duration::from_millis(300),
        ..ServerOptions::default()
    };
    let listening = Listening::open(options, ok).await;
    let stream = TokioIo::new(listening.connect().await);
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), stream).await.expect("a handshake");
    let connection = tokio::spawn(connection);
    for _ in 0..3 {
        let request = Request::post("http://x/send").body(Full::new(Bytes::from_static(b"{}")));
        let response = sender.send_request(request.expect("a request")).await.expect("answered");
        assert_eq!(response.version(), http::Version::HTTP_2);
        let body = http_body_util::BodyExt::collect(response.into_body()).await.expect("a body");
        assert_eq!(body.to_bytes(), "done");
    }
    timeout(SOON, connection).await.expect("closed when unused").expect("no panic").expect("clean");
    assert_eq!(listening.close().await, Drained { cut: 0 });
}

#[tokio::test]
async fn a_drain_lets_requests_finish() {
    let listening = Listening::open(ServerOptions::default(), |_| async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        b"done".to_vec()
    })
    .await;
    let mut client = listening.connect().await;
    client.write_all(POST).await.expect("written");
    tokio::time::sleep(Duration::from_millis(50)).await;
    let address = listening.address;
    let closing = tokio::spawn(listening.close());
    assert!(read_to(&mut client, "done").await.contains("connection: close"));
    assert_eq!(closing.await.expect("no panic"), Drained { cut: 0 });
    assert!(TcpStream::connect(address).await.is_err(), "nothing listens any more");
}

#[tokio::test]
async fn a_drain_ends() {
    let (events, mut seen) = mpsc::channel(64);
    let options =
        ServerOptions { drain_timeout: Duration::from_millis(100), ..ServerOptions::default() };
    let listening = Listening::open(options, pending(events)).await;
    let mut client = listening.connect().await;
    client.write_all(POST).await.expect("written");
    assert_eq!(timeout(SOON, seen.recv()).await, Ok(Some("started")));
    assert_eq!(listening.close().await, Drained { cut: 1 });
    assert_eq!(seen.recv().await, Some("dropped"));
}

#[tokio::test]
async fn slow_heads_and_unused_connections_are_closed() {
    let short = Duration::from_millis(100);
    let options = ServerOptions {
        first_request_timeout: short,
        idle_timeout: SOON * 10,
        ..ServerOptions::default()
    };
    let listening = Listening::open(options, ok).await;
    let (mut silent, mut slow, mut good) =
        (listening.connect().await, listening.connect().await, listening.connect().await);
    slow.write_all(b"POST / HTTP/1.1\r\nhost:").await.expect("written");
    good.write_all(POST).await.expect("written");
    read_to(&mut good, "done").await;
    assert!(closes(&mut silent, SOON).await && closes(&mut slow, SOON).await);
    assert!(!closes(&mut good, short * 2).await, "the first request was in time");
    assert_eq!(listening.close().await, Drained { cut: 0 });

    let listening =
        Listening::open(ServerOptions { idle_timeout: short, ..ServerOptions::default() }, ok)
            .await;
    let mut idle = listening.connect().await;
    idle.write_all(POST).await.expect("written");
    read_to(&mut idle, "done").await;
    assert!(closes(&mut idle, SOON).await);
    assert_eq!(listening.close().await, Drained { cut: 0 });
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut() {
    let options =
        ServerOptions { write_timeout: Duration::from_millis(200), ..ServerOptions::default() };
    let listening = Listening::open(options, |_| async { vec![b'x'; 64 << 20] }).await;
    let mut client = listening.connect().await;
    client.write_all(POST).await.expect("written");
    tokio::time::sleep(Duration::from_millis(600)).await;
    let mut rest = Vec::new();
    let end = timeout(SOON, client.read_to_end(&mut rest)).await.expect("the connection has ended");
    assert!(end.is_err() || rest.len() < 64 << 20, "cut short");
    assert_eq!(listening.close().await, Drained { cut: 0 });
}

#[tokio::test]
async fn connections_are_bounded() {
    let open = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&open);
    let options = ServerOptions { max_connections: 2, ..ServerOptions::default() };
    let listening = Listening::open(options, move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { b"done".to_vec() }
    })
    .await;
    let mut clients =
        [listening.connect().await, listening.connect().await, listening.connect().await];
    for client in &mut clients {
        client.write_all(POST).await.expect("written");
    }
    let [mut first, mut second, mut third] = clients;
    read_to(&mut first, "done").await;
    read_to(&mut second, "done").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(open.load(Ordering::SeqCst), 2);
    drop(first);
    read_to(&mut third, "done").await;
    drop((second, third));
    assert_eq!(listening.close().await, Drained { cut: 0 });
}

#[tokio::test]
async fn heads_are_bounded() {
    let listening = Listening::open(ServerOptions::default(), ok).await;
    let many: String = (0..200).map(|n| format!("h{n}: 1\r\n")).collect();
    let long = format!("h: {}\r\n", "x".repeat(200 << 10));
    for head in [many, long] {
        let mut client = listening.connect().await;
        // The listener may close before it has read everything, which is no failure of the test.
        drop(client.write_all(format!("GET / HTTP/1.1\r\nhost: x\r\n{head}\r\n").as_bytes()).await);
        let mut start = [0; 12];
        let answered = timeout(SOON, client.read_exact(&mut start)).await.expect("in time");
        assert!(
            answered.is_err() || &start == b"HTTP/1.1 431",
            "{}",
            String::from_utf8_lossy(&start)
        );
    }
    assert_eq!(listening.close().await, Drained { cut: 0 });
}

#[tokio::test]
async fn chunked_bodies_are_read() {
    let listening = Listening::open(ServerOptions::default(), |request| async {
        super::super::body::read_body(request.into_body(), 16, SOON)
            .await
            .map_or_else(|error| error.to_string().into(), |body| body.to_vec())
    })
    .await;
    for (chunks, answer) in [
        ("3\r\nabc\r\n4\r\ndone\r\n0\r\n\r\n", "abcdone"),
        ("11\r\n12345678901234567\r\n0\r\n\r\n", "than 16 bytes"),
    ] {
        let mut client = listening.connect().await;
        let request =
            format!("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{chunks}");
        client.write_all(request.as_bytes()).await.expect("written");
        read_to(&mut client, answer).await;
    }
    assert_eq!(listening.close().await, Drained { cut: 0 });
}

#[tokio::test]
async fn a_panic_ends_its_own_connection_only() {
    let listening = Listening::open(ServerOptions::default(), |request| async move {
        assert_eq!(request.uri().path(), "/send", "this request is meant to panic");
        b"done".to_vec()
    })
    .await;
    let (mut bad, mut good) = (listening.connect().await, listening.connect().await);
    bad.write_all(b"GET /panic HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("written");
    assert!(closes(&mut bad, SOON).await);
    good.write_all(POST).await.expect("written");
    read_to(&mut good, "done").await;
    assert_eq!(listening.close().await, Drained { cut: 0 });
}
