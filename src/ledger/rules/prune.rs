//! What is past its retention goes a little with each sweep, the oldest day first.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use crate::ledger::calendar::utc_day;
use crate::ledger::retention::Retention;
use crate::ledger::state::{AccountState, Pruned, Row};

/// Days of one kind that a sweep gets on with at most.
const DAYS: i64 = 16;

/// Events that go with a sweep at most.
const EVENTS: u64 = 1024;

/// How many days a zone may be behind UTC, and a gateway's clock behind the ledger's.
const BEHIND: i64 = 2;

impl AccountState {
    /// Notes from which day on there can be anything, when an account begins.
    pub(super) fn begin_days(&mut self, now_ms: i64) {
        self.note(Row::Account);
        let first = utc_day(now_ms).saturating_sub(BEHIND);
        self.head.pruned = Pruned { usage: first, events: first, first_event: 0 };
    }

    /// Prunes some of what is past; returns whether there is more.
    pub(super) fn prune(&mut self, retention: &Retention, now_ms: i64) -> bool {
        let today = utc_day(now_ms);
        let usage = self.prune_usage(retention.usage_days, today);
        let events = self.prune_events(retention.events_days, today);
        usage || events
    }

    /// Days of usage are over at once; their rows are dropped with the next batches.
    fn prune_usage(&mut self, kept_days: u32, today: i64) -> bool {
        let (first, end) = over(self.head.pruned.usage, kept_days, today);
        let until = end.min(first.saturating_add(DAYS));
        if first < until {
            self.note(Row::Account);
            self.head.pruned.usage = until;
        }
        until < end
    }

    fn prune_events(&mut self, kept_days: u32, today: i64) -> bool {
        let (begin, end) = over(self.head.pruned.events, kept_days, today);
        let (mut day, mut first) = (begin, self.head.pruned.first_event);
        let most = first.saturating_add(EVENTS);
        while day < end.min(begin.saturating_add(DAYS)) {
            if let Some(last) = self.event_days.get(&day).copied() {
                first = last.saturating_add(1).min(most);
                if first <= last {
                    break;
                }
                self.note(Row::EventDay(day));
                self.event_days.remove(&day);
            }
            day = day.saturating_add(1);
        }
        if first > self.head.pruned.first_event {
            self.drop_events(first);
        }
        if day > begin {
            self.note(Row::Account);
            self.head.pruned.events = day;
        }
        day < end
    }
}

/// The first day that is not pruned, and the first that is kept. An account of a version that
/// pruned nothing may have some as old as any that was ever kept.
fn over(first: i64, kept_days: u32, today: i64) -> (i64, i64) {
    let oldest = today.saturating_sub(i64::from(Retention::MAX_DAYS));
    (first.max(oldest), today.saturating_sub(i64::from(kept_days)))
}
