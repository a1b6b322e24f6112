//! Whether the client still waits for its answer. One that hung up may send the same body again,
//! and must then not get a second message.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dashmap::DashMap;

use crate::ids::{AccountId, HoldId};
use crate::ledger::batcher::Batcher;
use crate::ledger::{Fingerprint, Operation};

/// A client that gives up closes its connection before it repeats, but its end of the old
/// connection may be read a moment after the new request. A repetition of a body that is on its way
/// waits this long, so that the hang-up is known by then.
const HANG_UP_GRACE: Duration = Duration::from_millis(25);

#[derive(Default)]
struct State {
    gone: bool,
    answered: bool,
    hold: Option<(AccountId, HoldId)>,
}

/// Shared by the connection, which may end, and the send, which goes on.
pub struct Waiting {
    batcher: Batcher,
    state: Mutex<State>,
}

impl Waiting {
    /// A client that waits.
    pub fn new(batcher: Batcher) -> Arc<Waiting> {
        Arc::new(Waiting { batcher, state: Mutex::default() })
    }

    /// Has the client hung up?
    pub fn is_gone(&self) -> bool {
        self.lock().gone
    }

    /// From now on a hang-up makes this hold guard its body. Answers `false` where the client is
    /// gone already: nothing was forwarded yet, so nothing needs to be, and the hold is to be
    /// released.
    pub fn holds(&self, account: &AccountId, hold: HoldId) -> bool {
        let mut state = self.lock();
        if state.gone {
            return false;
        }
        state.hold = Some((account.clone(), hold));
        true
    }

    /// The hold is resolved, or marked in doubt: nothing is left to guard.
    pub fn resolved(&self) {
        self.lock().answered = true;
    }

    fn hung_up(&self) {
        let mut state = self.lock();
        state.gone = true;
        if let (false, Some((account, hold))) = (state.answered, &state.hold) {
            self.batcher.post(account, Operation::Abandon { hold: *hold });
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // The state is three plain values, whole at every moment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connection's end: dropped without [`Client::answered`], the client is gone.
pub struct Client(Option<Arc<Waiting>>);

impl Client {
    /// Watches for the end of the connection.
    pub fn new(waiting: Arc<Waiting>) -> Client {
        Client(Some(waiting))
    }

    /// The answer is on its way.
    pub fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(waiting) = self.0.take() {
            waiting.hung_up();
        }
    }
}

/// Bodies that are on their way through this gateway.
#[derive(Default)]
pub struct UnderWay {
    bodies: DashMap<(AccountId, Fingerprint), usize>,
}

/// One body on its way; ends when dropped.
pub struct BodyUnderWay {
    all: Arc<UnderWay>,
    key: (AccountId, Fingerprint),
}

impl UnderWay {
    /// Enters a body; where the same one is on its way already, a moment passes first.
    pub async fn enter(
        self: &Arc<Self>,
        account: &AccountId,
        fingerprint: Fingerprint,
    ) -> BodyUnderWay {
        let key = (account.clone(), fingerprint);
        let repeated = {
            let mut count = self.bodies.entry(key.clone()).or_insert(0);
            *count = count.saturating_add(1);
            *count > 1
        };
        let body = BodyUnderWay { all: self.clone(), key };
        if repeated {
            tokio::time::sleep(HANG_UP_GRACE).await;
        }
        body
    }
}

impl Drop for BodyUnderWay {
    fn drop(&mut self) {
        if let dashmap::mapref::entry::Entry::Occupied(mut found) =
            self.all.bodies.entry(self.key.clone())
        {
            let count = found.get_mut();
            *count = count.saturating_sub(1);
            if *count == 0 {
                found.remove();
            }
        }
    }
}
