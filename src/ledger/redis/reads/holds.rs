//! Reads of unresolved holds and of messaging-limit windows.

use std::collections::HashMap;

use super::{Bytes, foreign_cursor, page};
use crate::ids::{AccountId, HoldId, PortfolioId};
use crate::ledger::redis::RedisLedger;
use crate::ledger::redis::keys::{self, AccountKeys};
use crate::ledger::redis::stored;
use crate::ledger::{HoldState, HoldView, LedgerFault, Page, PageRequest};

/// Buckets of holds read in one round trip.
const BUCKETS_AT_ONCE: usize = 16;

/// How long a slot stays taken, in minutes after the minute of the last accepted send.
const SLOT_MINUTES: i64 = 1440;

impl RedisLedger {
    pub(super) async fn read_hold(
        &self,
        account: &AccountId,
        id: HoldId,
    ) -> Result<Option<HoldView>, LedgerFault> {
        let keys = self.keys.of(account);
        let mut pipe = redis::pipe();
        // In this order: a hold goes from open to in doubt and never back.
        pipe.cmd("HGET").arg(keys.open(keys::open_second(id))).arg(id.as_bytes());
        pipe.cmd("HGET").arg(keys.doubt(keys::doubt_minute(id))).arg(id.as_bytes());
        let (open, doubt): (Option<Bytes>, Option<Bytes>) = self.pipe(&pipe).await?;
        let open = open.map(|packed| (HoldState::Open, packed));
        let found = open.or(doubt.map(|packed| (HoldState::InDoubt, packed)));
        found.map(|(state, packed)| stored::hold(id, state, &packed)).transpose()
    }

    pub(super) async fn list_holds(
        &self,
        account: &AccountId,
        state: Option<HoldState>,
        request: &PageRequest,
    ) -> Result<Page<HoldView>, LedgerFault> {
        let after = request
            .cursor
            .as_deref()
            .map(str::parse::<HoldId>)
            .transpose()
            .map_err(|_| foreign_cursor())?;
        let mut found = Vec::new();
        for kind in [HoldState::Open, HoldState::InDoubt] {
            if state.is_none_or(|state| state == kind) {
                found.extend(
                    self.holds_after(
                        &self.keys.of(account),
                        kind,
                        after,
                        request.limit.saturating_add(1),
                    )
                    .await?,
                );
            }
        }
        found.sort_by_key(|view| view.id);
        // A hold that became in doubt between the two reads was seen twice.
        found.dedup_by_key(|view| view.id);
        Ok(page(found, request.limit, |view: &HoldView| view.id.to_string()))
    }

    /// The first `wanted` holds of one state after `after`, in order, or more.
    async fn holds_after(
        &self,
        keys: &AccountKeys,
        state: HoldState,
        after: Option<HoldId>,
        wanted: usize,
    ) -> Result<Vec<HoldView>, LedgerFault> {
        let (index, period_of): (_, fn(HoldId) -> i64) = match state {
            HoldState::Open => (keys.open_index(), keys::open_second),
            HoldState::InDoubt => (keys.doubt_index(), keys::doubt_minute),
        };
        let mut pipe = redis::pipe();
        pipe.cmd("HKEYS").arg(index);
        let (mut periods,): (Vec<i64>,) = self.pipe(&pipe).await?;
        periods.retain(|period| after.is_none_or(|after| *period >= period_of(after)));
        periods.sort_unstable();
        let mut found = Vec::new();
        for periods in periods.chunks(BUCKETS_AT_ONCE) {
            let mut pipe = redis::pipe();
            for period in periods {
                pipe.cmd("HGETALL").arg(if state == HoldState::Open {
                    keys.open(*period)
                } else {
                    keys.doubt(*period)
                });
            }
            let buckets: Vec<HashMap<Bytes, Bytes>> = self.pipe(&pipe).await?;
            for (period, bucket) in periods.iter().zip(&buckets) {
                for (id, packed) in bucket {
                    let id = stored::hold_id(id).ok_or_else(|| stored::unreadable("hold"))?;
                    // A bucket is used again for later periods.
                    if period_of(id) == *period && after.is_none_or(|after| id > after) {
                        found.push(stored::hold(id, state, packed)?);
                    }
                }
            }
            if found.len() >= wanted {
                break;
            }
        }
        Ok(found)
    }

    pub(super) async fn count_in_doubt(&self, account: &AccountId) -> Result<u64, LedgerFault> {
        let mut pipe = redis::pipe();
        pipe.cmd("HVALS").arg(self.keys.of(account).doubt_index());
        let (counts,): (Vec<u64>,) = self.pipe(&pipe).await?;
        Ok(counts.iter().sum())
    }

    pub(super) async fn count_window(
        &self,
        account: &AccountId,
        portfolio: &PortfolioId,
    ) -> Result<u32, LedgerFault> {
        let keys = self.keys.of(account);
        let mut pipe = redis::pipe();
        pipe.cmd("HGETALL")
            .arg(keys.counts(portfolio))
            .cmd("HGET")
            .arg(keys.account())
            .arg("last")
            .cmd("TIME");
        let (counts, last, (seconds, _micros)): (HashMap<String, i64>, Option<i64>, (i64, i64)) =
            self.pipe(&pipe).await?;
        let store_ms = self.clock.fixed_now_ms().unwrap_or_else(|| seconds.saturating_mul(1000));
        let minute = store_ms.max(last.unwrap_or(0)).div_euclid(60_000);
        let over = |field: &str| {
            field.parse::<i64>().is_ok_and(|last| minute.saturating_sub(last) > SLOT_MINUTES)
        };
        let gone: i64 =
            counts.iter().filter(|(field, _)| over(field)).map(|(_, slots)| slots).sum();
        Ok(u32::try_from(counts.get("taken").map_or(0, |taken| taken.saturating_sub(gone)))
            .unwrap_or(0))
    }
}
