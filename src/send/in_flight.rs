//! Bodies now being sent by this gateway: a repeat of one waits until a hang-up of the first would
//! be known.

use std::sync::Arc;
use std::time::Duration;

use dashmap::mapref::entry::Entry;

use crate::ids::{AccountId, SharedMap};
use crate::ledger::Fingerprint;

/// A client that gives up closes its connection before it repeats, but its end of the old
/// connection may be read a moment after the new request. A repeat of a body in flight waits this
/// long, so that the hang-up is known by then.
const HANG_UP_GRACE: Duration = Duration::from_millis(25);

/// Counts each body in flight.
#[derive(Default)]
pub struct InFlightBodies {
    bodies: SharedMap<(AccountId, Fingerprint), usize>,
}

/// One body in flight; it ends when dropped.
pub struct InFlightBody {
    all: Arc<InFlightBodies>,
    key: (AccountId, Fingerprint),
}

impl InFlightBodies {
    /// Enters a body; if the same one is already in flight, a moment passes first.
    pub async fn enter(self: &Arc<Self>, account: &AccountId, body: Fingerprint) -> InFlightBody {
        let key = (account.clone(), body);
        let repeated = {
            let mut count = self.bodies.entry(key.clone()).or_insert(0);
            *count = count.saturating_add(1);
            *count > 1
        };
        let entered = InFlightBody { all: self.clone(), key };
        if repeated {
            tokio::time::sleep(HANG_UP_GRACE).await;
        }
        entered
    }
}

impl InFlightBody {
    /// Whether no repeat of it is in flight.
    pub fn is_alone(&self) -> bool {
        self.all.bodies.get(&self.key).is_none_or(|count| *count <= 1)
    }
}

impl Drop for InFlightBody {
    fn drop(&mut self) {
        if let Entry::Occupied(mut found) = self.all.bodies.entry(self.key.clone()) {
            let count = found.get_mut();
            *count = count.saturating_sub(1);
            if *count == 0 {
                found.remove();
            }
        }
    }
}
