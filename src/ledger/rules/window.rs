//! The messaging limit: unique recipients of a portfolio in a rolling 24 hours, exact to the minute
//! on the strict side.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use crate::ids::PortfolioId;
use crate::ledger::operation::{RecipientHash, WindowRule};
use crate::ledger::state::{AccountState, Place, Row, Window};
use crate::ledger::verdict::Rejection;

/// A place is taken for this many minutes after the minute of the last accepted send: 24 hours and
/// the rest of that minute.
const PLACE_MINUTES: i64 = 1440;

pub(super) const fn minute(now_ms: i64) -> i64 {
    now_ms.div_euclid(60_000)
}

const fn is_young(last_minute: i64, now_minute: i64) -> bool {
    last_minute > 0 && now_minute.saturating_sub(last_minute) <= PLACE_MINUTES
}

impl Window {
    /// Rebuilds the derived parts from a stored place.
    pub(in crate::ledger) fn restore(&mut self, recipient: RecipientHash, place: Place) {
        self.places.insert(recipient, place);
        self.taken = self.taken.saturating_add(1);
        if place.open == 0 {
            self.closed.entry(place.minute).or_default().insert(recipient);
        }
    }

    /// Places taken at `now_ms`, without changing anything.
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

    /// Gives up the places whose 24 hours are over; answers whose they were.
    fn expire(&mut self, now: i64) -> Vec<RecipientHash> {
        let mut gone = Vec::new();
        while let Some(first) =
            self.closed.first_entry().filter(|first| !is_young(*first.key(), now))
        {
            for recipient in first.remove() {
                self.places.remove(&recipient);
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
    /// Would one more send to this recipient go over the limit? Decides only.
    pub(super) fn window_refusal(
        &mut self,
        rule: &WindowRule,
        recipient: &RecipientHash,
        now_ms: i64,
    ) -> Option<Rejection> {
        self.expire_places(&rule.portfolio, now_ms);
        let Some(window) = self.windows.get(&rule.portfolio) else {
            return (rule.limit == 0).then_some(Rejection::MessagingLimitReached {
                limit: 0,
                used: 0,
                retry_after_s: None,
            });
        };
        if window.places.contains_key(recipient) || window.taken < rule.limit {
            return None;
        }
        let frees_ms = window.closed.keys().next().map(|oldest| {
            oldest.saturating_add(PLACE_MINUTES).saturating_add(1).saturating_mul(60_000)
        });
        Some(Rejection::MessagingLimitReached {
            limit: rule.limit,
            used: window.taken,
            retry_after_s: frees_ms
                .map(|at| at.saturating_sub(now_ms).max(0).saturating_add(999).div_euclid(1000)),
        })
    }

    /// Takes a place, or keeps the recipient's place busy.
    pub(super) fn open_place(&mut self, portfolio: &PortfolioId, recipient: &RecipientHash) {
        let window = self.windows.entry(portfolio.clone()).or_default();
        let place = match window.places.get(recipient) {
            Some(place) => *place,
            None => {
                window.taken = window.taken.saturating_add(1);
                Place::default()
            }
        };
        if place.open == 0 {
            window.unclose(recipient, place.minute);
        }
        window.places.insert(*recipient, Place { open: place.open.saturating_add(1), ..place });
        self.touch(Row::Place(portfolio.clone(), *recipient));
    }

    /// Ends one send to the recipient: accepted ones keep the place for 24 hours, others give it
    /// back where nothing else holds it.
    pub(super) fn close_place(
        &mut self,
        portfolio: &PortfolioId,
        recipient: &RecipientHash,
        accepted: bool,
        now_ms: i64,
    ) {
        let now = minute(now_ms);
        let Some(window) = self.windows.get_mut(portfolio) else { return };
        let Some(mut place) = window.places.get(recipient).copied().filter(|place| place.open > 0)
        else {
            return;
        };
        place.open = place.open.saturating_sub(1);
        if accepted {
            place.minute = place.minute.max(now);
        }
        if place.open > 0 || is_young(place.minute, now) {
            if place.open == 0 {
                window.closed.entry(place.minute).or_default().insert(*recipient);
            }
            window.places.insert(*recipient, place);
        } else {
            window.places.remove(recipient);
            window.taken = window.taken.saturating_sub(1);
        }
        self.touch(Row::Place(portfolio.clone(), *recipient));
    }

    fn expire_places(&mut self, portfolio: &PortfolioId, now_ms: i64) {
        let gone = self
            .windows
            .get_mut(portfolio)
            .map(|window| window.expire(minute(now_ms)))
            .unwrap_or_default();
        for recipient in gone {
            self.touch(Row::Place(portfolio.clone(), recipient));
        }
    }

    pub(super) fn drop_old_places(&mut self, now_ms: i64) {
        let portfolios: Vec<_> = self.windows.keys().cloned().collect();
        for portfolio in portfolios {
            self.expire_places(&portfolio, now_ms);
        }
    }
}
