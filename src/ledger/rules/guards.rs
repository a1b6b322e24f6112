//! Bodies that must not be sent again: while the hold of a send nobody waits for is unresolved, and
//! once more after it was accepted, so that the sender hears of it.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use std::sync::Arc;

use crate::ids::HoldId;
use crate::ledger::Verdict;
use crate::ledger::operation::{
    Answer, Fingerprint, Reserve, SWEEP_LIMIT, UNHEARD_ID_MAX, UNHEARD_KEPT_MS, UNHEARD_MAX,
};
use crate::ledger::state::{AccountState, Hold, Row, Unheard};

impl AccountState {
    /// From now on the hold guards its body: the same bytes to the same channel are refused until
    /// it is resolved.
    pub(super) fn abandon(&mut self, id: HoldId) -> Verdict {
        let Some(hold) = self.holds.get(&id) else { return Verdict::NoHold };
        if !hold.guarding {
            let fingerprint = hold.fingerprint;
            self.note_guards(&fingerprint);
            if let Some(hold) = self.hold_mut(id) {
                hold.guarding = true;
            }
            self.guards.entry(fingerprint).or_default().push(id);
        }
        Verdict::Marked
    }

    /// Keeps the answer to an accepted send that nobody waited for. With an idempotency key the key
    /// keeps it, and a hold settled by policy has none.
    pub(super) fn keep_unheard(
        &mut self,
        id: HoldId,
        hold: &Hold,
        message_id: Option<&Arc<str>>,
        now_ms: i64,
    ) {
        if let (Some(message_id), true, None) = (message_id, hold.guarding, hold.key) {
            let (amount, fingerprint) = (hold.amount, hold.fingerprint);
            let answer = Answer { hold: id, fingerprint, amount, message_id: message_id.clone() };
            self.keep_answer(&answer, now_ms);
        }
    }

    /// Keeps an answer, once; of one body the newest.
    pub(super) fn keep_answer(&mut self, answer: &Answer, now_ms: i64) -> Verdict {
        let Answer { hold, fingerprint, amount, message_id } = answer;
        if message_id.len() > UNHEARD_ID_MAX {
            return Verdict::Marked;
        }
        let kept = self.unheard.get(fingerprint);
        if kept.is_some_and(|answers| answers.iter().any(|kept| kept.hold == *hold)) {
            return Verdict::Marked;
        }
        self.note(Row::Unheard(*fingerprint));
        let answers = self.unheard.entry(*fingerprint).or_default();
        let message_id = message_id.clone();
        answers.push(Unheard { hold: *hold, amount: *amount, message_id, at_ms: now_ms });
        let oldest = answers.first().filter(|_| answers.len() > UNHEARD_MAX).map(|kept| kept.hold);
        self.unheard_by_age.insert((now_ms, *fingerprint));
        if let Some(oldest) = oldest {
            self.hear(*fingerprint, oldest);
        }
        Verdict::Marked
    }

    /// The oldest answer to this body that nobody heard, if the request asks for one of that age.
    pub(super) fn unheard(&self, request: &Reserve, now_ms: i64) -> Option<&Unheard> {
        let kept_ms = i64::from(request.abandoned_replay_s).saturating_mul(1000);
        let answers = self.unheard.get(&request.fingerprint)?;
        answers.iter().find(|answer| now_ms.saturating_sub(answer.at_ms) < kept_ms)
    }

    /// An answer is heard: once is enough.
    pub(super) fn hear(&mut self, fingerprint: Fingerprint, hold: HoldId) -> Verdict {
        self.drop_unheard(fingerprint, |answer| answer.hold == hold);
        Verdict::Marked
    }

    /// Drops what nobody has asked for in a day, the oldest first.
    pub(super) fn expire_unheard(&mut self, now_ms: i64) {
        let until_ms = now_ms.saturating_sub(UNHEARD_KEPT_MS);
        let old: Vec<_> = self
            .unheard_by_age
            .iter()
            .take_while(|(at_ms, _)| *at_ms <= until_ms)
            .take(SWEEP_LIMIT)
            .copied()
            .collect();
        for (at_ms, fingerprint) in old {
            self.drop_unheard(fingerprint, |answer| answer.at_ms <= until_ms);
            self.unheard_by_age.remove(&(at_ms, fingerprint));
        }
    }

    fn drop_unheard(&mut self, fingerprint: [u8; 16], drops: impl Fn(&Unheard) -> bool) {
        self.note(Row::Unheard(fingerprint));
        let Some(answers) = self.unheard.get_mut(&fingerprint) else { return };
        answers.retain(|answer| {
            if drops(answer) {
                self.unheard_by_age.remove(&(answer.at_ms, fingerprint));
            }
            !drops(answer)
        });
        // Two may be of the same millisecond.
        for answer in &*answers {
            self.unheard_by_age.insert((answer.at_ms, fingerprint));
        }
        if answers.is_empty() {
            self.unheard.remove(&fingerprint);
        }
    }
}
