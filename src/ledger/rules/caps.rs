//! Frequency caps: how many messages of some categories one recipient may get from the account in a
//! rolling window.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use super::MAX_CAP_WINDOW_S;
use super::alias::Person;
use crate::ledger::operation::{CapRule, RecipientHash};
use crate::ledger::rejection::Rejection;
use crate::ledger::state::{AccountState, CapHit, Row};
use crate::pricing::Category;

/// Cap hits kept per recipient at most, the newest; above every allowed cap.
const MAX_CAP_HITS: usize = 255;

impl AccountState {
    /// Whether one more message breaks no rule; fails with the longest wait of all broken rules.
    pub(super) fn check_caps(
        &self,
        rules: &[CapRule],
        person: &Person,
        category: Category,
        now_ms: i64,
    ) -> Result<(), Rejection> {
        let now_s = now_ms.div_euclid(1000);
        let cap_hits =
            || person.recipients().filter_map(|recipient| self.cap_hits.get(recipient)).flatten();
        let mut worst: Option<(&CapRule, i64)> = None;
        for rule in rules.iter().filter(|rule| rule.covers(category)) {
            let begin = now_s.saturating_sub(i64::from(rule.window_s));
            let mut counted: Vec<i64> = cap_hits()
                .filter(|hit| rule.covers(hit.category) && hit.at_s > begin)
                .map(|hit| hit.at_s)
                .collect();
            counted.sort_unstable();
            let max = usize::try_from(rule.max).unwrap_or(usize::MAX);
            if counted.len() < max {
                continue;
            }
            // One more is possible when the newest `max` hits have become `max - 1`.
            let oldest = counted
                .len()
                .checked_sub(max)
                .and_then(|index| counted.get(index))
                .copied()
                .unwrap_or(now_s);
            let wait = oldest.saturating_add(i64::from(rule.window_s)).saturating_sub(now_s);
            if worst.is_none_or(|(_, longest)| wait > longest) {
                worst = Some((rule, wait));
            }
        }
        match worst {
            None => Ok(()),
            Some((rule, retry_after_s)) => Err(Rejection::FrequencyCapped {
                max: rule.max,
                window_s: rule.window_s,
                retry_after_s,
            }),
        }
    }

    /// Adds a cap hit if some rule counts the category; returns its second.
    pub(super) fn add_cap_hit(
        &mut self,
        rules: &[CapRule],
        recipient: &RecipientHash,
        category: Category,
        now_ms: i64,
    ) -> Option<i64> {
        if !rules.iter().any(|rule| rule.covers(category)) {
            return None;
        }
        let now_s = now_ms.div_euclid(1000);
        let begin = now_s
            .saturating_sub(i64::from(rules.iter().map(|rule| rule.window_s).max().unwrap_or(0)));
        let cap_hits = self.cap_hits.entry(*recipient).or_default();
        cap_hits.retain(|hit| hit.at_s > begin);
        if cap_hits.len() >= MAX_CAP_HITS {
            cap_hits.remove(0);
        }
        cap_hits.push(CapHit { at_s: now_s, category });
        self.touch(Row::CapHits(*recipient));
        Some(now_s)
    }

    /// Takes one cap hit away again.
    pub(super) fn remove_cap_hit(
        &mut self,
        recipient: &RecipientHash,
        category: Category,
        at_s: i64,
    ) {
        let Some(cap_hits) = self.cap_hits.get_mut(recipient) else { return };
        if let Some(index) =
            cap_hits.iter().position(|hit| hit.at_s == at_s && hit.category == category)
        {
            cap_hits.remove(index);
        }
        if cap_hits.is_empty() {
            self.cap_hits.remove(recipient);
        }
        self.touch(Row::CapHits(*recipient));
    }

    pub(super) fn drop_old_cap_hits(&mut self, now_ms: i64) {
        let begin = now_ms.div_euclid(1000).saturating_sub(i64::from(MAX_CAP_WINDOW_S));
        let old: Vec<_> = self
            .cap_hits
            .iter()
            .filter(|(_, cap_hits)| cap_hits.iter().all(|hit| hit.at_s <= begin))
            .map(|(recipient, _)| *recipient)
            .collect();
        for recipient in old {
            self.cap_hits.remove(&recipient);
            self.touch(Row::CapHits(recipient));
        }
    }
}
