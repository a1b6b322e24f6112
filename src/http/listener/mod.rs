//! Accepts connections and serves them, bounded in number, in time and in size, until shutdown.

mod guarded;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::error::Error as StdError;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use guarded::GuardedStream;

/// Bounds of one listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOptions {
    /// Connections open at once; further ones wait in the kernel's queue.
    pub max_connections: usize,
    /// From accepting a connection to the end of its first request's head.
    pub first_request_timeout: Duration,
    /// From the end of one request to the end of the next one's head; should be longer than clients
    /// keep connections unused.
    pub idle_timeout: Duration,
    /// Longest time in which a client takes no byte of its response.
    pub write_timeout: Duration,
    /// How long requests in flight may still take after shutdown has begun.
    pub drain_timeout: Duration,
    /// Header lines of one request.
    pub max_headers: usize,
    /// Bytes of one request's head.
    pub max_head_bytes: usize,
}

impl Default for ServerOptions {
    fn default() -> ServerOptions {
        ServerOptions {
            max_connections: 10_000,
            first_request_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(30),
            max_headers: 100,
            max_head_bytes: 32 << 10,
        }
    }
}

/// The result of serving until shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut because their requests outlasted the drain.
    pub cut: usize,
}

/// Serves HTTP/1.1 on `listener` with `service` until `shutdown`, then lets requests in flight
/// finish and returns.
///
/// A client that hangs up, and a drain that takes too long, drop the service's future at whatever
/// point it has reached.
pub async fn serve<S, B>(
    listener: TcpListener,
    options: ServerOptions,
    service: S,
    shutdown: CancellationToken,
) -> Drained
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let permits = Arc::new(Semaphore::new(options.max_connections.min(Semaphore::MAX_PERMITS)));
    let mut connections = JoinSet::new();
    let options = Arc::new(options);
    let mut backoff = AcceptBackoff::default();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(ended) = connections.join_next() => {
                report(ended);
                continue;
            }
            accepted = accept(&listener, &permits) => accepted,
        };
        let (stream, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tokio::select! {
                    () = shutdown.cancelled() => break,
                    () = backoff.after(&error) => continue,
                }
            }
        };
        backoff = AcceptBackoff::default();
        // A token of its own, because every poll of a connection looks at it and a shared one would
        // be contended.
        let stop = shutdown.child_token();
        let connection = serve_connection(stream, Arc::clone(&options), service.clone(), stop);
        connections.spawn(async move {
            connection.await;
            drop(permit);
        });
    }
    drop(listener);
    let drain = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    let in_time = tokio::time::timeout(options.drain_timeout, drain).await.is_ok();
    let cut = if in_time { 0 } else { connections.len() };
    connections.shutdown().await;
    Drained { cut }
}

/// A panic in a handler ends its connection alone, but must not go unseen.
fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection was ended by a panic");
    }
}

type Accepted = (TcpStream, OwnedSemaphorePermit);

async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> io::Result<Accepted> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, permit))
}

/// Serves one connection to its end. Its errors are dropped: no client is left to receive them.
async fn serve_connection<S, B>(
    stream: TcpStream,
    options: Arc<ServerOptions>,
    service: S,
    shutdown: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let asked = AtomicBool::new(false);
    let watched = service_fn(|request| {
        asked.store(true, Ordering::Relaxed);
        service.call(request)
    });
    // Half-closed clients count as gone: only so is a client that hangs up noticed while its
    // request is handled.
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(options.idle_timeout)
        .half_close(false)
        .max_headers(options.max_headers)
        .max_header_size(options.max_head_bytes)
        .max_buf_size(options.max_head_bytes.max(64 << 10))
        .serve_connection(TokioIo::new(GuardedStream::new(stream, options.write_timeout)), watched);
    let mut connection = pin!(connection);
    let mut first_request = pin!(tokio::time::sleep(options.first_request_timeout));
    let (mut guarding, mut draining) = (true, false);
    loop {
        tokio::select! {
            biased;
            _ = connection.as_mut() => return,
            () = shutdown.cancelled(), if !draining => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
            () = first_request.as_mut(), if guarding => {
                if !asked.load(Ordering::Relaxed) {
                    return;
                }
                guarding = false;
            }
        }
    }
}

/// Waits after failed accepts: not at all if only that connection failed, longer each time if the
/// process has run out of a resource.
#[derive(Default)]
struct AcceptBackoff {
    failures: u32,
}

impl AcceptBackoff {
    const FIRST: Duration = Duration::from_millis(10);
    const LONGEST: Duration = Duration::from_secs(1);

    async fn after(&mut self, error: &io::Error) {
        use io::ErrorKind::{
            ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, InvalidInput,
            NotConnected,
        };
        if matches!(
            error.kind(),
            ConnectionAborted
                | ConnectionRefused
                | ConnectionReset
                | Interrupted
                | InvalidInput
                | NotConnected
        ) {
            return tokio::task::yield_now().await;
        }
        let pause = Self::FIRST.saturating_mul(1 << self.failures.min(10)).min(Self::LONGEST);
        self.failures = self.failures.saturating_add(1);
        tracing::warn!(%error, "cannot accept connections, trying again in {pause:?}");
        tokio::time::sleep(pause).await;
    }
}
