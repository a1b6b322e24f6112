//! The client against raw sockets that do to it what networks and servers do.

mod connections;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::{HeaderMap, Method, header};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::client::{Attempt, Forward, NotSentReason, Upstream, UpstreamOptions};
use super::outcome::UnknownReason;
use super::pass_through::Passing;
use super::streaming::{PassThrough, StreamError};
use super::target::{AccessToken, BaseUrl};

const BODY: &[u8] =
    br#"{"messaging_product":"whatsapp","to":"+16505550144","text":{"body":"\u00e4"}}"#;
const ACCEPTED: &str = "HTTP/1.1 200 OK\r\n\
    content-type: application/json\r\n\
    x-fb-trace-id: T\r\n\
    content-length: 31\r\n\
    \r\n\
    {\"messages\":[{\"id\":\"wamid.A\"}]}";

fn options() -> UpstreamOptions {
    UpstreamOptions {
        connect_timeout: Duration::from_millis(400),
        answer_timeout: Duration::from_secs(3),
        max_answer_bytes: 4096,
        stream_idle_timeout: Duration::from_millis(300),
        stream_least_bytes: 2,
        ..UpstreamOptions::default()
    }
}

/// What a server has seen: the number of connections, and every request's text.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<(usize, Vec<String>)>>);

impl Seen {
    fn connections(&self) -> usize {
        self.0.lock().expect("not poisoned").0
    }

    fn requests(&self) -> Vec<String> {
        self.0.lock().expect("not poisoned").1.clone()
    }
}

/// A server's end of a connection.
struct Peer(TcpStream, Seen);

impl Peer {
    /// Reads one request of declared length; empty at the end of the connection.
    async fn request(&mut self) -> String {
        let mut read = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&read).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "))
                    .map_or(0, |n| n.parse().expect("a number"));
                if body.len() >= length {
                    self.1.0.lock().expect("not poisoned").1.push(text.clone());
                    return text;
                }
            }
            let mut piece = [0; 4096];
            match self.0.read(&mut piece).await {
                Ok(length @ 1..) => read.extend_from_slice(&piece[..length]),
                _ => return String::new(),
            }
        }
    }

    async fn write(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.expect("the client is there");
    }

    fn reset(self) {
        self.0.set_zero_linger().expect("a live socket");
    }
}

/// Serves every connection with `script`, which gets the connection's number.
async fn server<F>(script: fn(usize, Peer) -> F) -> (SocketAddr, Seen)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let seen = Seen::default();
    let theirs = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let number = {
                let mut seen = theirs.0.lock().expect("not poisoned");
                seen.0 += 1;
                seen.0
            };
            tokio::spawn(script(number, Peer(stream, theirs.clone())));
        }
    });
    (address, seen)
}

async fn forward(upstream: &Upstream, address: SocketAddr) -> Attempt {
    let base: BaseUrl = format!("http://{address}").parse().expect("a base URL");
    let token: AccessToken = "EAAJ".parse().expect("a token");
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, "Bearer tg_live_x".parse().expect("a value"));
    headers.insert("traceparent", "00-1-2-01".parse().expect("a value"));
    upstream
        .forward(Forward {
            base: &base,
            path: "/v24.0/1/messages",
            token: &token,
            headers: &headers,
            body: Bytes::from_static(BODY),
        })
        .await
}

#[track_caller]
fn unknown(attempt: &Attempt, reason: UnknownReason) {
    assert!(
        matches!(attempt, Attempt::Unknown { reason: given } if *given == reason),
        "{attempt:?}"
    );
}

#[track_caller]
fn not_sent(attempt: &Attempt, reason: NotSentReason) {
    assert!(
        matches!(attempt, Attempt::NotSent { reason: given } if *given == reason),
        "{attempt:?}"
    );
}

