//! Everything a send meets on its way, put together once at start.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::classify::WithoutPlus;
use super::pass_through::Allowed;
use super::throttle::Throttle;
use super::waiting::UnderWay;
use crate::catalog::{Catalog, Tokens};
use crate::clock::Clock;
use crate::ledger::batcher::Batcher;
use crate::ledger::lease::StopLease;
use crate::metrics::Metrics;
use crate::pricing::PriceBook;
use crate::upstream::client::Upstream;
use crate::upstream::target::BaseUrl;

/// What the operator chose about sends.
#[derive(Debug, Clone)]
pub struct SendOptions {
    /// Bytes of the longest body.
    pub max_body_bytes: usize,
    /// How long a client may take to deliver its body.
    pub body_timeout: Duration,
    /// Sends in work at one time.
    pub max_in_flight: usize,
    /// How long a send waits for its channel's throughput limit.
    pub max_throttle_wait: Duration,
    /// A send that names an unknown campaign creates it.
    pub auto_create: bool,
    /// What a recipient without a plus means.
    pub without_plus: WithoutPlus,
    /// Which Graph paths other than sends pass.
    pub pass_through: Vec<Allowed>,
}

/// What a send meets on its way, as its fields name it.
pub struct SendParts {
    /// Settings of accounts, channels and templates.
    pub catalog: Arc<Catalog>,
    /// Channels' Meta tokens.
    pub tokens: Arc<Tokens>,
    /// The prices in force.
    pub prices: Arc<ArcSwap<PriceBook>>,
    /// The way to the ledger.
    pub batcher: Batcher,
    /// Campaigns known to be stopped.
    pub leases: Arc<StopLease>,
    /// The way to Meta.
    pub upstream: Upstream,
    /// Where Meta is.
    pub base_url: BaseUrl,
    /// What SREs watch.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Clock,
    /// How many gateways share the channels' throughput limits.
    pub gateways: Arc<AtomicU32>,
    /// The operator's choices.
    pub options: SendOptions,
}

/// Everything a send meets on its way: the parts, and what the way itself keeps count of.
pub struct SendWay {
    parts: SendParts,
    pub(super) throttle: Throttle,
    pub(super) places: Arc<Semaphore>,
    pub(super) under_way: Arc<UnderWay>,
    pub(super) travelling: TaskTracker,
}

impl Deref for SendWay {
    type Target = SendParts;

    fn deref(&self) -> &SendParts {
        &self.parts
    }
}

impl SendWay {
    /// Opens the way.
    pub fn new(parts: SendParts) -> Arc<SendWay> {
        let throttle = Throttle::new(parts.options.max_throttle_wait, parts.gateways.clone());
        let places =
            Arc::new(Semaphore::new(parts.options.max_in_flight.min(Semaphore::MAX_PERMITS)));
        Arc::new(SendWay {
            parts,
            throttle,
            places,
            under_way: Arc::default(),
            travelling: TaskTracker::new(),
        })
    }

    /// Waits until every send that was begun has ended, clients that hung up included; `false`
    /// where `patience` ran out first.
    pub async fn finish(&self, patience: Duration) -> bool {
        self.travelling.close();
        tokio::time::timeout(patience, self.travelling.wait()).await.is_ok()
    }
}
