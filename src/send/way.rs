//! Everything a send meets on its way, put together once at start.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::throttle::Throttle;
use super::waiting::UnderWay;
use crate::pricing::recipient::WithoutPlus;
use crate::services::Services;
use crate::upstream::pass_through::Allowed;

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

/// Everything a send meets on its way, and what the way itself keeps count of.
pub struct SendWay {
    pub(crate) services: Arc<Services>,
    pub(super) options: SendOptions,
    pub(super) throttle: Throttle,
    pub(super) places: Arc<Semaphore>,
    pub(super) under_way: Arc<UnderWay>,
    pub(super) travelling: TaskTracker,
}

impl SendWay {
    /// Opens the way.
    pub fn new(services: Arc<Services>, options: SendOptions) -> Arc<SendWay> {
        let throttle = Throttle::new(options.max_throttle_wait, services.gateways_alive.clone());
        let places = Arc::new(Semaphore::new(options.max_in_flight.min(Semaphore::MAX_PERMITS)));
        Arc::new(SendWay {
            services,
            options,
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