#[track_caller]
fn answered(attempt: Attempt) -> (u16, HeaderMap, String) {
    match attempt {
        Attempt::Answered { status, headers, body } => {
            (status, headers, String::from_utf8_lossy(&body).into_owned())
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_request_arrives_as_it_should() {
    let (address, seen) = server(|_, mut peer| async move {
        peer.request().await;
        peer.write(ACCEPTED).await;
    })
    .await;
    let (status, headers, body) = answered(forward(&Upstream::new(options()), address).await);
    assert_eq!((status, body.as_str()), (200, r#"{"messages":[{"id":"wamid.A"}]}"#));
    assert_eq!(headers.get("x-fb-trace-id").map(|value| value.as_bytes()), Some(&b"T"[..]));
    let request = seen.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").expect("a request");
    assert_eq!(body.as_bytes(), BODY);
    let mut lines: Vec<&str> = head.lines().collect();
    assert_eq!(lines.remove(0), "POST /v24.0/1/messages HTTP/1.1");
    lines.sort_unstable();
    let expected = [
        "authorization: Bearer EAAJ".to_owned(),
        format!("content-length: {}", BODY.len()),
        "content-type: application/json".to_owned(),
        format!("host: {address}"),
        "traceparent: 00-1-2-01".to_owned(),
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn a_refused_connection_is_tried_again() {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let address = socket.local_addr().expect("it is bound");
    let upstream = Upstream::new(UpstreamOptions {
        connect_timeout: Duration::from_secs(2),
        answer_timeout: Duration::from_secs(8),
        ..options()
    });
    let attempt = tokio::spawn(async move { forward(&upstream, address).await });
    // The first try finds a port that is bound but does not listen; the second comes after a
    // twentieth of the connect deadline.
    tokio::time::sleep(Duration::from_millis(30)).await;
    let listener = socket.listen(8).expect("it listens");
    let (stream, _) = listener.accept().await.expect("the second try");
    let mut peer = Peer(stream, Seen::default());
    peer.request().await;
    peer.write(ACCEPTED).await;
    assert_eq!(answered(attempt.await.expect("no panic")).0, 200);
}

#[tokio::test]
async fn what_cannot_connect_is_not_sent() {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let refusing = socket.local_addr().expect("it is bound");
    not_sent(&forward(&Upstream::new(options()), refusing).await, NotSentReason::ConnectionRefused);

    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let listener = socket.listen(1).expect("it listens");
    let full = listener.local_addr().expect("it is bound");
    let waiting: Vec<_> = (0..8).map(|_| tokio::spawn(TcpStream::connect(full))).collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    not_sent(&forward(&Upstream::new(options()), full).await, NotSentReason::ConnectTimeout);
    for connecting in waiting {
        connecting.abort();
    }

    let base: BaseUrl = "http://127.0.0.1:1".parse().expect("a base URL");
    let (token, headers) = ("EAAJ".parse().expect("a token"), HeaderMap::new());
    let bad =
        Forward { base: &base, path: "/a b", token: &token, headers: &headers, body: Bytes::new() };
    not_sent(&Upstream::new(options()).forward(bad).await, NotSentReason::InvalidPath);
}

#[tokio::test]
async fn a_connection_that_dies_is_unknown_and_not_tried_again() {
    // Whether the request was begun when the reset came is a race; if not, it is tried again.
    let (address, seen) = server(|_, peer| async move { peer.reset() }).await;
    match forward(&Upstream::new(options()), address).await {
        Attempt::Unknown { reason: UnknownReason::ConnectionLost } => {}
        Attempt::NotSent { reason: NotSentReason::ConnectionClosed } => {
            assert_eq!(seen.connections(), 2);
        }
        other => panic!("{other:?}"),
    }

    let (address, seen) = server(|_, mut peer| async move {
        peer.request().await;
    })
    .await;
    unknown(&forward(&Upstream::new(options()), address).await, UnknownReason::ConnectionLost);
    assert_eq!(seen.connections(), 1);

    let (address, seen) = server(|_, mut peer| async move {
        peer.request().await;
        peer.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"messages\":").await;
        peer.reset();
    })
    .await;
    unknown(&forward(&Upstream::new(options()), address).await, UnknownReason::ConnectionLost);
    assert_eq!(seen.requests().len(), 1);
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let (address, seen) = server(|_, mut peer| async move {
        peer.request().await;
        peer.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{").await;
        std::future::pending::<()>().await;
    })
    .await;
    let upstream =
        Upstream::new(UpstreamOptions { answer_timeout: Duration::from_millis(200), ..options() });
    let attempt = tokio::time::timeout(Duration::from_secs(2), forward(&upstream, address))
        .await
        .expect("it ends");
    unknown(&attempt, UnknownReason::Deadline);
    assert_eq!(seen.requests().len(), 1);
}

#[tokio::test]
async fn unreadable_answers_are_unknown() {
    let (garbage, _) = server(|_, mut peer| async move {
        peer.request().await;
        peer.write("SSH-2.0-OpenSSH_9.2\r\n\r\n").await;
    })
    .await;
    let (declared, _) = server(|_, mut peer| async move {
        peer.request().await;
        peer.write("HTTP/1.1 200 OK\r\ncontent-length: 4097\r\n\r\n").await;
    })
    .await;
    let (chunked, _) = server(|_, mut peer| async move {
        peer.request().await;
        let chunk = format!("1000\r\n{}\r\n", "x".repeat(4096));
        peer.write(&format!(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n"
        ))
        .await;
    })
    .await;
    for address in [garbage, declared, chunked] {
        unknown(
            &forward(&Upstream::new(options()), address).await,
            UnknownReason::UnreadableAnswer,
        );
    }
}

#[tokio::test]
async fn answers_of_every_form_are_read() {
    let (address, _) = server(|_, mut peer| async move {
        peer.request().await;
        peer.write(
            "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n\
             HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\
             connection: x-hop\r\nx-hop: 1\r\n\r\n",
        )
        .await;
        peer.write("3\r\n{\"a\r\n3\r\n\":1\r\n1\r\n}\r\n0\r\n\r\n").await;
        peer.request().await;
        peer.write(
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\n\
             content-length: 0\r\n\r\n",
        )
        .await;
        peer.request().await;
        peer.write("HTTP/1.0 400 Bad Request\r\n\r\nuntil the end").await;
    })
    .await;
    let upstream = Upstream::new(options());
    let (status, headers, body) = answered(forward(&upstream, address).await);
    assert_eq!((status, headers.len(), body.as_str()), (200, 0, r#"{"a":1}"#));
    let (status, headers, _) = answered(forward(&upstream, address).await);
    assert_eq!(
        (status, headers.contains_key(header::LOCATION)),
        (302, true),
        "redirects are not followed"
    );
    let (status, _, body) = answered(forward(&upstream, address).await);
    assert_eq!((status, body.as_str()), (400, "until the end"));
}

async fn pass<B>(
    address: SocketAddr,
    method: Method,
    body: B,
) -> Result<hyper::Response<super::body::StreamBody>, StreamError>
where
    B: hyper::body::Body<Data = Bytes> + Send + Sync + Unpin + 'static,
    B::Error: Into<super::body::BoxError>,
{
    let base: BaseUrl = format!("http://{address}").parse().expect("a base URL");
    let token: AccessToken = "EAAJ".parse().expect("a token");
    let headers = HeaderMap::new();
    let request = PassThrough {
        base: &base,
        token: &token,
        method,
        path_and_query: "/v24.0/1/media?a=b",
        headers: &headers,
        passing: Passing::Question,
    };
    Upstream::new(options()).stream(request, body).await
}

#[tokio::test]
async fn other_requests_pass_through() {
    let (address, seen) = server(|_, mut peer| async move {
        peer.request().await;
        peer.write("HTTP/1.1 201 Created\r\ncontent-length: 9\r\n\r\nfirst").await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        peer.write("last").await;
    })
    .await;
    let mut response = pass(address, Method::POST, Full::new(Bytes::from(vec![b'x'; 100_000])))
        .await
        .expect("an answer");
    assert_eq!(response.status().as_u16(), 201);
    let first =
        response.frame().await.expect("a frame").expect("unbroken").into_data().expect("data");
    assert_eq!(&first[..], b"first", "before the rest was sent");
    assert_eq!(&response.collect().await.expect("the rest").to_bytes()[..], b"last");
    let request = seen.requests().remove(0);
    assert!(
        request.starts_with("POST /v24.0/1/media?a=b HTTP/1.1\r\n")
            && request.contains("content-length: 100000\r\n"),
        "{request}"
    );

    let response = pass(address, Method::GET, Empty::new()).await.expect("an answer");
    assert_eq!(&response.collect().await.expect("a body").to_bytes()[..], b"firstlast");
}

/// A body of `pieces` bytes, one every `pause`.
struct Drip {
    pieces: usize,
    pause: Duration,
    timer: Option<std::pin::Pin<Box<tokio::time::Sleep>>>,
}

impl hyper::body::Body for Drip {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, std::io::Error>>> {
        if self.pieces == 0 {
            return std::task::Poll::Ready(None);
        }
        let pause = self.pause;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
        std::task::ready!(timer.as_mut().poll(cx));
        self.timer = None;
        self.pieces -= 1;
        std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(Bytes::from_static(b"x")))))
    }
}

#[tokio::test]
async fn slow_streams_pass_and_stalled_ones_end() {
    let (address, _) = server(|_, mut peer| async move {
        let mut read = String::new();
        while !read.ends_with("0\r\n\r\n") {
            let mut piece = [0; 1024];
            let Ok(length @ 1..) = peer.0.read(&mut piece).await else { return };
            read.push_str(&String::from_utf8_lossy(&piece[..length]));
        }
        peer.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nx").await;
        std::future::pending::<()>().await;
    })
    .await;
    let slow = Drip { pieces: 10, pause: Duration::from_millis(100), timer: None };
    let response = pass(address, Method::POST, slow).await.expect("slow is not stalled");
    assert!(
        response.collect().await.is_err_and(|error| error.is::<super::streaming::Stalled>()),
        "the answer stalls"
    );

    // Nothing at all, and a byte at a time that is less than is due.
    for pause in [60_000, 200] {
        let stalled = Drip { pieces: 100, pause: Duration::from_millis(pause), timer: None };
        let passing = pass(address, Method::POST, stalled);
        let ended = tokio::time::timeout(Duration::from_secs(2), passing).await;
        let ended = ended.expect("it ends");
        assert!(matches!(ended, Err(StreamError::Stalled(_))), "{ended:?}");
    }

    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let refused = pass(socket.local_addr().expect("it is bound"), Method::GET, Empty::new()).await;
    assert!(
        matches!(refused, Err(StreamError::NotSent(NotSentReason::ConnectionRefused))),
        "{refused:?}"
    );
}
