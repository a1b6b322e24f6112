//! Bodies that must not be sent again: while the hold of a send nobody waits for is unresolved, and
//! once more after it was accepted, so that the sender hears of it.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use std::sync::Arc;

use crate::ids::HoldId;
use crate::ledger::Verdict;
use crate::ledger::operation::{Reserve, SWEEP_LIMIT, UNHEARD_ID_MAX, UNHEARD_KEPT_MS};
use crate::ledger::state::{AccountState, Hold, Row, Unheard};

impl AccountState {
    /// From now on the hold guards its body: the same bytes to the same channel are refused until
    /// it is resolved.
    pub(super) fn abandon(&mut self, id: HoldId) -> Verdict {
        let Some(hold) = self.holds.get_mut(&id) else { return Verdict::NoHold };
        if !hold.guarding {
            hold.guarding = true;
            let fingerprint = hold.fingerprint;
            self.guards.entry(fingerprint).or_default().push(id);
            self.touch(Row::Hold(id));
        }
        Verdict::Marked
    }

    /// The hold is resolved and guards nothing any more.
    pub(super) fn unguard(&mut self, id: HoldId, hold: &Hold) {
        if hold.guarding
            && let Some(holds) = self.guards.get_mut(&hold.fingerprint)
        {
            holds.retain(|guard| *guard != id);
            if holds.is_empty() {
                self.guards.remove(&hold.fingerprint);
            }
        }
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
        let Some(message_id) = message_id.filter(|text| text.len() <= UNHEARD_ID_MAX) else {
            return;
        };
        if !hold.guarding || hold.key.is_some() {
            return;
        }
        let (amount, message_id) = (hold.amount, message_id.clone());
        let answer = Unheard { hold: id, amount, message_id, at_ms: now_ms };
        self.unheard.entry(hold.fingerprint).or_default().push(answer);
        self.unheard_by_age.insert((now_ms, hold.fingerprint));
        self.touch(Row::Unheard(hold.fingerprint));
    }

    /// The oldest answer to this body that nobody heard, if the request asks for one of that age.
    pub(super) fn unheard(&self, request: &Reserve, now_ms: i64) -> Option<&Unheard> {
        let kept_ms = i64::from(request.abandoned_replay_s).saturating_mul(1000);
        let answers = self.unheard.get(&request.fingerprint)?;
        answers.iter().find(|answer| now_ms.saturating_sub(answer.at_ms) < kept_ms)
    }

    /// An answer is heard: once is enough.
    pub(super) fn hear(&mut self, request: &Reserve, hold: HoldId) {
        self.drop_unheard(request.fingerprint, |answer| answer.hold == hold);
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
        self.touch(Row::Unheard(fingerprint));
    }
}
