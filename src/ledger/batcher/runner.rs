//! Carries one account's batches: numbers them, repeats one without a reply, hands out verdicts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::oneshot;

use super::lane::{CallResult, Item, Lane};
use crate::clock::{Clock, Stopwatch};
use crate::ids::AccountId;
use crate::ledger::{Batch, FaultReason, Ledger, LedgerFault, Operation, ReleaseReason, Verdict};
use crate::metrics::Metrics;
use crate::rejection::RejectionKind;

/// Operations nobody waits for leave with the next batch, or after this time.
pub(super) const LINGER: Duration = Duration::from_millis(5);

/// Pauses between repeats of a batch that got no reply.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// A lane idle for this long gets a new writer, because the ledger forgets a writer after a day.
const WRITER_LIFE_MS: i64 = 12 * 3_600_000;

/// Under which numbers an account's batches are written. Only the lane's runner uses it.
pub(super) struct Writer {
    id: u64,
    number: u64,
    used_ms: i64,
}

/// What all lanes share.
pub(super) struct Shared {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) clock: Clock,
    pub(super) metrics: Arc<Metrics>,
    pub(super) lanes: DashMap<AccountId, Arc<Lane>>,
    pub(super) writers: DashMap<AccountId, Writer>,
    /// Posts that are queued or in flight; a shutdown waits until there is none.
    pub(super) posts_waiting: AtomicUsize,
}

/// Who asked for an operation of a batch.
enum Asker {
    Call(oneshot::Sender<CallResult>),
    Post { repeated: bool },
}

/// An operation of a batch and who asked for it.
type Work = (Operation, Asker);

/// Carries one account's batches while there is something to carry.
pub(super) struct Runner {
    shared: Arc<Shared>,
    account: AccountId,
    lane: Arc<Lane>,
}

impl Runner {
    /// A runner of the account's lane; there is one at a time.
    pub(super) fn new(shared: Arc<Shared>, account: AccountId, lane: Arc<Lane>) -> Runner {
        Runner { shared, account, lane }
    }

    /// Carries batches until the lane is empty.
    pub(super) async fn run(self) {
        loop {
            self.linger().await;
            // Whatever is ready to run may still add to this batch.
            tokio::task::yield_now().await;
            let Some(items) = self.lane.take() else { return };
            self.carry(items).await;
        }
    }

    /// If only operations wait that nobody waits for, gives a send a moment to share its batch with
    /// them.
    async fn linger(&self) {
        if self.lane.is_patient() {
            let _ = tokio::time::timeout(LINGER, self.lane.arrived.notified()).await;
        }
    }

    async fn carry(&self, items: Vec<Item>) {
        let mut work = Vec::with_capacity(items.len());
        let mut barriers = Vec::new();
        for item in items {
            match item {
                Item::Call(operation, caller) if caller.is_closed() => self.count_late(&operation),
                Item::Call(operation, caller) => work.push((operation, Asker::Call(caller))),
                Item::Post { operation, repeated } => {
                    work.push((operation, Asker::Post { repeated }));
                }
                Item::Barrier(done) => barriers.push(done),
            }
        }
        let mut left = self.apply(work).await;
        if left.is_empty() {
            for barrier in barriers {
                let _ = barrier.send(());
            }
            return;
        }
        // A barrier is complete only once what was put back before it is done.
        left.extend(barriers.into_iter().map(Item::Barrier));
        self.lane.put_back(left);
        tokio::time::sleep(LONGEST_PAUSE).await;
    }

