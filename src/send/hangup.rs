//! Whether the client still waits for its reply. One that disconnected may repeat the same body,
//! and must then not get a second message.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::in_flight::InFlightBody;
use super::reserve::NewHold;
use crate::clock::Stopwatch;
use crate::ids::{AccountId, HoldId};
use crate::ledger::batcher::Batcher;
use crate::ledger::{Answer, Fingerprint, Operation};

/// A client that closes its sending side by habit does so with its request, however late that is
/// noticed. One that does so later may have given up, and repeat its request at another gateway.
const BY_HABIT: Duration = Duration::from_millis(500);

/// So may one that has closed its sending side this long before its send is decided.
const DECIDED_WITHIN: Duration = Duration::from_secs(1);

#[derive(Default)]
struct State {
    gone: bool,
    /// Since when the whole request is here.
    asked: Option<Stopwatch>,
    /// Since when the client has closed its sending side: it may read its answer, or be gone.
    finished: Option<Stopwatch>,
    hold: Option<(AccountId, HoldId)>,
    /// The hold guards its body.
    guarding: bool,
    resolved: bool,
    /// Accepted, with the client there until then.
    answer: Option<Answer>,
    /// The answer to an earlier send that this one gets.
    replay: Option<(AccountId, Operation)>,
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
        let late = |since: Stopwatch| since.elapsed() > DECIDED_WITHIN || !body.is_alone();
        if state.gone || state.finished.is_some_and(late) {
            return false;
        }
        state.hold = Some((account.clone(), new.id));
        state.guarding = new.guarding;
        if state.finished.is_some() {
            self.keep(&mut state);
        }
        true
    }

    /// Upstream has accepted the message and `settle` posts it: whoever leaves from here on leaves
    /// an answer behind.
    pub fn accepted(&self, answer: Option<Answer>, settle: impl FnOnce()) {
        let mut state = self.lock();
        settle();
        state.resolved = true;
        state.answer = answer.filter(|_| !state.guarding);
    }

    /// The send is a repeat, and gets the answer to the first one, whose hold that was.
    pub fn replays(&self, account: &AccountId, hold: HoldId, fingerprint: Fingerprint) {
        self.lock().replay = Some((account.clone(), Operation::Hear { hold, fingerprint }));
    }

    /// The connection has taken the reply; an earlier answer is heard with it, also by a client
    /// that has closed its sending side by habit.
    fn replied(&self) {
        let mut state = self.lock();
        let there = !state.gone;
        if let Some((account, heard)) = state.replay.take().filter(|_| there) {
            self.batcher.post(&account, heard);
        }
    }

    /// The client may not hear its answer: what it sent is not sent again while that is open, and
    /// if it was accepted, the answer is kept.
    fn keep(&self, state: &mut State) {
        let Some((account, hold)) = &state.hold else { return };
        if !state.resolved && !state.guarding {
            state.guarding = true;
            self.batcher.post(account, Operation::Abandon { hold: *hold });
        } else if let Some(answer) = state.answer.take() {
            self.batcher.post(account, Operation::KeepUnheard(Box::new(answer)));
        }
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
        state.finished.get_or_insert_with(Stopwatch::start);
        if state.hold.is_none() {
            state.gone |= state.asked.is_some_and(|since| since.elapsed() > BY_HABIT);
        }
        self.keep(&mut state);
    }

    fn hang_up(&self) {
        let mut state = self.lock();
        state.gone = true;
        self.keep(&mut state);
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

    /// The connection has taken the reply.
    pub fn replied(mut self) {
        if let Some(client) = self.0.take() {
            client.replied();
        }
    }
}

impl Drop for HangupGuard {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            client.hang_up();
        }
    }
}
