//! Gathers operations into batches: per account one batch is in flight, and what arrives meanwhile
//! is the next. [`Batcher::call`] waits for a verdict, [`Batcher::post`] does not.
//!
//! What must end never waits for what may be refused: it has a queue of its own, goes first, and
//! has its batches to itself from when a store has no room until it has.
//!
//! There is no timer, because none is needed: at low load a batch of one leaves at once, and the
//! longer the ledger takes, the more operations share the next call. One batch in flight keeps
//! batch numbers consecutive, so that the ledger can tell a repeat from a gap.

mod lane;
mod runner;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::{Ledger, LedgerFault, Operation, Verdict};
use crate::clock::{Clock, Stopwatch};
use crate::ids::{AccountId, HoldId};
use crate::metrics::Metrics;
use lane::{Closed, Item, Lane};
use runner::{LINGER, Runner, Shared};

/// Bounds of the batcher.
#[derive(Debug, Clone, Copy)]
pub struct BatcherOptions {
    /// How long a caller waits for its verdict.
    pub deadline: Duration,
    /// Calls that may wait per account, of those that must end and of those that need room in the
    /// store, each by themselves; more are refused as overloaded.
    pub queue: usize,
}

/// Why a call has no verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallFault {
    /// The queue is full; nothing was applied.
    Overloaded,
    /// The ledger broke or is unavailable.
    Ledger(LedgerFault),
    /// It did not decide within the deadline, and may do so later; what is reserved then is given
    /// back.
    Late(LedgerFault),
}

/// Carries everything that writes to the ledger.
#[derive(Clone)]
pub struct Batcher {
    shared: Arc<Shared>,
    options: BatcherOptions,
    /// Carries the batches, whichever thread their operations come from.
    runtime: Handle,
}

impl Batcher {
    /// A batcher in front of `ledger`, which the runtime that this is called on speaks to.
    pub fn new(
        ledger: Arc<dyn Ledger>,
        clock: Clock,
        metrics: Arc<Metrics>,
        options: BatcherOptions,
    ) -> Batcher {
        let shared = Shared {
            ledger,
            clock,
            metrics,
            lanes: DashMap::new(),
            writers: DashMap::new(),
            posts_waiting: AtomicUsize::new(0),
        };
        Batcher { shared: Arc::new(shared), options, runtime: Handle::current() }
    }

    /// Applies one operation and returns its verdict, within the deadline. A reserve whose verdict
    /// comes too late is released by itself.
    ///
    /// # Errors
    /// Overload, or a ledger that does not reply; then nothing may be forwarded.
    pub async fn call(
        &self,
        account: &AccountId,
        operation: Operation,
    ) -> Result<Verdict, CallFault> {
        let lane = self.lane(account);
        if lane.down.load(Ordering::Relaxed) {
            return Err(CallFault::Ledger(LedgerFault::Unavailable(
                "it has not answered since the last try".into(),
            )));
        }
        match lane.closed_to(&operation, self.options.queue) {
            None => {}
            Some(Closed::Crowded) => return Err(CallFault::Overloaded),
            Some(Closed::Full(fault)) => return Err(CallFault::Ledger(fault)),
        }
        let (caller, mut verdict) = oneshot::channel();
        self.push(account, &lane, Item::Call(operation, caller));
        match tokio::time::timeout(self.options.deadline, &mut verdict).await {
            Ok(Ok(verdict)) => verdict.map_err(CallFault::Ledger),
            Ok(Err(_)) => {
                Err(CallFault::Ledger(LedgerFault::Closed("the gateway is shutting down".into())))
            }
            Err(_) => {
                // Closing first means the verdict is either here now, or will find no caller and
                // its hold be released.
                verdict.close();
                match verdict.try_recv() {
                    Ok(verdict) => verdict.map_err(CallFault::Ledger),
                    Err(_) => Err(CallFault::Late(LedgerFault::Unavailable(
                        "no answer within the deadline".into(),
                    ))),
                }
            }
        }
    }

    /// An id for a new hold of the account.
    pub fn hold(&self, account: &AccountId) -> HoldId {
        self.lane(account).hold(self.shared.clock.now_ms())
    }

    /// Queues an operation nobody waits for; it is repeated until it is done. Its number is bounded
    /// by the holds in flight and, once a second, by the campaigns whose sends were refused.
    pub fn post(&self, account: &AccountId, operation: Operation) {
        let lane = self.lane(account);
        self.shared.posts_waiting.fetch_add(1, Ordering::Relaxed);
        self.push(account, &lane, Item::Post { operation, repeated: false });
    }

    /// Whether the ledger has not answered about the account since the last try.
    pub fn is_down(&self, account: &AccountId) -> bool {
        self.shared.lanes.get(account).is_some_and(|lane| lane.down.load(Ordering::Relaxed))
    }

    /// Whether the store has lost writes of every account that this gateway writes to, so that no
    /// send can be decided.
    pub fn is_frozen(&self) -> bool {
        let mut lanes = self.shared.lanes.iter().peekable();
        lanes.peek().is_some() && lanes.all(|lane| lane.frozen.load(Ordering::Relaxed))
    }

    /// Waits until everything queued for the account so far is done, at most the deadline.
    pub async fn drain(&self, account: &AccountId) -> Result<(), CallFault> {
        let Some(lane) = self.shared.lanes.get(account).map(|lane| lane.clone()) else {
            return Ok(());
        };
        let (done, completed) = oneshot::channel();
        if lane.is_idle() {
            return Ok(());
        }
        self.push(account, &lane, Item::Barrier(done));
        match tokio::time::timeout(self.options.deadline, completed).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(CallFault::Ledger(LedgerFault::Unavailable(
                "no answer within the deadline".into(),
            ))),
        }
    }

    /// Waits until no operation is left that somebody must see done, for a shutdown; returns
    /// `false` if `patience` ran out first.
    pub async fn drain_all(&self, patience: Duration) -> bool {
        let waited = Stopwatch::start();
        while self.shared.posts_waiting.load(Ordering::Relaxed) > 0 {
            if waited.elapsed() >= patience {
                return false;
            }
            tokio::time::sleep(LINGER).await;
        }
        true
    }

    fn lane(&self, account: &AccountId) -> Arc<Lane> {
        if let Some(lane) = self.shared.lanes.get(account) {
            return lane.clone();
        }
        self.shared.lanes.entry(account.clone()).or_default().clone()
    }

    fn push(&self, account: &AccountId, lane: &Arc<Lane>, item: Item) {
        if lane.push(item) {
            let runner = Runner::new(self.shared.clone(), account.clone(), lane.clone());
            self.runtime.spawn(runner.run());
        }
    }
}