    /// Applies the work as one batch. If the ledger refuses it, what needs no memory is tried once
    /// more without the rest: sends that a full store refuses must not keep it from ending others.
    /// Returns what the ledger took neither way and somebody must see done.
    async fn apply(&self, mut work: Vec<Work>) -> Vec<Item> {
        while !work.is_empty() {
            let (operations, askers) = work.into_iter().unzip();
            let mut batch = self.number(operations);
            let mut tries = 0;
            let refused = match self.apply_until_decided(&mut batch, &mut tries).await {
                Ok(verdicts) => {
                    if batch.needs_memory() {
                        self.lane.set_full(None);
                    }
                    self.deliver(batch, askers, verdicts);
                    return Vec::new();
                }
                Err(refused) => refused,
            };
            if matches!(refused.reason(), FaultReason::OutOfMemory | FaultReason::DiskFull) {
                self.lane.set_full(Some(refused.clone()));
            }
            let mixed = batch.needs_memory();
            work = self.without_refused(batch, askers, &refused, tries);
            if !mixed {
                let item = |(operation, asker)| match asker {
                    Asker::Post { repeated } => Item::Post { operation, repeated },
                    Asker::Call(caller) => Item::Call(operation, caller),
                };
                return work.into_iter().map(item).collect();
            }
        }
        Vec::new()
    }

    /// The batch under the next number of this gateway's writer for the account.
    fn number(&self, operations: Vec<Operation>) -> Batch {
        let clock_ms = self.shared.clock.now_ms();
        let mut writer = self
            .shared
            .writers
            .entry(self.account.clone())
            .or_insert_with(|| Writer { id: fresh_writer(), number: 0, used_ms: clock_ms });
        if clock_ms.saturating_sub(writer.used_ms) > WRITER_LIFE_MS {
            *writer = Writer { id: fresh_writer(), number: 0, used_ms: clock_ms };
        }
        writer.number = writer.number.saturating_add(1);
        writer.used_ms = clock_ms;
        Batch { writer: writer.id, number: writer.number, clock_ms, operations }
    }

    /// A batch without a reply may have been written: it is repeated under its number until the
    /// ledger reports what became of it. The same number gets the same verdicts, so a repeat can do
    /// no harm.
    async fn apply_until_decided(
        &self,
        batch: &mut Batch,
        tries: &mut u32,
    ) -> Result<Vec<Verdict>, LedgerFault> {
        let mut pause = FIRST_PAUSE;
        self.shared.metrics.ledger_batch(batch.operations.len());
        loop {
            *tries = tries.saturating_add(1);
            let watch = Stopwatch::start();
            let answer = self.shared.ledger.apply(&self.account, batch).await;
            self.shared.metrics.ledger("batch", watch.elapsed());
            match answer {
                Ok(verdicts) if verdicts.len() == batch.operations.len() => {
                    if self.lane.down.swap(false, Ordering::Relaxed) {
                        tracing::info!(account = %self.account, "the ledger answers again");
                    }
                    self.lane.frozen.store(false, Ordering::Relaxed);
                    return Ok(verdicts);
                }
                Ok(verdicts) => {
                    tracing::error!(
                        account = %self.account,
                        expected = batch.operations.len(),
                        got = verdicts.len(),
                        "the ledger answered with another number of verdicts"
                    );
                    return Err(LedgerFault::Refused(
                        "it answered with another number of verdicts".into(),
                    ));
                }
                Err(fault @ LedgerFault::Refused(_)) => {
                    self.shared.metrics.ledger_fault(fault.reason().as_str());
                    return Err(fault);
                }
                Err(fault) => {
                    self.shared.metrics.ledger_fault(fault.reason().as_str());
                    let frozen = fault.reason() == FaultReason::Frozen;
                    self.lane.frozen.store(frozen, Ordering::Relaxed);
                    if !self.lane.down.swap(true, Ordering::Relaxed) {
                        tracing::error!(
                            account = %self.account,
                            %fault,
                            "the ledger is unavailable; sends are refused until it answers"
                        );
                    }
                    tokio::time::sleep(pause).await;
                    pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                    batch.clock_ms = self.shared.clock.now_ms();
                }
            }
        }
    }

