//! Frequency caps: how many messages of some categories one recipient may get from the account in a
//! rolling window.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

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
        let longest = rules.iter().map(|rule| rule.window_s).max().unwrap_or(0);
        let begin = now_s.saturating_sub(i64::from(longest));
        self.note(Row::CapHits(*recipient));
        self.change_cap_hits(recipient, |hits| {
            hits.retain(|hit| hit.at_s > begin);
            if hits.len() >= MAX_CAP_HITS {
                hits.remove(0);
            }
            hits.push(CapHit { at_s: now_s, category });
        });
        Some(now_s)
    }

    /// Takes one cap hit away again.
    pub(super) fn remove_cap_hit(
        &mut self,
        recipient: &RecipientHash,
        category: Category,
        at_s: i64,
    ) {
        self.note(Row::CapHits(*recipient));
        self.change_cap_hits(recipient, |hits| {
            if let Some(index) =
                hits.iter().position(|hit| hit.at_s == at_s && hit.category == category)
            {
                hits.remove(index);
            }
        });
    }
}
