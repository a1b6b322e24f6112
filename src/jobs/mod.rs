//! What runs without a caller: the sweep of old holds, logging events, presence, readiness, and
//! forgetting addresses.

mod events;
mod rounds;
mod visit;
mod watched;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::services::Services;
use rounds::Rounds;
pub use visit::SweepOptions;

/// Time between two looks for addresses to forget.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Time between two reports of presence; several fit into the time one counts.
const PRESENCE_INTERVAL: Duration = Duration::from_secs(1);

/// Time between two posts of what was refused from memory.
const COUNTS_INTERVAL: Duration = Duration::from_secs(1);

/// Time between two probes of the ledger.
const READINESS_INTERVAL: Duration = Duration::from_secs(1);

/// What runs without a caller, over the handles that everything shares.
#[derive(Clone)]
pub struct Jobs {
    /// The ledger, the catalog and the metrics that the jobs keep in order.
    pub services: Arc<Services>,
}

impl Jobs {
    /// Forgets addresses until `stop`; without it they would stay in memory.
    pub async fn upkeep(self, stop: CancellationToken) {
        while !pause(UPKEEP_INTERVAL, &stop).await {
            self.services.catalog.tidy();
        }
    }

    /// Reports each second that this gateway is alive, and stores how many are, until `stop`. While
    /// the ledger is unavailable the last number is kept.
    pub async fn presence(self, stop: CancellationToken) {
        let name = uuid::Uuid::new_v4().simple().to_string();
        loop {
            match self.services.claims.gateways_alive(&name).await {
                Ok(alive) => self.services.gateways_alive.store(alive.max(1), Ordering::Relaxed),
                Err(fault) => tracing::debug!(%fault, "the gateways alive could not be counted"),
            }
            if pause(PRESENCE_INTERVAL, &stop).await {
                return;
            }
        }
    }

    /// Posts each second what was refused without the ledger, until `stop`: another gateway reads
    /// counts that are a second old at most, and so does whoever starts after a crash.
    pub async fn count_refusals(self, stop: CancellationToken) {
        while !pause(COUNTS_INTERVAL, &stop).await {
            let Services { leases, uncounted, batcher, clock, .. } = &*self.services;
            uncounted.flush_some(batcher);
            leases.tidy(clock.elapsed_ms());
        }
    }

    /// Finds out each second whether the ledger can decide sends, until `stop`.
    pub async fn readiness(self, stop: CancellationToken) {
        while !pause(READINESS_INTERVAL, &stop).await {
            self.services.readiness.refresh().await;
        }
    }

    /// Looks after all accounts, round by round, until `stop`.
    pub async fn sweep(self, options: SweepOptions, stop: CancellationToken) {
        let mut rounds = Rounds::new(self.services, options);
        loop {
            if let Err(fault) = rounds.next(&stop).await {
                tracing::warn!(%fault, "accounts could not be looked at");
            }
            if pause(options.interval, &stop).await {
                return;
            }
        }
    }
}

/// Sleeps; returns whether it was woken to stop.
async fn pause(time: Duration, stop: &CancellationToken) -> bool {
    tokio::time::timeout(time, stop.cancelled()).await.is_ok()
}
