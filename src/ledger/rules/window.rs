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

/// The first minute whose slots are still taken.
fn oldest_young(now_minute: i64) -> i64 {
    now_minute.saturating_sub(SLOT_MINUTES).max(1)
}

fn is_young(last_minute: i64, now_minute: i64) -> bool {
    last_minute >= oldest_young(now_minute)
}

impl Slot {
    /// Whether it is taken: by an open send, or by an accepted one of the last 24 hours.
    fn is_taken(self, now_minute: i64) -> bool {
        self.open > 0 || is_young(self.minute, now_minute)
    }
}

impl Window {
    /// Puts a recipient's slot in place of the one it has.
    pub(in crate::ledger) fn put(&mut self, recipient: RecipientHash, slot: Slot) {
        self.remove(&recipient);
        self.slots.insert(recipient, slot);
        if slot.open == 0 {
            self.closed.entry(slot.minute).or_default().insert(recipient);
        }
    }

    /// Gives a recipient's slot up.
    pub(in crate::ledger) fn remove(&mut self, recipient: &RecipientHash) {
        let Some(slot) = self.slots.remove(recipient).filter(|slot| slot.open == 0) else { return };
        if let Some(recipients) = self.closed.get_mut(&slot.minute) {
            recipients.remove(recipient);
            if recipients.is_empty() {
                self.closed.remove(&slot.minute);
            }
        }
    }

    /// Slots taken at `now_ms`; changes nothing.
    pub(in crate::ledger) fn used_at(&self, now_ms: i64) -> u32 {
        let oldest = oldest_young(minute(now_ms));
        let gone: usize = self.closed.range(..oldest).map(|(_, recipients)| recipients.len()).sum();
        u32::try_from(self.slots.len().saturating_sub(gone)).unwrap_or(u32::MAX)
    }

    /// The recipient's slot, unless its 24 hours are over.
    fn taken_slot(&self, recipient: &RecipientHash, now_ms: i64) -> Option<Slot> {
        self.slots.get(recipient).copied().filter(|slot| slot.is_taken(minute(now_ms)))
    }
}

impl AccountState {
    /// Whether one more send to this recipient stays within the limit. Slots whose 24 hours are
    /// over count no more, given up or not.
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
        let used = window.used_at(now_ms);
        if used < rule.limit || window.taken_slot(recipient, now_ms).is_some() {
            return Ok(());
        }
        let oldest = window.closed.range(oldest_young(minute(now_ms))..).next();
        let frees_ms = oldest.map(|(oldest, _)| {
            oldest.saturating_add(SLOT_MINUTES).saturating_add(1).saturating_mul(60_000)
        });
        Err(Rejection::MessagingLimitReached {
            limit: rule.limit,
            used,
            retry_after_s: frees_ms
                .map(|at| at.saturating_sub(now_ms).max(0).saturating_add(999).div_euclid(1000)),
        })
    }

    /// The one of a person's recipients that has a slot already, so that the person takes no second
    /// one; else the recipient that was asked for.
    pub(super) fn slot_holder(
        &self,
        portfolio: &PortfolioId,
        person: &Person,
        now_ms: i64,
    ) -> RecipientHash {
        let window = self.windows.get(portfolio);
        let has_slot = |recipient: &&RecipientHash| {
            window.is_some_and(|window| window.taken_slot(recipient, now_ms).is_some())
        };
        person.recipients().find(has_slot).copied().unwrap_or_else(|| person.recipient())
    }

    /// Takes a slot, or counts one more open send in the recipient's slot.
    pub(super) fn open_slot(
        &mut self,
        portfolio: &PortfolioId,
        recipient: &RecipientHash,
        now_ms: i64,
    ) {
        self.note(Row::Slot(portfolio.clone(), *recipient));
        let window = self.windows.get(portfolio);
        let slot = window.and_then(|window| window.taken_slot(recipient, now_ms));
        let slot = slot.unwrap_or_default();
        let slot = Slot { open: slot.open.saturating_add(1), ..slot };
        self.change_window(portfolio, |window| window.put(*recipient, slot));
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
        let Some(mut slot) = self.slot(portfolio, recipient).filter(|slot| slot.open > 0) else {
            return;
        };
        self.note(Row::Slot(portfolio.clone(), *recipient));
        slot.open = slot.open.saturating_sub(1);
        if accepted {
            slot.minute = slot.minute.max(now);
        }
        self.change_window(portfolio, |window| match slot.is_taken(now) {
            true => window.put(*recipient, slot),
            false => window.remove(recipient),
        });
    }

    /// Slots whose 24 hours are over, the oldest first.
    pub(super) fn expired_slots(&self, now_ms: i64) -> impl Iterator<Item = Row> {
        let young = oldest_young(minute(now_ms));
        let portfolio = self.ages.first_window(|oldest| *oldest < young);
        let window = portfolio.and_then(|id| Some((id, self.windows.get(id)?)));
        window.into_iter().flat_map(move |(id, window)| {
            let row = |recipient: &RecipientHash| Row::Slot(id.clone(), *recipient);
            window.closed.range(..young).flat_map(|(_, recipients)| recipients).map(row)
        })
    }
}
