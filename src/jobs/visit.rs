//! What is done for one account: old holds are swept, its wallets are shown and its events told.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::events;
use super::watched::{Ages, Look, Overdue, Visited};
use crate::ids::AccountId;
use crate::ledger::{CalendarSpan, InDoubtPolicies, LedgerFault, Operation, Retention, Verdict};
use crate::services::Services;

/// Sweeps of one account in a row at most; the rest waits for the next round, so that a backlog of
/// one delays no other.
const SWEEPS: usize = 4;

/// An age that no hold gets to; exact in the ledger's doubles.
const NO_AGE_MS: i64 = 1 << 52;

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
    /// How long what is past is kept.
    pub retention: Retention,
}

/// What all visits of a round share.
#[derive(Clone)]
pub(super) struct Visit {
    pub(super) services: Arc<Services>,
    pub(super) options: SweepOptions,
    pub(super) ages: Ages,
    /// The ledger's time.
    pub(super) now_ms: i64,
    /// Events from before this are not told; the ledger's time.
    pub(super) since_ms: i64,
}

/// What came of the sweeps of an account.
#[derive(Default)]
struct Swept {
    /// Holds that were marked or resolved.
    holds: u64,
    /// Whether there are more.
    more: bool,
    /// Whether a sweep had no verdict.
    failed: bool,
}

impl Visit {
    /// Does what the look found.
    pub(super) async fn make(
        &self,
        account: &AccountId,
        look: &Look,
    ) -> Result<Visited, LedgerFault> {
        let Services { reads, metrics, .. } = &*self.services;
        let oldest = match look.oldest {
            Some(oldest) => oldest,
            None => reads.oldest_holds(account).await?,
        };
        let overdue = self.ages.overdue(&oldest, self.now_ms);
        let due = look.sweeps || (look.may_sweep && overdue.any());
        let swept = if due { self.sweep(account, overdue).await } else { Swept::default() };
        if look.changed {
            for wallet in reads.wallets(account).await? {
                metrics.wallet_available(account, &wallet.id, wallet.available);
            }
        }
        let told = events::tell(&**reads, metrics, account, look, self.since_ms).await?;
        let in_vain = due && (swept.failed || (overdue.any() && swept.holds == 0));
        Ok(Visited { oldest, swept: due, unfinished: swept.more, in_vain, told })
    }

    /// Today in the account's zone, in which a hold in doubt may be charged. If none is overdue the
    /// settings are not read for it.
    async fn day(
        &self,
        account: &AccountId,
        overdue: Overdue,
    ) -> Result<CalendarSpan, LedgerFault> {
        let Services { catalog, clock, .. } = &*self.services;
        let snapshot = if overdue.in_doubt { catalog.account(account).await? } else { None };
        let time_zone = snapshot.map_or(TimeZone::UTC, |snapshot| snapshot.time_zone.clone());
        Ok(CalendarSpan::day(&time_zone, clock.now_ms()))
    }

    /// Sweeps holds of the kinds that are overdue, and what has expired. Without settings those in
    /// doubt stay, because the day to charge is not known; all else is swept.
    async fn sweep(&self, account: &AccountId, overdue: Overdue) -> Swept {
        let (day, overdue) = match self.day(account, overdue).await {
            Ok(day) => (day, overdue),
            Err(fault) => {
                tracing::warn!(%account, %fault, "holds in doubt wait for the account's settings");
                let day = CalendarSpan::day(&TimeZone::UTC, self.services.clock.now_ms());
                (day, Overdue { in_doubt: false, ..overdue })
            }
        };
        // Where no hold is too old, none is looked through.
        let age_ms = |due: bool, age_ms: i64| if due { age_ms } else { NO_AGE_MS };
        let mut swept = Swept::default();
        for _ in 0..SWEEPS {
            let operation = Operation::Sweep {
                open_age_ms: age_ms(overdue.open, self.ages.open_ms),
                in_doubt_age_ms: age_ms(overdue.in_doubt, self.ages.in_doubt_ms),
                policies: self.options.policies,
                retention: self.options.retention,
                day,
            };
            let verdict = self.services.batcher.call(account, operation).await;
            swept.failed = !matches!(verdict, Ok(Verdict::Swept { .. }));
            swept.more = match verdict {
                Ok(Verdict::Swept { marked, resolved, more }) => {
                    if marked > 0 || resolved > 0 {
                        tracing::warn!(
                            %account, in_doubt = marked, resolved,
                            "old holds were swept"
                        );
                    }
                    swept.holds = swept.holds.saturating_add(u64::from(marked));
                    swept.holds = swept.holds.saturating_add(u64::from(resolved));
                    more
                }
                Ok(other) => {
                    tracing::error!(%account, verdict = ?other, "the ledger \
                            answered a sweep in a way it should not");
                    false
                }
                Err(fault) => {
                    tracing::warn!(%account, ?fault, "an account could not be swept");
                    false
                }
            };
            if !swept.more {
                break;
            }
        }
        swept
    }
}
