//! The listener seen from raw sockets.

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
    for half in [false, true] {
        let (events, mut seen) = mpsc::channel(64);
        let listening = Listening::open(ServerOptions::default(), pending(events)).await;
        let mut client = listening.connect().await;
        client.write_all(POST).await.expect("written");
        assert_eq!(timeout(SOON, seen.recv()).await, Ok(Some("started")));
        if half {
            client.shutdown().await.expect("half closed");
        } else {
            drop(client);
        }
        assert_eq!(
            timeout(Duration::from_millis(500), seen.recv()).await,
            Ok(Some("dropped")),
            "half {half}"
        );
        assert_eq!(listening.close().await, Drained { cut: 0 });
    }
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
