//! What all requests of one simulator share: options, record, faults, latency, and the small
//! replies built from them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use tokio_util::sync::CancellationToken;

use crate::fault::FaultBook;
use crate::graph_error::GraphError;
use crate::media::MediaStore;
use crate::options::SimulatorOptions;
use crate::random::fresh_seed;
use crate::record::Record;
use crate::reply::{self, Reply, ReplyBody};
use crate::throughput::Throughput;

pub(crate) struct State {
    pub(crate) options: SimulatorOptions,
    pub(crate) record: Record,
    pub(crate) faults: FaultBook,
    pub(crate) throughput: Throughput,
    pub(crate) media: MediaStore,
    /// The host that `url` of a media object names.
    pub(crate) media_addr: SocketAddr,
    latency_micros: AtomicU64,
    traces: AtomicU64,
    /// Cancelled when the simulator stops; ends every wait.
    pub(crate) stop: CancellationToken,
}

impl State {
    pub(crate) fn new(options: SimulatorOptions, media_addr: SocketAddr) -> State {
        let seed = options.seed.unwrap_or_else(fresh_seed);
        State {
            record: Record::new(seed, options.keep),
            faults: FaultBook::default(),
            throughput: Throughput::new(options.throughput_limit.unwrap_or(0)),
            media: MediaStore::default(),
            media_addr,
            latency_micros: AtomicU64::new(micros(options.latency)),
            traces: AtomicU64::new(seed >> 16),
            stop: CancellationToken::new(),
            options,
        }
    }

    pub(crate) fn set_latency(&self, latency: Duration) {
        self.latency_micros.store(micros(latency), Ordering::Release);
    }

    /// Removes all faults and the latency.
    pub(crate) fn clear(&self) {
        self.faults.clear();
        self.set_latency(Duration::ZERO);
    }

    pub(crate) fn reset(&self) {
        self.clear();
        self.record.reset();
    }

    fn latency(&self) -> Duration {
        Duration::from_micros(self.latency_micros.load(Ordering::Acquire))
    }

    /// Waits for the latency that every good reply has.
    pub(crate) async fn wait_latency(&self) {
        let latency = self.latency();
        if !latency.is_zero() {
            self.wait(latency).await;
        }
    }

    /// Waits for `time`, or until the simulator stops.
    pub(crate) async fn wait(&self, time: Duration) {
        let _ = tokio::time::timeout(time, self.stop.cancelled()).await;
    }

    /// Returns a new number for the trace headers of one reply.
    pub(crate) fn trace(&self) -> u64 {
        self.traces.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn refuse(&self, error: &GraphError) -> Reply {
        self.record.refused(error.code);
        let trace = self.trace();
        reply::graph(error.status, trace, ReplyBody::whole(error.body(trace)))
    }

    pub(crate) fn success(&self) -> Reply {
        let body = ReplyBody::whole(&br#"{"success":true}"#[..]);
        reply::graph(StatusCode::OK, self.trace(), body)
    }

    /// Returns a good reply with a JSON body.
    pub(crate) fn json(&self, body: &serde_json::Value) -> Reply {
        let body = ReplyBody::whole(body.to_string());
        reply::graph(StatusCode::OK, self.trace(), body)
    }

    /// Fails without a bearer token, or with one that the options do not list, if they list any.
    pub(crate) fn check_token(&self, headers: &HeaderMap) -> Result<(), GraphError> {
        let token = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
            .filter(|token| !token.is_empty());
        let good = match (token, &self.options.tokens) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(token), Some(tokens)) => tokens.iter().any(|good| good.as_bytes() == token),
        };
        match good {
            true => Ok(()),
            false => Err(GraphError::new(190, "").with_subcode(463)),
        }
    }

    pub(crate) fn check_phone_number(&self, id: &str) -> Result<(), GraphError> {
        match &self.options.phone_number_ids {
            Some(ids) if !ids.iter().any(|known| known == id) => {
                Err(GraphError::unknown_object(id))
            }
            _ => Ok(()),
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
