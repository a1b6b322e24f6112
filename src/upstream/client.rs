//! The connections to Meta, and the one rule about repeating: only what was provably not sent is
//! sent again.

use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::{HeaderMap, Method, Request, Response, Uri, header};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower::Service;

use super::body::{BoxError, StreamBody};
use super::headers;
use super::outcome::UnknownReason;
use super::target::{AccessToken, BaseUrl};
use crate::clock::Stopwatch;

/// Bounds of the connections to Meta.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamOptions {
    /// Name lookup and TCP handshake together. Should be well below `answer_timeout`: a connection
    /// that is still being made when the answer is due counts as unknown.
    pub connect_timeout: Duration,
    /// From the start of a send to the last byte of its answer, repeats included.
    pub answer_timeout: Duration,
    /// How often a send that could not connect is tried again, if `answer_timeout` leaves room for
    /// it.
    pub connect_repeats: u32,
    /// How long a connection stays open without use; should be shorter than upstream's.
    pub idle_timeout: Duration,
    /// Unused connections kept per host.
    pub max_idle_per_host: usize,
    /// Bytes of the longest answer to a send that is read.
    pub max_answer_bytes: usize,
    /// Longest pause within a streamed body, and between the end of its request and the answer's
    /// head.
    pub stream_idle_timeout: Duration,
}

impl Default for UpstreamOptions {
    fn default() -> UpstreamOptions {
        UpstreamOptions {
            connect_timeout: Duration::from_secs(2),
            answer_timeout: Duration::from_secs(8),
            connect_repeats: 1,
            idle_timeout: Duration::from_secs(30),
            max_idle_per_host: 512,
            max_answer_bytes: 1 << 20,
            stream_idle_timeout: Duration::from_secs(30),
        }
    }
}

/// One message to be sent to Meta.
#[derive(Debug)]
pub struct Forward<'a> {
    /// The address of the Graph API that `path` is below.
    pub base: &'a BaseUrl,
    /// For example `/v24.0/106540352242922/messages`.
    pub path: &'a str,
    /// The channel's token; replaces the client's `Authorization`.
    pub token: &'a AccessToken,
    /// The client's headers; only harmless end-to-end ones are passed on.
    pub headers: &'a HeaderMap,
    /// The client's body, byte for byte.
    pub body: Bytes,
}

/// The result of one [`Forward`].
#[derive(Debug)]
pub enum Attempt {
    /// A complete answer; [`super::outcome::judge`] decides whether it means that the message will
    /// be sent.
    Answered {
        /// The HTTP status of the answer, of any class.
        status: u16,
        /// Upstream's headers without those about its connection and without the length.
        headers: HeaderMap,
        /// Upstream's body, byte for byte.
        body: Bytes,
    },
    /// Provably nothing was sent.
    NotSent {
        /// Why nothing was sent.
        reason: NotSentReason,
    },
    /// The message may have been sent.
    Unknown {
        /// Why that is unknown.
        reason: UnknownReason,
    },
}

/// Why nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotSentReason {
    /// No connection within the deadline.
    ConnectTimeout,
    /// Upstream refused the connection.
    ConnectionRefused,
    /// The name could not be resolved, the network not be reached, or the like.
    ConnectFailed,
    /// The path has characters that a request line may not have.
    InvalidPath,
}

impl NotSentReason {
    /// A name for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            NotSentReason::ConnectTimeout => "connect_timeout",
            NotSentReason::ConnectionRefused => "connection_refused",
            NotSentReason::ConnectFailed => "connect_failed",
            NotSentReason::InvalidPath => "invalid_path",
        }
    }
}

/// Talks to Meta over pooled HTTP/1.1 connections. Cheap to clone; clones share the connections.
///
/// Sends and pass-through have pools of their own, so that a slow download never delays a send.
#[derive(Clone, Debug)]
pub struct Upstream {
    options: UpstreamOptions,
    sends: Client<BoundedConnector, Full<Bytes>>,
    pub(super) streams: Client<BoundedConnector, StreamBody>,
}

impl Upstream {
    /// A client without connections; they are opened as they are needed.
    pub fn new(options: UpstreamOptions) -> Upstream {
        let sends = pool(&options);
        let streams = pool(&options);
        Upstream { options, sends, streams }
    }

    /// The bounds in force.
    pub fn options(&self) -> &UpstreamOptions {
        &self.options
    }

