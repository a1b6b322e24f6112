//! Frequency caps: how many messages of some categories one recipient may get from the account in a
//! rolling window.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use super::MAX_CAP_WINDOW_S;
use crate::ledger::operation::{CapRule, RecipientHash};
use crate::ledger::state::{AccountState, Mark, Row};
use crate::ledger::verdict::Rejection;
use crate::pricing::Category;

/// Marks kept per recipient at most, the newest; above every allowed cap.
const MAX_MARKS: usize = 255;

impl AccountState {
    /// The first rule that one more message would break; the longest wait of all broken rules.
    pub(super) fn cap_refusal(
        &self,
        rules: &[CapRule],
        recipient: &RecipientHash,
        category: Category,
        now_ms: i64,
    ) -> Option<Rejection> {
        let now_s = now_ms.div_euclid(1000);
        let marks = self.marks.get(recipient).map_or(&[][..], Vec::as_slice);
        let mut worst: Option<(&CapRule, i64)> = None;
        for rule in rules.iter().filter(|rule| rule.covers(category)) {
            let begin = now_s.saturating_sub(i64::from(rule.window_s));
            let counted: Vec<i64> = marks
                .iter()
                .filter(|mark| rule.covers(mark.category) && mark.at_s > begin)
                .map(|mark| mark.at_s)
                .collect();
            let max = usize::try_from(rule.max).unwrap_or(usize::MAX);
            if counted.len() < max {
                continue;
            }
            // A place frees when the newest `max` marks have become `max - 1`.
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
        worst.map(|(rule, retry_after_s)| Rejection::FrequencyCapped {
            max: rule.max,
            window_s: rule.window_s,
            retry_after_s,
        })
    }

    /// Leaves a mark where some rule counts the category; answers the second it stands at.
    pub(super) fn add_mark(
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
        let marks = self.marks.entry(*recipient).or_default();
        marks.retain(|mark| mark.at_s > begin);
        if marks.len() >= MAX_MARKS {
            marks.remove(0);
        }
        marks.push(Mark { at_s: now_s, category });
        self.touch(Row::Marks(*recipient));
        Some(now_s)
    }

    /// Takes one mark away again.
    pub(super) fn remove_mark(&mut self, recipient: &RecipientHash, category: Category, at_s: i64) {
        let Some(marks) = self.marks.get_mut(recipient) else { return };
        if let Some(index) =
            marks.iter().position(|mark| mark.at_s == at_s && mark.category == category)
        {
            marks.remove(index);
        }
        if marks.is_empty() {
            self.marks.remove(recipient);
        }
        self.touch(Row::Marks(*recipient));
    }

    pub(super) fn drop_old_marks(&mut self, now_ms: i64) {
        let begin = now_ms.div_euclid(1000).saturating_sub(i64::from(MAX_CAP_WINDOW_S));
        let old: Vec<_> = self
            .marks
            .iter()
            .filter(|(_, marks)| marks.iter().all(|mark| mark.at_s <= begin))
            .map(|(recipient, _)| *recipient)
            .collect();
        for recipient in old {
            self.marks.remove(&recipient);
            self.touch(Row::Marks(recipient));
        }
    }
}
