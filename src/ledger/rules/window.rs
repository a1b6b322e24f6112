//! The messaging limit: unique recipients of a portfolio in a rolling 24 hours. Counted by the
//! minute, rounded so that a slot is kept up to a minute too long and never too short.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use super::alias::Person;
use crate::ids::PortfolioId;
use crate::ledger::operation::{RecipientHash, WindowRule};
use crate::ledger::rejection::Rejection;
use crate::ledger::state::{AccountState, Row, Slot, Window};

/// A slot stays taken for this many minutes after the minute of the last accepted send: 24 hours
/// and the rest of that minute.
const SLOT_MINUTES: i64 = 1440;

pub(super) const fn minute(now_ms: i64) -> i64 {
    now_ms.div_euclid(60_000)
}

const fn is_young(last_minute: i64, now_minute: i64) -> bool {
    last_minute > 0 && now_minute.saturating_sub(last_minute) <= SLOT_MINUTES
}

impl Window {
    /// Rebuilds the derived parts from a stored slot.
    pub(in crate::ledger) fn restore(&mut self, recipient: RecipientHash, slot: Slot) {
        self.slots.insert(recipient, slot);
        self.taken = self.taken.saturating_add(1);
        if slot.open == 0 {
            self.closed.entry(slot.minute).or_default().insert(recipient);
        }
    }

    /// Slots taken at `now_ms`; changes nothing.
    pub(in crate::ledger) fn used_at(&self, now_ms: i64) -> u32 {
        let now = minute(now_ms);
        let gone: usize = self
            .closed
            .iter()
            .filter(|(last, _)| !is_young(**last, now))
            .map(|(_, recipients)| recipients.len())
            .sum();
        self.taken.saturating_sub(u32::try_from(gone).unwrap_or(u32::MAX))
    }

    /// Gives up the slots whose 24 hours are over; returns their recipients.
    fn expire(&mut self, now: i64) -> Vec<RecipientHash> {
        let mut gone = Vec::new();
        while let Some(first) =
            self.closed.first_entry().filter(|first| !is_young(*first.key(), now))
        {
            for recipient in first.remove() {
                self.slots.remove(&recipient);
                self.taken = self.taken.saturating_sub(1);
                gone.push(recipient);
            }
        }
        gone
    }

    fn unclose(&mut self, recipient: &RecipientHash, last: i64) {
        if let Some(recipients) = self.closed.get_mut(&last) {
            recipients.remove(recipient);
            if recipients.is_empty() {
                self.closed.remove(&last);
            }
        }
    }
}

impl AccountState {
    /// Whether one more send to this recipient stays within the limit. The portfolio's old slots
    /// were expired before.
    pub(super) fn check_slot(
        &self,
        rule: &WindowRule,
        recipient: &RecipientHash,
        now_ms: i64,
    ) -> Result<(), Rejection> {
        let Some(window) = self.windows.get(&rule.portfolio) else {
            let none = Rejection::MessagingLimitReached { limit: 0, used: 0, retry_after_s: None };
            return if rule.limit == 0 { Err(none) } else { Ok(()) };
        };
        if window.slots.contains_key(recipient) || window.taken < rule.limit {
            return Ok(());
        }
        let frees_ms = window.closed.keys().next().map(|oldest| {
            oldest.saturating_add(SLOT_MINUTES).saturating_add(1).saturating_mul(60_000)
        });
        Err(Rejection::MessagingLimitReached {
            limit: rule.limit,
            used: window.taken,
            retry_after_s: frees_ms
                .map(|at| at.saturating_sub(now_ms).max(0).saturating_add(999).div_euclid(1000)),
        })
    }

    /// The one of a person's recipients that has a slot already, so that the person takes no second
    /// one; else the recipient that was asked for.
    pub(super) fn slot_holder(&self, portfolio: &PortfolioId, person: &Person) -> RecipientHash {
        let window = self.windows.get(portfolio);
        let has_slot = |recipient: &&RecipientHash| {
            window.is_some_and(|window| window.slots.contains_key(*recipient))
        };
        person.recipients().find(has_slot).copied().unwrap_or_else(|| person.recipient())
    }

    /// Takes a slot, or counts one more open send in the recipient's slot.
    pub(super) fn open_slot(&mut self, portfolio: &PortfolioId, recipient: &RecipientHash) {
        let window = self.windows.entry(portfolio.clone()).or_default();
        let slot = match window.slots.get(recipient) {
            Some(slot) => *slot,
            None => {
                window.taken = window.taken.saturating_add(1);
                Slot::default()
            }
        };
        if slot.open == 0 {
            window.unclose(recipient, slot.minute);
        }
        window.slots.insert(*recipient, Slot { open: slot.open.saturating_add(1), ..slot });
        self.touch(Row::Slot(portfolio.clone(), *recipient));
    }

    /// Ends one send to the recipient: accepted ones keep the slot for 24 hours, others give it
    /// back if nothing else holds it.
    pub(super) fn close_slot(
        &mut self,
        portfolio: &PortfolioId,
        recipient: &RecipientHash,
        accepted: bool,
        now_ms: i64,
    ) {
        let now = minute(now_ms);
        let Some(window) = self.windows.get_mut(portfolio) else { return };
        let Some(mut slot) = window.slots.get(recipient).copied().filter(|slot| slot.open > 0)
        else {
            return;
        };
        slot.open = slot.open.saturating_sub(1);
        if accepted {
            slot.minute = slot.minute.max(now);
        }
        if slot.open > 0 || is_young(slot.minute, now) {
            if slot.open == 0 {
                window.closed.entry(slot.minute).or_default().insert(*recipient);
            }
            window.slots.insert(*recipient, slot);
        } else {
            window.slots.remove(recipient);
            window.taken = window.taken.saturating_sub(1);
        }
        self.touch(Row::Slot(portfolio.clone(), *recipient));
    }

    /// Gives up the slots whose 24 hours are over.
    pub(super) fn expire_slots(&mut self, portfolio: &PortfolioId, now_ms: i64) {
        let gone = self
            .windows
            .get_mut(portfolio)
            .map(|window| window.expire(minute(now_ms)))
            .unwrap_or_default();
        for recipient in gone {
            self.touch(Row::Slot(portfolio.clone(), recipient));
        }
    }

    pub(super) fn drop_old_slots(&mut self, now_ms: i64) {
        let portfolios: Vec<_> = self.windows.keys().cloned().collect();
        for portfolio in portfolios {
            self.expire_slots(&portfolio, now_ms);
        }
    }
}
