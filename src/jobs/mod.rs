//! What runs without a caller: the sweep of old holds, logging events, presence, readiness, and
//! forgetting addresses.

mod events;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::catalog::Snapshot;
use crate::ids::AccountId;
use crate::ledger::{CalendarSpan, InDoubtPolicies, LedgerFault, Operation, PageRequest, Verdict};
use crate::services::Services;
use events::EventLogger;

/// Time between two looks for addresses to forget.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Time between two reports of presence; several fit into the time one counts.
const PRESENCE_INTERVAL: Duration = Duration::from_secs(1);

/// Time between two posts of what was refused from memory.
const COUNTS_INTERVAL: Duration = Duration::from_secs(1);

/// Time between two probes of the ledger.
const READINESS_INTERVAL: Duration = Duration::from_secs(1);

/// Accounts looked after in one round; with more, a whole pass takes several rounds, so that the
/// ledger has other work to do too.
const PAGE: usize = 256;

/// Sweeps of one account in a row at most; the rest waits for the next round, so that a backlog of
/// one delays no other.
const ROUNDS: usize = 4;

/// When and how old holds are resolved.
#[derive(Debug, Clone, Copy)]
pub struct SweepOptions {
    /// Time between two rounds.
    pub interval: Duration,
    /// Open holds older than this become in doubt.
    pub open_age: Duration,
    /// In-doubt holds older than this are resolved by policy.
    pub in_doubt_age: Duration,
    /// What becomes of holds in doubt for too long, by why they are.
    pub policies: InDoubtPolicies,
}

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

    /// Sweeps the next accounts each round until `stop`.
    pub async fn sweep(self, options: SweepOptions, stop: CancellationToken) {
        let mut pass = Pass {
            cursor: None,
            in_doubt: 0,
            logger: EventLogger::new(self.services.clock.now_ms()),
        };
        loop {
            if let Err(fault) = self.sweep_page(&options, &mut pass).await {
                tracing::warn!(%fault, "old holds could not be looked for");
            }
            if pause(options.interval, &stop).await {
                return;
            }
        }
    }

    /// Fails only if the accounts cannot be listed: what is wrong with one account must not keep
    /// the others waiting.
    async fn sweep_page(&self, options: &SweepOptions, pass: &mut Pass) -> Result<(), LedgerFault> {
        let page = self
            .services
            .reads
            .accounts(&PageRequest { cursor: pass.cursor.clone(), limit: PAGE })
            .await?;
        pass.cursor = page.next;
        for account in page.items {
            if let Err(fault) = self.sweep_and_log(&account, options, pass).await {
                tracing::warn!(%account, %fault, "an account could not be looked after; the \
                        others are");
            }
        }
        if pass.cursor.is_none() {
            self.services.metrics.holds_in_doubt(std::mem::take(&mut pass.in_doubt));
        }
        Ok(())
    }

    async fn sweep_and_log(
        &self,
        account: &AccountId,
        options: &SweepOptions,
        pass: &mut Pass,
    ) -> Result<(), LedgerFault> {
        let Some(snapshot) = self.services.catalog.account(account).await? else { return Ok(()) };
        self.sweep_account(&snapshot, options).await;
        pass.in_doubt =
            pass.in_doubt.saturating_add(self.services.reads.holds_in_doubt(account).await?);
        for wallet in self.services.reads.wallets(account).await? {
            self.services.metrics.wallet_available(account, &wallet.id, wallet.available);
        }
        pass.logger.log_new(&*self.services.reads, &self.services.metrics, account).await
    }

    async fn sweep_account(&self, snapshot: &Snapshot, options: &SweepOptions) {
        for _ in 0..ROUNDS {
            let operation = Operation::Sweep {
                open_age_ms: milliseconds(options.open_age),
                in_doubt_age_ms: milliseconds(options.in_doubt_age),
                policies: options.policies,
                day: CalendarSpan::day(&snapshot.time_zone, self.services.clock.now_ms()),
            };
            match self.services.batcher.call(&snapshot.id, operation).await {
                Ok(Verdict::Swept { marked, resolved, more }) => {
                    if marked > 0 || resolved > 0 {
                        tracing::warn!(
                            account = %snapshot.id, in_doubt = marked, resolved,
                            "old holds were swept"
                        );
                    }
                    if !more {
                        return;
                    }
                }
                Ok(other) => {
                    return tracing::error!(account = %snapshot.id, verdict = ?other, "the ledger \
                            answered a sweep in a way it should not");
                }
                Err(fault) => {
                    return tracing::warn!(account = %snapshot.id, ?fault, "an account could not \
                            be swept");
                }
            }
        }
    }
}

/// The state of a pass over all accounts.
struct Pass {
    cursor: Option<String>,
    in_doubt: u64,
    logger: EventLogger,
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Sleeps; returns whether it was woken to stop.
async fn pause(time: Duration, stop: &CancellationToken) -> bool {
    tokio::time::timeout(time, stop.cancelled()).await.is_ok()
}
