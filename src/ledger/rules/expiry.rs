//! Dropping what no decision looks at any more, a little with every batch and more with a sweep:
//! every look-up judges the age itself, so this only frees memory.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use super::alias::KEPT_DAYS;
use super::{MAX_CAP_WINDOW_S, key_is_kept};
use crate::ledger::calendar::utc_day;
use crate::ledger::state::{AccountState, Row};

/// A deduplicating campaign's recipients are kept this long after it is finished.
pub(super) const SENT_KEPT_MS: i64 = 30 * 86_400_000;

/// Of each kind this many more are dropped than twice what the batch can make, so that dropping
/// keeps up with making.
const BESIDES: usize = 8;

/// Of each kind this many go with a sweep; without batches nothing else drops them.
const WITH_SWEEP: usize = 512;

impl AccountState {
    /// Drops some of what has expired with a batch, of each kind the oldest first.
    pub(super) fn drop_expired(&mut self, now_ms: i64, operations: usize) {
        let most = operations.saturating_mul(2).saturating_add(BESIDES);
        self.expired(now_ms, most).into_iter().for_each(|row| self.drop_row(row));
    }

    /// Drops more of it with a sweep; returns whether any is left.
    pub(super) fn sweep_expired(&mut self, now_ms: i64) -> bool {
        self.expired(now_ms, WITH_SWEEP).into_iter().for_each(|row| self.drop_row(row));
        !self.expired(now_ms, 1).is_empty()
    }

    /// What has expired, `most` rows of each kind.
    fn expired(&self, now_ms: i64, most: usize) -> Vec<Row> {
        let mut rows: Vec<Row> = self.expired_slots(now_ms).take(most).collect();
        let day = utc_day(now_ms);
        let old_key = |half_day: &i64| !key_is_kept(*half_day, now_ms);
        rows.extend(self.ages.keys(old_key).take(most));
        // The newest hit of a day may be of its last second.
        let kept_days = i64::from(MAX_CAP_WINDOW_S).div_euclid(86_400).saturating_add(1);
        let old_hits = |of: &i64| day.saturating_sub(*of) > kept_days;
        rows.extend(self.ages.cap_hits(old_hits).take(most));
        let old_alias = |of: &i64| day.saturating_sub(*of) > KEPT_DAYS;
        rows.extend(self.ages.aliases(old_alias).take(most));
        let over = |since_ms: &i64| since_ms.saturating_add(SENT_KEPT_MS) <= now_ms;
        if let Some(campaign) = self.ages.first_finished(over)
            && let Some(sent) = self.sent.get(campaign)
        {
            let row = |recipient: &_| Row::Sent(campaign.clone(), *recipient);
            rows.extend(sent.iter().take(most).map(row));
        }
        let pruned = |day: &i32| i64::from(*day) < self.head.pruned.usage;
        let days = self.usage.keys().take_while(|(day, ..)| pruned(day));
        rows.extend(days.take(most).cloned().map(Row::Usage));
        rows
    }

    pub(super) fn drop_row(&mut self, row: Row) {
        self.note(row.clone());
        self.remove(&row);
    }
}
