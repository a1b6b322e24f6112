//! How connections to Meta are made and shared: TCP and TLS within one deadline, HTTP/2 if
//! upstream offers it, and what an error proves about a request.

use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Body;
use hyper::{Request, Response, Uri, body::Incoming};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower::Service;

use super::body::BoxError;
use super::options::UpstreamOptions;
use super::outcome::UnknownReason;

/// Requests that share a connection before the next lane is used: below the 100 streams that HTTP/2
/// servers usually allow, beyond which requests would queue unseen.
const REQUESTS_PER_LANE: usize = 64;

/// HTTP/2 connections per host, at most. HTTP/1.1 is not bounded by it.
const LANES: usize = 16;

/// As a TLS handshake names it.
const HTTP1: &[&[u8]] = &[b"http/1.1"];

/// Why nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotSentReason {
    /// No connection within the deadline.
    ConnectTimeout,
    /// Upstream refused the connection.
    ConnectionRefused,
    /// The name could not be resolved, the network not be reached, or the like.
    ConnectFailed,
    /// Upstream's certificate is expired, for another name, or signed by nobody who is trusted.
    CertificateRefused,
    /// The TLS handshake failed for another reason, or was cut.
    TlsFailed,
    /// Upstream said that it did not process the request: its HTTP/2 stream was refused, or came
    /// after the last one that a closing connection takes.
    StreamRefused,
    /// The connection ended before the request was written to it.
    ConnectionClosed,
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
            NotSentReason::CertificateRefused => "certificate_refused",
            NotSentReason::TlsFailed => "tls_failed",
            NotSentReason::StreamRefused => "stream_refused",
            NotSentReason::ConnectionClosed => "connection_closed",
            NotSentReason::InvalidPath => "invalid_path",
        }
    }

    /// Whether another try at once may end otherwise.
    pub(super) const fn is_worth_repeating(self) -> bool {
        !matches!(self, NotSentReason::CertificateRefused | NotSentReason::InvalidPath)
    }
}

/// Connections to all hosts. An HTTP/2 connection carries many requests but not any number, so
/// there are several pools, the lanes: the first that has room takes a request, and a gateway with
/// little to do keeps one connection.
pub(super) struct Lanes<B> {
    lanes: Arc<[Lane<B>]>,
}

struct Lane<B> {
    client: Client<Connector, B>,
    in_flight: AtomicUsize,
}

impl<B> Clone for Lanes<B> {
    fn clone(&self) -> Lanes<B> {
        Lanes { lanes: self.lanes.clone() }
    }
}

impl<B> std::fmt::Debug for Lanes<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lanes").finish_non_exhaustive()
    }
}

impl<B> Lanes<B>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    /// Without connections; they are made as they are needed.
    pub(super) fn new(options: &UpstreamOptions) -> Lanes<B> {
        let connector = Connector::new(options);
        let lane = |_| {
            let client = client(options, connector.clone());
            Lane { client, in_flight: AtomicUsize::new(0) }
        };
        Lanes { lanes: (0..LANES).map(lane).collect() }
    }

    /// Sends `request` and waits for the head of its answer.
    pub(super) async fn request(
        &self,
        request: Request<B>,
    ) -> Result<Response<Incoming>, ClientError> {
        let lane = self.lane();
        lane.in_flight.fetch_add(1, Ordering::Relaxed);
        let _taken = Taken(&lane.in_flight);
        lane.client.request(request).await
    }

    /// The first lane with room, or the one with the fewest requests.
    fn lane(&self) -> &Lane<B> {
        let load = |lane: &&Lane<B>| lane.in_flight.load(Ordering::Relaxed);
        self.lanes
            .iter()
            .find(|lane| load(lane) < REQUESTS_PER_LANE)
            .or_else(|| self.lanes.iter().min_by_key(load))
            .unwrap_or(&self.lanes[0])
    }
}

/// A request counted in its lane, also if it is abandoned.
struct Taken<'a>(&'a AtomicUsize);

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn client<B>(options: &UpstreamOptions, connector: Connector) -> Client<Connector, B>
where
    B: Body + Send,
    B::Data: Send,
{
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(options.idle_timeout)
        .pool_max_idle_per_host(options.max_idle_per_host)
        // A connection that died without a word would otherwise swallow sends until their deadline.
        .http2_keep_alive_interval(Some(options.idle_timeout.min(Duration::from_secs(15))))
        .http2_keep_alive_timeout(options.connect_timeout)
        .build(connector)
}

/// What an exchange that did not succeed came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failed {
    /// Provably nothing was sent.
    NotSent(NotSentReason),
    /// Something may have been.
    Unknown(UnknownReason),
}

