//! Whether the client still waits for its reply. One that disconnected may repeat the same body,
//! and must then not get a second message.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::in_flight::InFlightBody;
use crate::ids::{AccountId, HoldId};
use crate::ledger::Operation;
use crate::ledger::batcher::Batcher;

#[derive(Default)]
struct State {
    gone: bool,
    /// The client has closed its sending side: it may read its answer, or be gone.
    finished: bool,
    resolved: bool,
    hold: Option<(AccountId, HoldId)>,
}

/// The state of one client, shared by its connection, which may end, and the send, which goes on.
pub struct ClientState {
    batcher: Batcher,
    state: Mutex<State>,
}

impl ClientState {
    /// A connected client.
    pub fn new(batcher: Batcher) -> Arc<ClientState> {
        Arc::new(ClientState { batcher, state: Mutex::default() })
    }

    /// Whether the client has disconnected.
    pub fn is_gone(&self) -> bool {
        self.lock().gone
    }

    /// From now on a hang-up makes this hold guard its body. Returns `false` if the client has
    /// already disconnected - or closed its sending side, and its `body` is here once more, which
    /// is how a client begins that gave up: nothing was forwarded yet, so the hold is to be
    /// released.
    pub fn holds(&self, account: &AccountId, hold: HoldId, body: &InFlightBody) -> bool {
        let mut state = self.lock();
        if state.gone || (state.finished && !body.is_alone()) {
            return false;
        }
        state.hold = Some((account.clone(), hold));
        if state.finished {
            self.batcher.post(account, Operation::Abandon { hold });
        }
        true
    }

    /// The hold is resolved, or marked in doubt: nothing is left to guard.
    pub fn resolved(&self) {
        self.lock().resolved = true;
    }

    /// The client has closed its sending side: nobody can tell whether it reads its answer. The
    /// send goes on and is answered, and its hold guards its body.
    pub fn finished(&self) {
        let mut state = self.lock();
        state.finished = true;
        if let (false, Some((account, hold))) = (state.resolved, &state.hold) {
            self.batcher.post(account, Operation::Abandon { hold: *hold });
        }
    }

    fn hang_up(&self) {
        let mut state = self.lock();
        state.gone = true;
        if let (false, Some((account, hold))) = (state.resolved, &state.hold) {
            self.batcher.post(account, Operation::Abandon { hold: *hold });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is three plain values, whole at every moment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connection's side of a client: dropped without [`HangupGuard::replied`], the client is gone.
pub struct HangupGuard(Option<Arc<ClientState>>);

impl HangupGuard {
    /// Watches for the end of the connection.
    pub fn new(client: Arc<ClientState>) -> HangupGuard {
        HangupGuard(Some(client))
    }

    /// The reply is on its way.
    pub fn replied(mut self) {
        self.0 = None;
    }
}

impl Drop for HangupGuard {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            client.hang_up();
        }
    }
}
