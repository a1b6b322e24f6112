//! One connection from its acceptance to its end: PROXY header, TLS handshake, HTTP/1.1 or HTTP/2,
//! and the moments at which it has to end.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Version, header};
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::addresses::{Addresses, Counted};
use super::guarded::GuardedStream;
use super::options::ServerOptions;
use super::progress::{Progress, Ticket};
use super::streams::{Streams, Watched};
use crate::clock::Stopwatch;
use crate::http::peer::{Peer, ProxyHeader, proxy_header};
use crate::metrics::RefusedConnection;

/// Header lines of an HTTP/1 request if the library is not told otherwise.
const DEFAULT_MAX_HEADERS: usize = 100;

/// What an HTTP/2 client begins with when both sides know that they speak it.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of bodies that an HTTP/2 client may send ahead on one stream, and on all of a connection.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;

/// How often an HTTP/2 client that is silent is asked whether it is there, and how long it may
/// take to reply.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_PATIENCE: Duration = Duration::from_secs(10);

/// A connection as the listener got it.
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) address: IpAddr,
    pub(super) addresses: Arc<Addresses>,
    pub(super) options: Arc<ServerOptions>,
    pub(super) stop: CancellationToken,
}

/// A connection that is ready for its first request.
struct Opened<T> {
    stream: T,
    /// Bytes that were read to find out what is spoken.
    read: Bytes,
    http2: bool,
    peer: Peer,
    /// Keeps the address counted.
    _counted: Option<Counted>,
}

impl Accepted {
    /// Serves it to its end. Its errors are dropped: no client is left to receive them.
    pub(super) async fn serve<S, B>(self, service: S)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let started = Stopwatch::start();
        let (options, stop) = (self.options.clone(), self.stop.clone());
        let opening = async {
            let opened = self.open().await.inspect_err(|reason| options.refused(*reason)).ok()?;
            Some(match &options.tls {
                None => Either::Plain(sniff(opened).await.ok()?),
                Some(tls) => {
                    let acceptor = TlsAcceptor::from(tls.config());
                    Either::Tls(Box::new(opened.handshake(acceptor, &options).await?))
                }
            })
        };
        let opened = tokio::select! {
            opened = tokio::time::timeout(options.first_request_timeout, opening) => opened,
            // Nothing was asked yet.
            () = stop.cancelled() => return,
        };
        match opened {
            Ok(Some(Either::Plain(opened))) => {
                opened.run(options, service, stop, started).await;
            }
            Ok(Some(Either::Tls(opened))) => opened.run(options, service, stop, started).await,
            Ok(None) => {}
            Err(_) => options.refused(RefusedConnection::Slow),
        }
    }

    /// Finds out who the client is and whether it may have one more connection.
    async fn open(self) -> Result<Opened<TcpStream>, RefusedConnection> {
        let Accepted { mut stream, address, addresses, options, .. } = self;
        let proxies = &options.proxies;
        let mut peer = Peer::new(address);
        let (mut read, mut limited) = (BytesMut::new(), true);
        if proxies.contains(address) {
            if proxies.proxy_protocol {
                let client = read_proxy_header(&mut stream, &mut read).await;
                match client.map_err(|_| RefusedConnection::ProxyHeader)? {
                    Some(client) => peer.address = client,
                    None => limited = false,
                }
            } else {
                peer.forwarded = Some(proxies.clone());
                limited = false;
            }
        }
        let counted = if limited {
            Some(addresses.enter(peer.address).ok_or(RefusedConnection::AddressLimit)?)
        } else {
            None
        };
        Ok(Opened { stream, read: read.freeze(), http2: false, peer, _counted: counted })
    }
}

enum Either {
    Plain(Opened<TcpStream>),
    Tls(Box<Opened<tokio_rustls::server::TlsStream<GuardedStream<TcpStream>>>>),
}

impl Opened<TcpStream> {
    async fn handshake(
        self,
        acceptor: TlsAcceptor,
        options: &ServerOptions,
    ) -> Option<Opened<tokio_rustls::server::TlsStream<GuardedStream<TcpStream>>>> {
        let Opened { stream, read, peer, _counted, .. } = self;
        let stream = GuardedStream::new(stream, options.write_timeout, read);
        let stream = match acceptor.accept(stream).await {
            Ok(stream) => stream,
            Err(error) => {
                options.refused(RefusedConnection::TlsHandshake);
                tracing::debug!(%error, peer = %peer.address, "a TLS handshake failed");
                return None;
            }
        };
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let opened = Opened { stream, read: Bytes::new(), http2, peer, _counted };
        // A client may know without ALPN that HTTP/2 is spoken.
        if opened.http2 { Some(opened) } else { sniff(opened).await.ok() }
    }
}

