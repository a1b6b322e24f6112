//! A simulated WhatsApp Business Cloud API for tests, the demo and load tests: it validates bodies
//! as Meta documents them, replies like Meta, delays and fails on demand, and counts what it
//! accepted.
//!
//! In process, [`Simulator::start`] binds a free loopback port on the current tokio runtime. From
//! another process the same controls are reachable under `/_simulator/`: `GET stats`, `GET
//! accepted?offset&limit`, `GET`, `POST`, `DELETE faults`, `POST latency`, `POST reset`.

mod content;
mod control;
mod fault;
mod graph_error;
mod kind;
mod media;
mod message;
mod options;
mod random;
mod reads;
mod record;
mod reply;
mod route;
mod send;
mod server;
mod state;
mod strike;
mod text;
mod throughput;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

pub use fault::{Coding, Fault, FaultAction, FaultScope, FaultTrigger};
pub use options::{SimulatorOptions, SimulatorTemplate};
pub use record::{Accepted, Read, Stats};

use server::Host;
use state::State;

/// A running simulator. Dropping it stops it without waiting; [`Simulator::shutdown`] waits.
pub struct Simulator {
    addr: SocketAddr,
    scheme: &'static str,
    media_addr: SocketAddr,
    state: Arc<State>,
    tasks: TaskTracker,
}

impl Simulator {
    /// Binds and begins to serve on the current tokio runtime. Fails if the address cannot be
    /// bound.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(options: SimulatorOptions) -> io::Result<Simulator> {
        let bind = |address: SocketAddr| -> io::Result<TcpListener> {
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        };
        let listener = bind(options.listen)?;
        let scheme = if options.tls.is_some() { "https" } else { "http" };
        let acceptor = options.tls.clone().map(TlsAcceptor::from);
        // Like Meta's, media downloads have a host of their own.
        let media = bind(SocketAddr::new(options.listen.ip(), 0))?;
        let (addr, media_addr) = (listener.local_addr()?, media.local_addr()?);
        let state = Arc::new(State::new(options, media_addr));
        let tasks = TaskTracker::new();
        tasks.spawn(server::run(
            listener,
            acceptor.clone(),
            Host::Graph,
            state.clone(),
            tasks.clone(),
        ));
        tasks.spawn(server::run(media, acceptor, Host::Media, state.clone(), tasks.clone()));
        Ok(Simulator { addr, scheme, media_addr, state, tasks })
    }

    /// The address of the host from which media objects are downloaded.
    pub fn media_addr(&self) -> SocketAddr {
        self.media_addr
    }

    /// The newest requests other than sends and read receipts, oldest first, at most 1,000.
    pub fn reads(&self) -> Vec<Read> {
        self.state.record.reads()
    }

    /// Keeps a media object as if it had been received or uploaded, and returns its id.
    pub fn put_media(&self, mime_type: &str, bytes: impl Into<Bytes>) -> String {
        self.state.media.put(None, mime_type.to_owned(), bytes.into())
    }

    /// The same on one phone number: a request that names another one is refused.
    pub fn put_media_on(
        &self,
        phone_number_id: &str,
        mime_type: &str,
        bytes: impl Into<Bytes>,
    ) -> String {
        self.state.media.put(Some(phone_number_id), mime_type.to_owned(), bytes.into())
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:port` (`https://` with TLS), without a slash at the end: the URL to use
    /// instead of the Graph host.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.addr)
    }

    /// The accepted messages that are kept, oldest first.
    pub fn accepted(&self) -> Vec<Accepted> {
        self.state.record.accepted(0, usize::MAX)
    }

    /// How many messages were accepted, kept or not.
    pub fn accepted_count(&self) -> u64 {
        self.state.record.accepted_count()
    }

    /// How many Graph requests of any kind arrived.
    pub fn requests_count(&self) -> u64 {
        self.state.record.requests.load(Ordering::Acquire)
    }

    /// All counters.
    pub fn stats(&self) -> Stats {
        self.state.record.stats()
    }

    /// Adds a scripted fault behind those already there.
    ///
    /// # Panics
    /// If the fault can never work: an error status below 400, `every(0)`, a chance above 1.
    pub fn fault(&self, fault: Fault) {
        if let Some(mistake) = fault.mistake() {
            panic!("{mistake}");
        }
        self.state.faults.add(fault);
    }

    /// Sets the latency of good replies from now on.
    pub fn set_latency(&self, latency: Duration) {
        self.state.set_latency(latency);
    }

    /// Removes all faults and the latency. The counters and kept messages stay.
    pub fn clear(&self) {
        self.state.clear();
    }

    /// Does what [`Simulator::clear`] does, and also sets the counters to zero and drops the kept
    /// messages.
    pub fn reset(&self) {
        self.state.reset();
    }

    /// Stops accepting, lets running requests finish for half a second, and frees the port.
    pub async fn shutdown(self) {
        self.state.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.state.stop.cancel();
        self.tasks.close();
    }
}
