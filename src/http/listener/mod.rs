//! Accepts connections and serves them - HTTP/1.1 and HTTP/2, with TLS or without - bounded in
//! number, in time and in size, until shutdown.

mod addresses;
mod connection;
mod following;
pub mod framing;
mod guarded;
mod options;
mod progress;
mod streams;
#[cfg(test)]
mod tests;
mod workers;

use std::convert::Infallible;
use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::service::Service;
use hyper::{Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use addresses::Addresses;
pub use options::ServerOptions;
pub use workers::Workers;

/// The result of serving until shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut because their requests outlasted the drain.
    pub cut: usize,
}

/// Serves HTTP on `listener` with `service` until `shutdown`, then lets requests in flight
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
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let permits = Arc::new(Semaphore::new(options.max_connections.min(Semaphore::MAX_PERMITS)));
    let mut connections = JoinSet::new();
    let addresses = Addresses::new(options.max_connections_per_address);
    let workers = options.workers.clone().unwrap_or_else(Workers::here);
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
        let (stream, address, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tokio::select! {
                    () = shutdown.cancelled() => break,
                    () = backoff.after(&error) => continue,
                }
            }
        };
        backoff = AcceptBackoff::default();
        let (place, service) = (workers.place(), service.clone());
        let (addresses, options) = (addresses.clone(), options.clone());
        // A token of its own, because every poll of a connection looks at it and a shared one would
        // be contended.
        let (address, stop) = (address.ip().to_canonical(), shutdown.child_token());
        let runtime = place.runtime().clone();
        let served = async move {
            // Without a descriptor to wait for, it ends here.
            if let Ok(stream) = TcpStream::from_std(stream) {
                let accepted = connection::Accepted { stream, address, addresses, options, stop };
                accepted.serve(service).await;
            }
            drop((permit, place));
        };
        connections.spawn_on(served, &runtime);
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

type Accepted = (std::net::TcpStream, SocketAddr, OwnedSemaphorePermit);

async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> io::Result<Accepted> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    stream.set_nodelay(true)?;
    // It is registered anew by the thread that serves it.
    Ok((stream.into_std()?, address, permit))
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
