//! What all sends share: handles, the operator's options, and what the service keeps count of.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::in_flight::InFlightBodies;
use super::rejected::Rejected;
use super::shares::{KeyRates, Share, Shares};
use super::throttle::Throttle;
use crate::http::body::BodyMemory;
use crate::ids::{AccountId, KeyId};
use crate::pricing::recipient::WithoutPlus;
use crate::rejection::RejectionKind;
use crate::services::Services;
use crate::upstream::media_hosts::MediaHost;
use crate::upstream::pass_through::Allowed;

/// How often it forgets who sends nothing any more.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// What the operator chose about sends.
#[derive(Debug, Clone)]
pub struct SendOptions {
    /// Bytes of the longest body.
    pub max_body_bytes: usize,
    /// Bytes that the bodies of all sends in flight may take together.
    pub max_body_memory_bytes: usize,
    /// How long a client may take to deliver its body.
    pub body_timeout: Duration,
    /// Seconds for which the answer that nobody heard to an accepted body is repeated, instead of
    /// sending it again; a day at most.
    pub abandoned_replay_s: u32,
    /// Requests a second with one key, at most; 0 is any number.
    pub max_requests_per_key_s: u32,
    /// Sends in flight at one time, at most.
    pub max_in_flight: usize,
    /// The same for one account.
    pub max_in_flight_per_account: usize,
    /// How long a send waits for its channel's throughput limit, at most.
    pub max_throttle_wait: Duration,
    /// A send that names an unknown campaign creates it.
    pub auto_create: bool,
    /// What a recipient without a plus means.
    pub without_plus: WithoutPlus,
    /// Which Graph paths other than sends pass.
    pub pass_through: Vec<Allowed>,
    /// Passed-through requests in work at one time, at most.
    pub max_passing: usize,
    /// The same for one account.
    pub max_passing_per_account: usize,
    /// Bytes that what is read of them may take together.
    pub max_passing_memory_bytes: usize,
    /// How media objects are fetched.
    pub media: MediaOptions,
}

/// What the operator chose about media.
#[derive(Debug, Clone)]
pub struct MediaOptions {
    /// The base of the gateway's URLs, without a trailing slash; `None` for the host that the
    /// client used.
    pub public_url: Option<String>,
    /// Whether clients of the data listener speak TLS to it.
    pub tls: bool,
    /// From which hosts media are fetched.
    pub hosts: Vec<MediaHost>,
    /// How long a URL of the gateway holds, in milliseconds.
    pub url_lifetime_ms: i64,
}

/// Processes sends and passed-through requests.
pub struct SendService {
    pub(crate) services: Arc<Services>,
    pub(super) options: SendOptions,
    pub(super) body_memory: BodyMemory,
    pub(super) passing_memory: Arc<BodyMemory>,
    pub(super) throttle: Throttle,
    pub(super) in_flight_bodies: Arc<InFlightBodies>,
    /// Sends that were begun, those whose client disconnected included.
    pub(super) tasks: TaskTracker,
    permits: Semaphore,
    accounts: Shares,
    keys: KeyRates,
    passing: Arc<Semaphore>,
    passing_accounts: Shares,
}

/// What a passed-through request must get before work begins; given back when dropped.
pub(super) struct PassPermit {
    _one: OwnedSemaphorePermit,
    _share: Share,
}

impl SendService {
    /// A service over the shared handles.
    pub fn new(services: Arc<Services>, options: SendOptions) -> Arc<SendService> {
        let throttle = Throttle::new(options.max_throttle_wait, services.gateways_alive.clone());
        let accounts = Shares::new(options.max_in_flight_per_account);
        let keys = KeyRates::new(options.max_requests_per_key_s);
        let permits = options.max_in_flight.min(Semaphore::MAX_PERMITS);
        let passing = options.max_passing.min(Semaphore::MAX_PERMITS);
        let passing = Arc::new(Semaphore::new(passing));
        let passing_accounts = Shares::new(options.max_passing_per_account);
        Arc::new(SendService {
            body_memory: BodyMemory::new(options.max_body_memory_bytes),
            passing_memory: Arc::new(BodyMemory::new(options.max_passing_memory_bytes)),
            services,
            options,
            throttle,
            in_flight_bodies: Arc::default(),
            tasks: TaskTracker::new(),
            permits: Semaphore::new(permits),
            accounts,
            keys,
            passing,
            passing_accounts,
        })
    }

    /// A permit to process one send, or `overloaded` if all are taken.
    pub(super) fn permit(&self) -> Result<SemaphorePermit<'_>, Rejected> {
        self.permits.try_acquire().map_err(|_| {
            let details = "too many sends are in work at once";
            Rejected::new(RejectionKind::Overloaded, details).retry_after(1)
        })
    }

    /// A permit to process one send of this account, or `overloaded` if it has all that one account
    /// may have.
    pub(super) fn account_permit(&self, account: &AccountId) -> Result<Share, Rejected> {
        self.accounts.take(account).ok_or_else(|| {
            let details = "too many sends of this account are in work at once";
            Rejected::new(RejectionKind::Overloaded, details).retry_after(1)
        })
    }

    /// A permit to pass one request of this account through, or `overloaded` if all are taken or
    /// the account has all that one account may have.
    pub(super) fn pass_permit(&self, account: &AccountId) -> Result<PassPermit, Rejected> {
        let overloaded = |details| Rejected::new(RejectionKind::Overloaded, details).retry_after(1);
        let share = self.passing_accounts.take(account).ok_or_else(|| {
            overloaded("too many requests of this account are passed through at once")
        })?;
        let one = Arc::clone(&self.passing).try_acquire_owned();
        let one = one.map_err(|_| overloaded("too many requests are passed through at once"))?;
        Ok(PassPermit { _one: one, _share: share })
    }

    /// Counts a request of this key; `throughput_limited` if it makes too many a second.
    pub(super) fn count_request(&self, account: &AccountId, key: &KeyId) -> Result<(), Rejected> {
        if self.keys.admits(account, key) {
            return Ok(());
        }
        let most = self.options.max_requests_per_key_s;
        let details = format!("more than {most} requests a second come with this key");
        Err(Rejected::new(RejectionKind::ThroughputLimited, details).retry_after(1))
    }

    /// Forgets accounts, keys and channels that send nothing, and connections that carry nothing,
    /// now and then until `stop`.
    pub async fn upkeep(self: Arc<Self>, stop: CancellationToken) {
        while tokio::time::timeout(UPKEEP_INTERVAL, stop.cancelled()).await.is_err() {
            self.accounts.tidy();
            self.passing_accounts.tidy();
            self.keys.tidy();
            self.throttle.tidy();
            self.services.upstream.tidy();
        }
    }

    /// Waits until every send that was begun has ended, those whose client disconnected included;
    /// returns `false` if `patience` ran out first.
    pub async fn finish(&self, patience: Duration) -> bool {
        self.tasks.close();
        tokio::time::timeout(patience, self.tasks.wait()).await.is_ok()
    }
}
