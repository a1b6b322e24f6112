//! Whether the ledger can decide a send now: a write like a reserve's, made at most about once a
//! second and shared by everybody who asks.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::Mutex;

use super::batcher::Batcher;
use super::fault::{Cause, FaultReason};
use super::{LedgerFault, LedgerReads};
use crate::clock::Stopwatch;
use crate::metrics::Metrics;

/// Probes that may be made in quick succession before those who ask share the last.
const BURST: NonZeroU32 = NonZeroU32::new(8).unwrap();

/// How long a probe may take, whatever deadline the ledger itself has.
const DEADLINE: Duration = Duration::from_secs(1);

/// The last probe of the ledger, and the right to make the next.
pub struct Readiness {
    reads: Arc<dyn LedgerReads>,
    batcher: Batcher,
    metrics: Arc<Metrics>,
    last: Mutex<Option<Probe>>,
    limit: DefaultDirectRateLimiter,
}

struct Probe {
    began: Stopwatch,
    result: Result<(), LedgerFault>,
}

impl Readiness {
    /// Of a ledger that was not probed yet.
    pub fn new(
        reads: Arc<dyn LedgerReads>,
        batcher: Batcher,
        metrics: Arc<Metrics>,
    ) -> Arc<Readiness> {
        let limit = RateLimiter::direct(Quota::per_second(NonZeroU32::MIN).allow_burst(BURST));
        Arc::new(Readiness { reads, batcher, metrics, last: Mutex::default(), limit })
    }

    /// Whether a send could be decided now, or could within the last moments.
    ///
    /// # Errors
    /// Why not; [`LedgerFault::reason`] is from a closed list.
    pub async fn check(&self) -> Result<(), LedgerFault> {
        let asked = Stopwatch::start();
        let mut last = self.last.lock().await;
        if let Some(probe) = &*last
            && (probe.began.elapsed() <= asked.elapsed() || self.limit.check().is_err())
        {
            return probe.result.clone();
        }
        self.probe(&mut last).await
    }

    /// Probes in any case, for whoever does so at intervals; sets the metric.
    pub async fn refresh(&self) {
        let mut last = self.last.lock().await;
        let before = last.as_ref().is_none_or(|probe| probe.result.is_ok());
        let result = self.probe(&mut last).await;
        match &result {
            Err(fault) if before => tracing::error!(
                %fault,
                reason = fault.reason().as_str(),
                "the ledger cannot decide; sends are refused and this gateway is not ready"
            ),
            Ok(()) if !before => tracing::info!("the ledger decides again"),
            _ => {}
        }
    }

    async fn probe(&self, last: &mut Option<Probe>) -> Result<(), LedgerFault> {
        let began = Stopwatch::start();
        let result = match tokio::time::timeout(DEADLINE, self.reads.probe()).await {
            Ok(Ok(())) if self.batcher.is_frozen() => Err(LedgerFault::Closed(Cause::new(
                FaultReason::Frozen,
                "the store has lost writes, and every account of this gateway is closed",
            ))),
            Ok(result) => result,
            Err(_) => {
                let text = format!("no answer within {} ms", DEADLINE.as_millis());
                Err(LedgerFault::Unavailable(text.into()))
            }
        };
        self.metrics.ledger_up(result.is_ok());
        if let Err(fault) = &result {
            self.metrics.ledger_fault(fault.reason().as_str());
        }
        *last = Some(Probe { began, result: result.clone() });
        result
    }
}
