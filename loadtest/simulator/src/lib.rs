//! A simulated WhatsApp Business Cloud API for tests, the demo and load tests: it validates bodies
//! as Meta documents them, answers like Meta, delays and fails on demand, and counts what it
//! accepted.
//!
//! In process, [`Simulator::start`] binds a free loopback port on the current tokio runtime. From
//! another process the same controls are reachable under `/_simulator/`: `GET stats`, `GET
//! accepted?offset&limit`, `GET`, `POST`, `DELETE faults`, `POST latency`, `POST reset`.

mod content;
mod control;
mod fault;
mod graph_error;
mod media;
mod message;
mod random;
mod reads;
mod record;
mod reply;
mod route;
mod send;
mod server;
mod state;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

pub use fault::{Fault, FaultAction, FaultScope, FaultTrigger};
pub use record::{Accepted, Stats};

use state::State;

/// One message template the simulated WABA has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatorTemplate {
    /// The WABA that owns it; without one, every WABA has it.
    pub waba: Option<String>,
    /// Template name.
    pub name: String,
    /// Language code as sends carry it, `en_US`.
    pub language: String,
    /// `MARKETING`, `UTILITY` or `AUTHENTICATION`.
    pub category: String,
    /// `APPROVED`, `PAUSED`, `DISABLED`, ...
    pub status: String,
}

impl SimulatorTemplate {
    /// An approved template of every WABA.
    pub fn approved(name: &str, language: &str, category: &str) -> SimulatorTemplate {
        SimulatorTemplate {
            waba: None,
            name: name.to_owned(),
            language: language.to_owned(),
            category: category.to_owned(),
            status: "APPROVED".to_owned(),
        }
    }
}

/// How a simulator behaves; the default takes every well-formed message at once.
#[derive(Debug, Clone)]
pub struct SimulatorOptions {
    /// Where to listen. Default `127.0.0.1:0`: a free port.
    pub listen: SocketAddr,
    /// How long every good answer takes. The message counts as accepted before the wait. Default
    /// none.
    pub latency: Duration,
    /// Bearer tokens that are good; any other gets error 190 with HTTP 401. `None`: any token, but
    /// there must be one.
    pub tokens: Option<Vec<String>>,
    /// Phone number IDs that exist; another gets error 100 with subcode 33. `None`: every number
    /// exists.
    pub phone_number_ids: Option<Vec<String>>,
    /// Templates that exist. Empty: none are listed, and sends may name any.
    pub templates: Vec<SimulatorTemplate>,
    /// Messages a second per phone number ID before error 130429. `None`: no limit.
    pub throughput_limit: Option<u32>,
    /// How many accepted messages to keep for [`Simulator::accepted`], newest last. Default
    /// 100,000; 0 keeps none and makes accepting cheapest.
    pub keep: usize,
    /// Seed of message ids and trace ids. `None`: different for every simulator.
    pub seed: Option<u64>,
}

impl Default for SimulatorOptions {
    fn default() -> SimulatorOptions {
        SimulatorOptions {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            latency: Duration::ZERO,
            tokens: None,
            phone_number_ids: None,
            templates: Vec::new(),
            throughput_limit: None,
            keep: 100_000,
            seed: None,
        }
    }
}

/// A running simulator. Dropping it stops it without waiting; [`Simulator::shutdown`] waits.
pub struct Simulator {
    addr: SocketAddr,
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
        let listener = std::net::TcpListener::bind(options.listen)?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let addr = listener.local_addr()?;
        let state = Arc::new(State::new(options));
        let tasks = TaskTracker::new();
        tasks.spawn(server::run(listener, state.clone(), tasks.clone()));
        Ok(Simulator { addr, state, tasks })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:port`, without a slash at the end: what stands in for the Graph host.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
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

    /// Changes the latency of good answers from now on.
    pub fn set_latency(&self, latency: Duration) {
        self.state.set_latency(latency);
    }

    /// Back to good behaviour: no faults, no latency. What was counted stays.
    pub fn clear(&self) {
        self.state.clear();
    }

    /// [`Simulator::clear`], and forgets what was counted and kept.
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
