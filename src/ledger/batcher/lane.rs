//! One account's queue: what waits for the next batch, and whether a runner is at work on it.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use crate::ids::HoldId;
use crate::ledger::operation::MAX_BATCH;
use crate::ledger::{LedgerFault, Operation, Verdict};

/// The time in a hold's id is at most so far off, in milliseconds.
const ROW_MS: i64 = 50;

/// What a caller receives.
pub(super) type CallResult = Result<Verdict, LedgerFault>;

/// One entry of the queue.
pub(super) enum Item {
    /// A caller waits for the verdict.
    Call(Operation, oneshot::Sender<CallResult>),
    /// Nobody waits, but it must be done; `repeated`: an earlier try may have done it.
    Post { operation: Operation, repeated: bool },
    /// Completed once everything before it is done.
    Barrier(oneshot::Sender<()>),
}

/// The waiting items, and whether a runner takes them.
#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    /// Set with the first item and cleared with the last, under the queue's lock: there is never an
    /// item without a runner, nor a second runner.
    running: bool,
    /// The last hold id that was given out for the next batch.
    last_hold: Option<HoldId>,
}

/// One account's queue.
#[derive(Default)]
pub(super) struct Lane {
    queue: Mutex<Queue>,
    /// Notified by each item that finds a runner at work.
    pub(super) arrived: Notify,
    /// The last batch got no reply: callers fail at once, because they could only wait for their
    /// deadline.
    pub(super) down: AtomicBool,
    /// The store has lost writes of the account.
    pub(super) frozen: AtomicBool,
}

impl Lane {
    /// How many items wait.
    pub(super) fn len(&self) -> usize {
        self.lock().items.len()
    }

    /// Whether nothing waits and no batch is in flight.
    pub(super) fn is_idle(&self) -> bool {
        let queue = self.lock();
        !queue.running && queue.items.is_empty()
    }

    /// An id for a new hold, in one row with those that will share its batch.
    pub(super) fn hold(&self, now_ms: i64) -> HoldId {
        let mut queue = self.lock();
        let young = |last: &HoldId| now_ms.saturating_sub(last.created_ms()).abs() <= ROW_MS;
        let next = queue.last_hold.filter(young).and_then(HoldId::next_in_row);
        let hold = next.unwrap_or_else(|| HoldId::first_of_row(now_ms));
        queue.last_hold = Some(hold);
        hold
    }

    /// Adds an item; returns whether a runner must be started for it. What keeps a body from being
    /// sent again goes before all that waits: its hold is decided.
    pub(super) fn push(&self, item: Item) -> bool {
        let start = {
            let mut queue = self.lock();
            match &item {
                Item::Post { operation, .. } if guards(operation) => queue.items.push_front(item),
                _ => queue.items.push_back(item),
            }
            !std::mem::replace(&mut queue.running, true)
        };
        if !start {
            self.arrived.notify_one();
        }
        start
    }

    /// Adds an item behind the others while the runner is at work.
    pub(super) fn push_back(&self, item: Item) {
        self.lock().items.push_back(item);
    }

    /// Puts items back before the others, in their order.
    pub(super) fn put_back(&self, items: Vec<Item>) {
        let mut queue = self.lock();
        for item in items.into_iter().rev() {
            queue.items.push_front(item);
        }
    }

    /// Whether only operations wait that can afford to: nobody waits for them, and none guards a
    /// body.
    pub(super) fn is_patient(&self) -> bool {
        let queue = self.lock();
        let patient =
            |item: &Item| matches!(item, Item::Post { operation, .. } if !guards(operation));
        !queue.items.is_empty() && queue.items.iter().all(patient)
    }

    /// The next batch's items; `None`, and the lane at rest, if nothing waits.
    pub(super) fn take(&self) -> Option<Vec<Item>> {
        let mut queue = self.lock();
        queue.last_hold = None;
        let mut items = Vec::new();
        let mut operations: usize = 0;
        while operations < MAX_BATCH
            && let Some(item) = queue.items.pop_front()
        {
            if !matches!(item, Item::Barrier(_)) {
                operations = operations.saturating_add(1);
            }
            items.push(item);
        }
        if items.is_empty() {
            queue.running = false;
            return None;
        }
        Some(items)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A poisoned queue is still a queue: nothing in it is ever half written.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the operation keeps a body from being sent again. That cannot wait: a repeat may be on
/// its way to another gateway already.
const fn guards(operation: &Operation) -> bool {
    matches!(
        operation,
        Operation::Abandon { .. } | Operation::KeepUnheard(_) | Operation::MarkInDoubt { .. }
    )
}