    /// Hands the verdicts to their callers.
    fn deliver(&self, batch: Batch, askers: Vec<Asker>, verdicts: Vec<Verdict>) {
        for ((operation, asker), verdict) in batch.operations.into_iter().zip(askers).zip(verdicts)
        {
            let caller = match asker {
                Asker::Call(caller) => caller,
                Asker::Post { repeated } => {
                    self.shared.posts_waiting.fetch_sub(1, Ordering::Relaxed);
                    if !repeated {
                        self.report_late(&operation, &verdict);
                    }
                    continue;
                }
            };
            let Err(Ok(late)) = caller.send(Ok(verdict)) else { continue };
            // Its caller gave up before anything was forwarded.
            if let (Verdict::Reserved { .. }, Operation::Reserve(request)) = (&late, &operation) {
                let hold = request.hold;
                self.post(Operation::Release { hold, reason: ReleaseReason::NotSent });
            }
            if !matches!(late, Verdict::Rejected(_)) {
                self.count_late(&operation);
            }
        }
    }

    /// A send whose caller gave up was refused because the ledger was late; its campaign's counts
    /// have it if the ledger rejected it after all, and else by this.
    fn count_late(&self, operation: &Operation) {
        if let Operation::Reserve(request) = operation
            && let Some(named) = &request.campaign
        {
            let (campaign, rejection) = (named.id.clone(), RejectionKind::LedgerUnavailable);
            self.post(Operation::CountRejections { campaign, rejection, count: 1 });
        }
    }

    fn post(&self, operation: Operation) {
        self.shared.posts_waiting.fetch_add(1, Ordering::Relaxed);
        self.lane.push_back(Item::Post { operation, repeated: false });
    }

    /// An outcome that finds no hold came after an operator or the in-doubt policy had resolved it,
    /// maybe otherwise: a person must compare.
    fn report_late(&self, operation: &Operation, verdict: &Verdict) {
        let (late, hold) = match operation {
            Operation::Settle { hold, .. } => ("settle", hold),
            Operation::Release { hold, reason: ReleaseReason::Refused(_) } => ("release", hold),
            _ => return,
        };
        if *verdict == Verdict::NoHold {
            self.shared.metrics.late_outcome(late);
            tracing::error!(
                account = %self.account,
                %hold,
                outcome = late,
                "upstream's answer came after its hold was resolved; compare the statement"
            );
        }
    }

    /// The ledger wrote nothing: callers get the fault, except those whose operation may have been
    /// refused only for what it shared the batch with. Returns theirs and the posts, in order.
    fn without_refused(
        &self,
        batch: Batch,
        askers: Vec<Asker>,
        refused: &LedgerFault,
        tries: u32,
    ) -> Vec<Work> {
        tracing::error!(account = %self.account, fault = %refused, "a batch was refused");
        let mixed = batch.needs_memory();
        let mut left = Vec::new();
        for (operation, asker) in batch.operations.into_iter().zip(askers) {
            let caller = match asker {
                Asker::Post { repeated } => {
                    left.push((operation, Asker::Post { repeated: repeated || tries > 1 }));
                    continue;
                }
                Asker::Call(caller) => caller,
            };
            if mixed && tries == 1 && !operation.needs_memory() {
                left.push((operation, Asker::Call(caller)));
                continue;
            }
            if let (true, Operation::Reserve(request)) = (tries > 1, &operation) {
                let release =
                    Operation::Release { hold: request.hold, reason: ReleaseReason::NotSent };
                self.shared.posts_waiting.fetch_add(1, Ordering::Relaxed);
                left.push((release, Asker::Post { repeated: false }));
            }
            if caller.send(Err(refused.clone())).is_err() {
                self.count_late(&operation);
            }
        }
        // An earlier try of this batch may still be on its way: its number is not used for anything
        // else, and should it be written after all, what it reserved is given back.
        self.shared.writers.remove(&self.account);
        self.lane.down.store(false, Ordering::Relaxed);
        left
    }
}

/// A random writer id.
fn fresh_writer() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0
}
