//! Whether the client still waits for its reply. One that disconnected may repeat the same body,
//! and must then not get a second message.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::in_flight::InFlightBody;
use super::reserve::NewHold;
use crate::clock::Stopwatch;
use crate::ids::{AccountId, HoldId};
use crate::ledger::Operation;
use crate::ledger::batcher::Batcher;

/// A client that closes its sending side by habit does so with its request. One that does so later,
/// or long before its send is decided, may have given up and repeat its request at another gateway.
const HALF_CLOSE_GRACE: Duration = Duration::from_millis(100);

#[derive(Default)]
struct State {
    gone: bool,
    /// Since when the whole request is here.
    asked: Option<Stopwatch>,
    /// Since when the client has closed its sending side: it may read its answer, or be gone.
    finished: Option<Stopwatch>,
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

    /// Whether the client has disconnected, or may have given up.
    pub fn is_gone(&self) -> bool {
        self.lock().gone
    }

    /// Whether the client has closed its sending side.
    pub fn is_finished(&self) -> bool {
        self.lock().finished.is_some()
    }

    /// The client has sent all of its request.
    pub fn asked(&self) {
        self.lock().asked = Some(Stopwatch::start());
    }

    /// From now on a hang-up makes this hold guard its body. Returns `false` if the client has
    /// already disconnected; or if it closed its sending side, and its `body` is here once more or
    /// the decision took so long that it may be elsewhere, which is how a client begins that gave
    /// up. Nothing was forwarded yet, so the hold is to be released.
    pub fn holds(&self, account: &AccountId, new: NewHold, body: &InFlightBody) -> bool {
        let mut state = self.lock();
        let late = |since: Stopwatch| since.elapsed() > HALF_CLOSE_GRACE || !body.is_alone();
        if state.gone || state.finished.is_some_and(late) {
            return false;
        }
        state.hold = Some((account.clone(), new.id));
        if state.finished.is_some() && !new.guarding {
            self.batcher.post(account, Operation::Abandon { hold: new.id });
        }
        true
    }

    /// The hold is resolved, or marked in doubt: nothing is left to guard.
    pub fn resolved(&self) {
        self.lock().resolved = true;
    }

    /// The client has closed its sending side: nobody can tell whether it reads its answer. Right
    /// behind its request, or once it is decided, the send goes on and is answered, and its hold
    /// guards its body.
    pub fn finished(&self) {
        let mut state = self.lock();
        state.finished = Some(Stopwatch::start());
        match &state.hold {
            Some((account, hold)) if !state.resolved => {
                self.batcher.post(account, Operation::Abandon { hold: *hold });
            }
            Some(_) => {}
            None => {
                state.gone |= state.asked.is_some_and(|since| since.elapsed() > HALF_CLOSE_GRACE);
            }
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
        // The state is a few plain values, whole at every moment.
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
