//! One account's queues: what waits for the next batch - what must end, and apart from it what may
//! be refused - and whether a runner is at work on it.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use crate::clock::Stopwatch;
use crate::ids::HoldId;
use crate::ledger::operation::MAX_BATCH;
use crate::ledger::{LedgerFault, Operation, Verdict};

/// The time in a hold's id is at most so far off, in milliseconds.
const ROW_MS: i64 = 50;

/// A store that had no room is not asked for some again so soon.
const FULL_FOR: Duration = Duration::from_millis(250);

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

/// Why a call may not wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// Too many of its class do.
    Crowded,
    /// The store had no room just now.
    Full(LedgerFault),
}

impl Item {
    /// Whether it must end, whatever is refused meanwhile.
    fn is_ending(&self) -> bool {
        !matches!(self, Item::Call(operation, _) if operation.needs_memory())
    }
}

/// The waiting items, and whether a runner takes them.
#[derive(Default)]
struct Queue {
    /// What must end; it goes first.
    ending: VecDeque<Item>,
    /// What needs room in the store, and may be refused.
    admitting: VecDeque<Item>,
    /// How and when the store last refused for want of room, if it has taken nothing since.
    full: Option<(Stopwatch, LedgerFault)>,
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

impl Queue {
    fn class(&mut self, item: &Item) -> &mut VecDeque<Item> {
        if item.is_ending() { &mut self.ending } else { &mut self.admitting }
    }

    fn is_empty(&self) -> bool {
        self.ending.is_empty() && self.admitting.is_empty()
    }
}

impl Lane {
    /// Why a call may not wait, if it may not; `bound` is how many of its class may.
    pub(super) fn closed_to(&self, operation: &Operation, bound: usize) -> Option<Closed> {
        let queue = self.lock();
        if !operation.needs_memory() {
            return (queue.ending.len() >= bound).then_some(Closed::Crowded);
        }
        if let Some((since, fault)) = &queue.full
            && since.elapsed() < FULL_FOR
        {
            return Some(Closed::Full(fault.clone()));
        }
        (queue.admitting.len() >= bound).then_some(Closed::Crowded)
    }

    /// The store refused for want of room, or took what needs some.
    pub(super) fn set_full(&self, fault: Option<LedgerFault>) {
        self.lock().full = fault.map(|fault| (Stopwatch::start(), fault));
    }

    /// Whether nothing waits and no batch is in flight.
    pub(super) fn is_idle(&self) -> bool {
        let queue = self.lock();
        !queue.running && queue.is_empty()
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
                Item::Post { operation, .. } if guards(operation) => queue.ending.push_front(item),
                _ => queue.class(&item).push_back(item),
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
        self.lock().class(&item).push_back(item);
    }

    /// Puts items back before the others, in their order.
    pub(super) fn put_back(&self, items: Vec<Item>) {
        let mut queue = self.lock();
        for item in items.into_iter().rev() {
            queue.class(&item).push_front(item);
        }
    }

    /// Whether only operations wait that can afford to: nobody waits for them, and none guards a
    /// body.
    pub(super) fn is_patient(&self) -> bool {
        let queue = self.lock();
        let patient =
            |item: &Item| matches!(item, Item::Post { operation, .. } if !guards(operation));
        queue.admitting.is_empty() && !queue.ending.is_empty() && queue.ending.iter().all(patient)
    }

    /// The next batch's items; `None`, and the lane at rest, if nothing waits. What must end comes
    /// first. It shares a batch with what may be refused only while nothing is.
    pub(super) fn take(&self) -> Option<Vec<Item>> {
        let mut queue = self.lock();
        queue.last_hold = None;
        let mut items = Vec::new();
        let mut operations: usize = 0;
        let apart = queue.full.is_some() && !queue.ending.is_empty();
        while operations < MAX_BATCH {
            let next = queue.ending.pop_front();
            let next = next.or_else(|| (!apart).then(|| queue.admitting.pop_front()).flatten());
            let Some(item) = next else { break };
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

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::{Closed, Item, Lane};
    use crate::ledger::operation::MAX_BATCH;
    use crate::ledger::{Cause, DocumentKind, FaultReason, LedgerFault, Operation};

    fn admitting() -> Operation {
        Operation::PutDocument {
            kind: DocumentKind::Account,
            id: "account".into(),
            body: "{}".into(),
            only_if_absent: true,
            replaces: None,
        }
    }

    fn ending() -> Operation {
        Operation::TopUp {
            wallet: "main".parse().unwrap(),
            amount: "1".parse().unwrap(),
            reference: "a".into(),
        }
    }

    fn wait(lane: &Lane, operation: Operation, count: usize) {
        for _ in 0..count {
            lane.push(Item::Call(operation.clone(), oneshot::channel().0));
        }
    }

    /// Of the next batch: how many end, and how many may be refused.
    fn taken(lane: &Lane) -> (usize, usize) {
        let items = lane.take().unwrap_or_default();
        let ending = items.iter().filter(|item| item.is_ending()).count();
        (ending, items.len() - ending)
    }

    #[test]
    fn what_must_end_goes_first_and_apart_while_the_store_is_full() {
        let lane = Lane::default();
        wait(&lane, admitting(), 70);
        wait(&lane, ending(), 3);
        assert_eq!(taken(&lane), (3, MAX_BATCH - 3));
        let fault = LedgerFault::Refused(Cause::new(FaultReason::OutOfMemory, "full"));
        lane.set_full(Some(fault.clone()));
        wait(&lane, ending(), 2);
        assert_eq!(taken(&lane), (2, 0));
        assert_eq!(taken(&lane), (0, 9), "they waited since before");
        assert_eq!(lane.closed_to(&admitting(), 8), Some(Closed::Full(fault)));
        assert_eq!(lane.closed_to(&ending(), 8), None);
        lane.set_full(None);
        assert_eq!(lane.closed_to(&admitting(), 8), None);
    }

    #[test]
    fn too_many_of_one_class_keep_none_of_the_other_out() {
        let lane = Lane::default();
        wait(&lane, admitting(), 8);
        assert_eq!(lane.closed_to(&admitting(), 8), Some(Closed::Crowded));
        assert_eq!(lane.closed_to(&ending(), 8), None);
        wait(&lane, ending(), 8);
        assert_eq!(lane.closed_to(&ending(), 8), Some(Closed::Crowded));
    }
}