/// Reads a PROXY header; what came behind it stays in `read`.
async fn read_proxy_header(
    stream: &mut TcpStream,
    read: &mut BytesMut,
) -> io::Result<Option<IpAddr>> {
    loop {
        match proxy_header(read) {
            ProxyHeader::Partial => {}
            ProxyHeader::Malformed => return Err(io::ErrorKind::InvalidData.into()),
            ProxyHeader::Whole { client, length } => {
                drop(read.split_to(length));
                return Ok(client);
            }
        }
        if stream.read_buf(read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Reads as much as is needed to tell HTTP/2 from HTTP/1.1.
async fn sniff<T: AsyncRead + Unpin>(mut opened: Opened<T>) -> io::Result<Opened<T>> {
    let mut read = BytesMut::from(opened.read);
    loop {
        let compared = read.len().min(PREFACE.len());
        if read.get(..compared) != PREFACE.get(..compared) || compared == PREFACE.len() {
            opened.http2 = compared == PREFACE.len() && read.starts_with(PREFACE);
            opened.read = read.freeze();
            return Ok(opened);
        }
        if opened.stream.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Opened<T> {
    async fn run<S, B>(
        self,
        options: Arc<ServerOptions>,
        service: S,
        stop: CancellationToken,
        started: Stopwatch,
    ) where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let Opened { stream, read, http2, peer, _counted } = self;
        let progress = Arc::new(Progress::default());
        let stream = GuardedStream::new(stream, options.write_timeout, read);
        let asked = {
            let (progress, options, peer) = (progress.clone(), options.clone(), peer.clone());
            let service = Arc::new(service);
            service_fn(move |mut request: Request<Incoming>| {
                let ticket = Ticket::of(&progress);
                let begun = progress.begun();
                let last = begun >= options.max_requests_per_connection
                    || started.elapsed() >= options.max_connection_age;
                let last = last && request.version() < Version::HTTP_2;
                request.extensions_mut().insert(peer.clone());
                let responding = service.call(request);
                async move {
                    let Ok(mut response) = responding.await;
                    if last || ticket.is_last() {
                        let close = HeaderValue::from_static("close");
                        response.headers_mut().insert(header::CONNECTION, close);
                    }
                    Ok::<_, Infallible>(response.map(|body| Watched::new(body, http2, ticket)))
                }
            })
        };
        let ends = Ends { options: &options, progress: &progress, stop, started };
        if http2 {
            let mut builder = http2::Builder::new(Streams::new(options.write_timeout));
            builder
                .timer(TokioTimer::new())
                .max_concurrent_streams(options.max_streams)
                .max_header_list_size(u32::try_from(options.max_head_bytes).unwrap_or(u32::MAX))
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .max_send_buf_size(STREAM_WINDOW as usize)
                .keep_alive_interval(PING_EVERY)
                .keep_alive_timeout(PING_PATIENCE);
            ends.watch(builder.serve_connection(TokioIo::new(stream), asked), true).await;
        } else {
            let stream = stream.following(options.clone(), progress.clone(), peer.finished);
            let mut builder = http1::Builder::new();
            // The library's own bound costs nothing; any other, a list made for each request.
            if options.max_headers != DEFAULT_MAX_HEADERS {
                builder.max_headers(options.max_headers);
            }
            let connection = builder
                .timer(TokioTimer::new())
                .header_read_timeout(options.idle_timeout)
                .half_close(false)
                .max_header_size(options.max_head_bytes)
                .max_buf_size(options.max_head_bytes.max(64 << 10))
                .serve_connection(TokioIo::new(stream), asked);
            ends.watch(connection, false).await;
        }
    }
}

/// What ends a connection that does not end by itself.
struct Ends<'a> {
    options: &'a ServerOptions,
    progress: &'a Progress,
    stop: CancellationToken,
    started: Stopwatch,
}

impl Ends<'_> {
    /// Runs the connection until it ends: by itself, after shutdown, because its first request does
    /// not come, or - HTTP/2, of which the library watches neither - because it is unused or old.
    async fn watch<C: GracefulConnection>(self, connection: C, http2: bool) {
        let options = self.options;
        let mut connection = pin!(connection);
        let first = options.first_request_timeout.saturating_sub(self.started.elapsed());
        let mut next = pin!(tokio::time::sleep(first));
        let (mut draining, mut seen) = (false, 0);
        loop {
            tokio::select! {
                biased;
                _ = connection.as_mut() => return,
                () = self.stop.cancelled(), if !draining => {
                    draining = true;
                    connection.as_mut().graceful_shutdown();
                    if !http2 {
                        // hyper ends it after the response; the listener bounds the time.
                        next.set(tokio::time::sleep(Duration::MAX));
                        continue;
                    }
                    next.set(tokio::time::sleep(options.drain_timeout));
                }
                () = next.as_mut() => {
                    let begun = self.progress.begun();
                    if begun == 0 {
                        options.refused(RefusedConnection::Slow);
                        return;
                    }
                    if draining {
                        // Its streams had their time.
                        return;
                    }
                    if !http2 {
                        next.set(tokio::time::sleep(Duration::MAX));
                        continue;
                    }
                    let unused = begun == seen && !self.progress.is_active();
                    let old = self.started.elapsed() >= options.max_connection_age
                        || begun >= options.max_requests_per_connection;
                    seen = begun;
                    if unused || old {
                        draining = true;
                        connection.as_mut().graceful_shutdown();
                        next.set(tokio::time::sleep(options.drain_timeout));
                    } else {
                        let age = self.started.elapsed();
                        let left = options.max_connection_age.saturating_sub(age);
                        next.set(tokio::time::sleep(options.idle_timeout.min(left)));
                    }
                }
            }
        }
    }
}