/// What an error of the shared connections means.
pub(super) fn failed(error: &ClientError) -> Failed {
    if error.is_connect() { Failed::NotSent(not_connected(error)) } else { failed_exchange(error) }
}

/// What an error on a connection that was made means.
pub(super) fn failed_exchange(error: &(dyn StdError + 'static)) -> Failed {
    match unwritten(error) {
        Some(reason) => Failed::NotSent(reason),
        None => Failed::Unknown(lost(error)),
    }
}

/// Why the request was not written; `None` if it may have been.
fn unwritten(error: &(dyn StdError + 'static)) -> Option<NotSentReason> {
    for cause in sources(error) {
        if let Some(error) = cause.downcast_ref::<h2::Error>()
            && error.is_remote()
            // A stream fails with the peer's GOAWAY only if its id is above the last processed one.
            && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM))
        {
            return Some(NotSentReason::StreamRefused);
        }
        // hyper cancels only what it has not begun to write.
        if cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled) {
            return Some(NotSentReason::ConnectionClosed);
        }
    }
    None
}

/// Why there is no connection.
pub(super) fn not_connected(error: &(dyn StdError + 'static)) -> NotSentReason {
    for cause in sources(error) {
        if let Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) =
            cause.downcast_ref()
        {
            return NotSentReason::CertificateRefused;
        }
        if cause.is::<rustls::Error>() {
            return NotSentReason::TlsFailed;
        }
        match cause.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::TimedOut) => return NotSentReason::ConnectTimeout,
            Some(io::ErrorKind::ConnectionRefused) => return NotSentReason::ConnectionRefused,
            // TCP was connected, so it was the handshake that was cut.
            Some(io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
                return NotSentReason::TlsFailed;
            }
            _ => {}
        }
    }
    NotSentReason::ConnectFailed
}

/// Why the result of an exchange that had begun is unknown.
pub(super) fn lost(error: &(dyn StdError + 'static)) -> UnknownReason {
    let unreadable = sources(error)
        .filter_map(|cause| cause.downcast_ref::<hyper::Error>())
        .any(hyper::Error::is_parse);
    if unreadable { UnknownReason::UnreadableAnswer } else { UnknownReason::ConnectionLost }
}

/// The error of that type among an error and what caused it.
pub(super) fn cause<'a, E: StdError + 'static>(
    error: &'a (dyn StdError + 'static),
) -> Option<&'a E> {
    sources(error).find_map(|cause| cause.downcast_ref::<E>())
}

/// The error and what caused it, outermost first.
fn sources<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // An I/O error names as its source that of the error it wraps, and leaves that one out.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.map_or_else(|| error.source(), |wrapped| Some(wrapped as &(dyn StdError + 'static)))
    })
}

/// A stream to a host, with TLS or without.
pub(super) type Connection = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Connects within a deadline that includes the name lookup and the TLS handshake, which the inner
/// connectors' own deadline does not.
#[derive(Clone)]
pub(super) struct Connector {
    connector: HttpsConnector<HttpConnector>,
    timeout: Duration,
}

impl Connector {
    /// Offers HTTP/2 if the options say so.
    pub(super) fn new(options: &UpstreamOptions) -> Connector {
        let both: &[&[u8]] = &[b"h2", b"http/1.1"];
        Connector::offering(if options.http2 { both } else { HTTP1 }, options)
    }

    /// Offers HTTP/1.1 alone.
    pub(super) fn http1(options: &UpstreamOptions) -> Connector {
        Connector::offering(HTTP1, options)
    }

    fn offering(protocols: &[&[u8]], options: &UpstreamOptions) -> Connector {
        let tls = Arc::new(options.trust.client_config(protocols));
        let mut tcp = HttpConnector::new();
        // Whether TLS is spoken is decided by the base URL alone.
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(Duration::from_secs(60)));
        tcp.set_connect_timeout(Some(options.connect_timeout));
        let connector = HttpsConnector::from((tcp, tls));
        Connector { connector, timeout: options.connect_timeout }
    }

    /// A connection to the host of `uri`.
    pub(super) fn connect(&self, uri: Uri) -> <Self as Service<Uri>>::Future {
        // The connectors within are ready at every moment.
        self.clone().call(uri)
    }
}

impl Service<Uri> for Connector {
    type Response = Connection;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Connection, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.connector.call(uri);
        let timeout = self.timeout;
        Box::pin(async move {
            match tokio::time::timeout(timeout, connecting).await {
                Ok(connected) => connected,
                Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            }
        })
    }
}