    /// Sends one message and waits for its answer, at most [`UpstreamOptions::answer_timeout`].
    ///
    /// Dropping the future abandons the message in an unknown state: a caller that has reserved for
    /// it must await the end.
    pub async fn forward(&self, forward: Forward<'_>) -> Attempt {
        let Some(uri) = forward.base.join(forward.path) else {
            return Attempt::NotSent { reason: NotSentReason::InvalidPath };
        };
        let headers = headers::for_send(forward.headers, forward.token.authorization());
        match tokio::time::timeout(
            self.options.answer_timeout,
            self.send(uri, headers, forward.body),
        )
        .await
        {
            Ok(attempt) => attempt,
            Err(_) => Attempt::Unknown { reason: UnknownReason::Deadline },
        }
    }

    async fn send(&self, uri: Uri, headers: HeaderMap, body: Bytes) -> Attempt {
        let started = Stopwatch::start();
        let mut repeats = self.options.connect_repeats;
        loop {
            let mut request = Request::new(Full::new(body.clone()));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = uri.clone();
            *request.headers_mut() = headers.clone();
            let error = match self.sends.request(request).await {
                Ok(response) => return self.answer(response).await,
                Err(error) => error,
            };
            let Some(reason) = not_sent(&error) else {
                return Attempt::Unknown { reason: lost(&error) };
            };
            let pause = self.options.connect_timeout / 20;
            let needed = started
                .elapsed()
                .saturating_add(pause)
                .saturating_add(self.options.connect_timeout);
            if repeats == 0 || needed >= self.options.answer_timeout {
                return Attempt::NotSent { reason };
            }
            repeats -= 1;
            tokio::time::sleep(pause).await;
        }
    }

    async fn answer(&self, response: Response<Incoming>) -> Attempt {
        let (mut parts, body) = response.into_parts();
        let limit = self.options.max_answer_bytes;
        if body.size_hint().lower() > limit as u64 {
            return Attempt::Unknown { reason: UnknownReason::UnreadableAnswer };
        }
        match Limited::new(body, limit).collect().await {
            Ok(body) => {
                headers::strip_hop_by_hop(&mut parts.headers);
                parts.headers.remove(header::CONTENT_LENGTH);
                Attempt::Answered {
                    status: parts.status.as_u16(),
                    headers: parts.headers,
                    body: body.to_bytes(),
                }
            }
            Err(error) if error.is::<LengthLimitError>() => {
                Attempt::Unknown { reason: UnknownReason::UnreadableAnswer }
            }
            Err(error) => Attempt::Unknown { reason: lost(error.as_ref()) },
        }
    }
}

fn pool<B: Body + Send>(options: &UpstreamOptions) -> Client<BoundedConnector, B>
where
    B::Data: Send,
{
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(Duration::from_secs(60)));
    tcp.set_connect_timeout(Some(options.connect_timeout));
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(options.idle_timeout)
        .pool_max_idle_per_host(options.max_idle_per_host)
        .build(BoundedConnector { tcp, timeout: options.connect_timeout })
}

/// Why nothing was sent; `None` if something may have been.
pub(super) fn not_sent(error: &ClientError) -> Option<NotSentReason> {
    if !error.is_connect() {
        return None;
    }
    let kind =
        sources(error).find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    Some(match kind {
        Some(io::ErrorKind::TimedOut) => NotSentReason::ConnectTimeout,
        Some(io::ErrorKind::ConnectionRefused) => NotSentReason::ConnectionRefused,
        _ => NotSentReason::ConnectFailed,
    })
}

/// Why the result of an exchange that had begun is unknown.
pub(super) fn lost(error: &(dyn StdError + 'static)) -> UnknownReason {
    let unreadable = sources(error)
        .filter_map(|cause| cause.downcast_ref::<hyper::Error>())
        .any(hyper::Error::is_parse);
    if unreadable { UnknownReason::UnreadableAnswer } else { UnknownReason::ConnectionLost }
}

/// The error and what caused it, outermost first.
fn sources<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// Connects within a deadline that includes the name lookup, which the inner connector's own
/// deadline does not.
#[derive(Clone, Debug)]
pub(super) struct BoundedConnector {
    tcp: HttpConnector,
    timeout: Duration,
}

impl Service<Uri> for BoundedConnector {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<TcpStream>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(BoxError::from)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.tcp.call(uri);
        let timeout = self.timeout;
        Box::pin(async move {
            match tokio::time::timeout(timeout, connecting).await {
                Ok(connected) => connected.map_err(BoxError::from),
                Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            }
        })
    }
}
