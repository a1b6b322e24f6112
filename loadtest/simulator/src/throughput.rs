//! Counts messages a second per phone number ID, for error 130429.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// A limit of messages a second for each phone number ID. The seconds are whole ones since the
/// start, not a sliding window.
pub(crate) struct Throughput {
    /// Messages a second; 0: no limit.
    limit: u32,
    since: Instant,
    /// The last second in which the number sent, and how many messages it sent then.
    counts: Mutex<HashMap<Box<str>, (u64, u32)>>,
}

impl Throughput {
    pub(crate) fn new(limit: u32) -> Throughput {
        Throughput { limit, since: Instant::now(), counts: Mutex::default() }
    }

    /// Counts one message; returns `false` if it is over the limit of its second.
    pub(crate) fn admit(&self, phone_number_id: &str) -> bool {
        if self.limit == 0 {
            return true;
        }
        let second = self.since.elapsed().as_secs();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = match counts.get_mut(phone_number_id) {
            Some(entry) => entry,
            None => counts.entry(phone_number_id.into()).or_default(),
        };
        if entry.0 != second {
            *entry = (second, 0);
        }
        entry.1 = entry.1.saturating_add(1);
        entry.1 <= self.limit
    }
}
