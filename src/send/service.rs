//! What all sends share: handles, the operator's options, and what the service keeps count of.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::task::TaskTracker;

use super::in_flight::InFlightBodies;
use super::rejected::Rejected;
use super::throttle::Throttle;
use crate::http::body::BodyMemory;
use crate::pricing::recipient::WithoutPlus;
use crate::rejection::RejectionKind;
use crate::services::Services;
use crate::upstream::pass_through::Allowed;

/// What the operator chose about sends.
#[derive(Debug, Clone)]
pub struct SendOptions {
    /// Bytes of the longest body.
    pub max_body_bytes: usize,
    /// Bytes that the bodies of all sends in flight may take together.
    pub max_body_memory_bytes: usize,
    /// How long a client may take to deliver its body.
    pub body_timeout: Duration,
    /// Sends in flight at one time, at most.
    pub max_in_flight: usize,
    /// How long a send waits for its channel's throughput limit, at most.
    pub max_throttle_wait: Duration,
    /// A send that names an unknown campaign creates it.
    pub auto_create: bool,
    /// What a recipient without a plus means.
    pub without_plus: WithoutPlus,
    /// Which Graph paths other than sends pass.
    pub pass_through: Vec<Allowed>,
}

/// Processes sends and passed-through requests.
pub struct SendService {
    pub(crate) services: Arc<Services>,
    pub(super) options: SendOptions,
    pub(super) body_memory: BodyMemory,
    pub(super) throttle: Throttle,
    pub(super) in_flight_bodies: Arc<InFlightBodies>,
    /// Sends that were begun, those whose client disconnected included.
    pub(super) tasks: TaskTracker,
    permits: Semaphore,
}

impl SendService {
    /// A service over the shared handles.
    pub fn new(services: Arc<Services>, options: SendOptions) -> Arc<SendService> {
        let throttle = Throttle::new(options.max_throttle_wait, services.gateways_alive.clone());
        let permits = options.max_in_flight.min(Semaphore::MAX_PERMITS);
        Arc::new(SendService {
            body_memory: BodyMemory::new(options.max_body_memory_bytes),
            services,
            options,
            throttle,
            in_flight_bodies: Arc::default(),
            tasks: TaskTracker::new(),
            permits: Semaphore::new(permits),
        })
    }

    /// A permit to process one send, or `overloaded` if all are taken.
    pub(super) fn permit(&self) -> Result<SemaphorePermit<'_>, Rejected> {
        self.permits.try_acquire().map_err(|_| {
            let details = "too many sends are in work at once";
            Rejected::new(RejectionKind::Overloaded, details).retry_after(1)
        })
    }

    /// Waits until every send that was begun has ended, those whose client disconnected included;
    /// returns `false` if `patience` ran out first.
    pub async fn finish(&self, patience: Duration) -> bool {
        self.tasks.close();
        tokio::time::timeout(patience, self.tasks.wait()).await.is_ok()
    }
}
