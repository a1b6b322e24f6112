//! Gathers operations into batches without a timer: per account one batch is under way, and what
//! arrives meanwhile is the next.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::{Notify, oneshot};

use super::operation::MAX_BATCH;
use super::{Batch, Ledger, LedgerFault, Operation, ReleaseReason, Verdict};
use crate::clock::{Clock, Stopwatch};
use crate::ids::AccountId;
use crate::metrics::Metrics;

/// Operations nobody waits for leave with the next batch, or after this time.
const LINGER: Duration = Duration::from_millis(5);

/// Pauses between repeats of a batch that got no answer.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Lanes idle for this long count as new writers, because the ledger forgets a writer after a day.
const WRITER_LIFE_MS: i64 = 12 * 3_600_000;

/// Bounds of the gathering.
#[derive(Debug, Clone, Copy)]
pub struct BatcherOptions {
    /// How long a caller waits for its verdict.
    pub deadline: Duration,
    /// Operations that may wait per account; sends beyond it are refused as overloaded.
    pub queue: usize,
}

/// Why a call has no verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallFault {
    /// The queue is full; nothing was asked.
    Overloaded,
    /// The ledger broke or is away.
    Ledger(LedgerFault),
}

type Answered = Result<Verdict, LedgerFault>;

enum Item {
    /// Somebody waits for the verdict.
    Call(Operation, oneshot::Sender<Answered>),
    /// Nobody waits, but it must be done; `repeated`: an earlier try may have done it.
    Post { operation: Operation, repeated: bool },
    /// Answered once everything before it is done.
    Barrier(oneshot::Sender<()>),
}

/// Who asked for an operation of a batch.
enum Origin {
    Call(oneshot::Sender<Answered>),
    Post { repeated: bool },
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    running: bool,
}

struct Lane {
    queue: Mutex<Queue>,
    arrived: Notify,
    /// The last batch got no answer: callers are told at once.
    down: AtomicBool,
}

/// Who writes under which numbers. Only the lane's runner looks at it, and only one runs at a time.
struct Writer {
    id: u64,
    number: u64,
    used_ms: i64,
}

struct Shared {
    ledger: Arc<dyn Ledger>,
    clock: Clock,
    metrics: Arc<Metrics>,
    options: BatcherOptions,
    lanes: DashMap<AccountId, Arc<Lane>>,
    writers: DashMap<AccountId, Writer>,
    posts_waiting: AtomicUsize,
}

/// The way to the ledger for everything that writes.
#[derive(Clone)]
pub struct Batcher {
    shared: Arc<Shared>,
}

impl Batcher {
    /// A batcher in front of `ledger`.
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
            options,
            lanes: DashMap::new(),
            writers: DashMap::new(),
            posts_waiting: AtomicUsize::new(0),
        };
        Batcher { shared: Arc::new(shared) }
    }

    /// Asks for one operation and waits for its verdict, at most the deadline. A reserve whose
    /// answer comes too late is given back by itself.
    ///
    /// # Errors
    /// Overload, or a ledger that does not answer; then nothing may be forwarded.
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
        let (answer, mut answered) = oneshot::channel();
        self.enqueue(account, &lane, Item::Call(operation, answer))?;
        match tokio::time::timeout(self.shared.options.deadline, &mut answered).await {
            Ok(Ok(verdict)) => verdict.map_err(CallFault::Ledger),
            Ok(Err(_)) => {
                Err(CallFault::Ledger(LedgerFault::Closed("the gateway is shutting down".into())))
            }
            Err(_) => {
                // Closing first means the verdict is either here now or will find nobody and be
                // given back.
                answered.close();
                match answered.try_recv() {
                    Ok(verdict) => verdict.map_err(CallFault::Ledger),
                    Err(_) => Err(CallFault::Ledger(LedgerFault::Unavailable(
                        "no answer within the deadline".into(),
                    ))),
                }
            }
        }
    }

    /// Queues an operation nobody waits for; it is repeated until it is done. Its number is bounded
    /// by the holds under way.
    pub fn post(&self, account: &AccountId, operation: Operation) {
        let lane = self.lane(account);
        self.shared.posts_waiting.fetch_add(1, Ordering::Relaxed);
        self.push(account, &lane, Item::Post { operation, repeated: false });
    }

    /// Waits until everything queued for the account so far is done, at most the deadline.
    pub async fn drain(&self, account: &AccountId) -> Result<(), CallFault> {
        let Some(lane) = self.shared.lanes.get(account).map(|lane| lane.clone()) else {
            return Ok(());
        };
        let (answer, answered) = oneshot::channel();
        {
            let queue = lock(&lane.queue);
            if !queue.running && queue.items.is_empty() {
                return Ok(());
            }
        }
        self.push(account, &lane, Item::Barrier(answer));
        match tokio::time::timeout(self.shared.options.deadline, answered).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(CallFault::Ledger(LedgerFault::Unavailable(
                "no answer within the deadline".into(),
            ))),
        }
    }

    /// Waits until no operation is left that somebody must see done, for a shutdown; `false` where
    /// `patience` ran out first.
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
        let fresh = || {
            Arc::new(Lane {
                queue: Mutex::default(),
                arrived: Notify::new(),
                down: AtomicBool::new(false),
            })
        };
        self.shared.lanes.entry(account.clone()).or_insert_with(fresh).clone()
    }

    fn enqueue(&self, account: &AccountId, lane: &Arc<Lane>, item: Item) -> Result<(), CallFault> {
        if lock(&lane.queue).items.len() >= self.shared.options.queue {
            return Err(CallFault::Overloaded);
        }
        self.push(account, lane, item);
        Ok(())
    }

    fn push(&self, account: &AccountId, lane: &Arc<Lane>, item: Item) {
        let start = {
            let mut queue = lock(&lane.queue);
            queue.items.push_back(item);
            !std::mem::replace(&mut queue.running, true)
        };
        if start {
            let runner = Runner {
                shared: self.shared.clone(),
                account: account.clone(),
                lane: lane.clone(),
            };
            tokio::spawn(runner.run());
        } else {
            lane.arrived.notify_one();
        }
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    // A poisoned queue is still a queue: nothing in it is ever half written.
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a hold guard its body. That does not linger: a repetition may be on its way to another
/// gateway already.
const fn guards(operation: &Operation) -> bool {
    matches!(operation, Operation::Abandon { .. } | Operation::MarkInDoubt { .. })
}

/// Carries one account's batches while there is something to carry.
struct Runner {
    shared: Arc<Shared>,
    account: AccountId,
    lane: Arc<Lane>,
}

impl Runner {
    async fn run(self) {
        loop {
            self.linger().await;
            // Whatever is ready to run may still add to this batch.
            tokio::task::yield_now().await;
            let Some(items) = self.take() else { return };
            self.carry(items).await;
        }
    }

    /// Where only operations wait that nobody waits for, gives a send a moment to take them along.
    async fn linger(&self) {
        let patient = {
            let queue = lock(&self.lane.queue);
            !queue.items.is_empty()
                && queue
                    .items
                    .iter()
                    .all(|item| matches!(item, Item::Post { operation, .. } if !guards(operation)))
        };
        if patient {
            let _ = tokio::time::timeout(LINGER, self.lane.arrived.notified()).await;
        }
    }

    /// The next batch's items, without callers who gave up; `None` (and the lane at rest) where
    /// nothing waits.
    fn take(&self) -> Option<Vec<Item>> {
        let mut queue = lock(&self.lane.queue);
        let mut items = Vec::new();
        let mut operations: usize = 0;
        while operations < MAX_BATCH
            && let Some(item) = queue.items.pop_front()
        {
            match &item {
                Item::Call(_, answer) if answer.is_closed() => continue,
                Item::Barrier(_) => {}
                _ => operations = operations.saturating_add(1),
            }
            items.push(item);
        }
        if items.is_empty() {
            queue.running = false;
            return None;
        }
        Some(items)
    }

    async fn carry(&self, items: Vec<Item>) {
        let mut operations = Vec::with_capacity(items.len());
        let mut waiting = Vec::with_capacity(items.len());
        let mut barriers = Vec::new();
        for item in items {
            match item {
                Item::Call(operation, answer) => {
                    operations.push(operation);
                    waiting.push(Origin::Call(answer));
                }
                Item::Post { operation, repeated } => {
                    operations.push(operation);
                    waiting.push(Origin::Post { repeated });
                }
                Item::Barrier(answer) => barriers.push(answer),
            }
        }
        if !operations.is_empty() {
            let mut batch = self.number(operations);
            let mut tries = 0;
            match self.repeat_until_answered(&mut batch, &mut tries).await {
                Ok(verdicts) => self.answer(batch, waiting, verdicts),
                Err(refused) => self.put_back(batch, waiting, &refused, tries).await,
            }
        }
        for barrier in barriers {
            let _ = barrier.send(());
        }
    }

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

    /// A batch without an answer may have been written: it is repeated under its number until the
    /// ledger says what became of it.
    async fn repeat_until_answered(
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
                    self.shared.metrics.ledger_up(true);
                    return Ok(verdicts);
                }
                Ok(verdicts) => {
                    tracing::error!(account = %self.account, expected = batch.operations.len(), got = verdicts.len(), "the ledger answered with another number of verdicts");
                    return Err(LedgerFault::Refused(
                        "it answered with another number of verdicts".into(),
                    ));
                }
                Err(LedgerFault::Refused(reason)) => return Err(LedgerFault::Refused(reason)),
                Err(fault) => {
                    if !self.lane.down.swap(true, Ordering::Relaxed) {
                        tracing::error!(account = %self.account, %fault, "the ledger is away; sends of this account are refused until it answers");
                    }
                    self.shared.metrics.ledger_up(false);
                    tokio::time::sleep(pause).await;
                    pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                    batch.clock_ms = self.shared.clock.now_ms();
                }
            }
        }
    }

    fn answer(&self, batch: Batch, waiting: Vec<Origin>, verdicts: Vec<Verdict>) {
        for ((operation, answer), verdict) in
            batch.operations.into_iter().zip(waiting).zip(verdicts)
        {
            let answer = match answer {
                Origin::Call(answer) => answer,
                Origin::Post { repeated } => {
                    self.shared.posts_waiting.fetch_sub(1, Ordering::Relaxed);
                    if !repeated {
                        self.look_at(&operation, &verdict);
                    }
                    continue;
                }
            };
            let reserved = matches!(verdict, Verdict::Reserved { .. });
            if let (Err(_), true, Operation::Reserve(request)) =
                (answer.send(Ok(verdict)), reserved, operation)
            {
                // Its caller gave up before anything was forwarded.
                let release =
                    Operation::Release { hold: request.hold, reason: ReleaseReason::NotSent };
                self.shared.posts_waiting.fetch_add(1, Ordering::Relaxed);
                lock(&self.lane.queue)
                    .items
                    .push_back(Item::Post { operation: release, repeated: false });
            }
        }
    }

    /// An outcome that finds no hold came after an operator or the in-doubt policy had resolved it,
    /// maybe otherwise: a person must compare.
    fn look_at(&self, operation: &Operation, verdict: &Verdict) {
        let (late, hold) = match operation {
            Operation::Settle { hold, .. } => ("settle", hold),
            Operation::Release { hold, reason: ReleaseReason::Refused(_) } => ("release", hold),
            _ => return,
        };
        if *verdict == Verdict::NoHold {
            self.shared.metrics.late_outcome(late);
            tracing::error!(account = %self.account, %hold, outcome = late, "upstream's answer came after its hold was resolved; compare the statement");
        }
    }

    /// The ledger wrote nothing: callers are told, the rest waits for better times, in order.
    async fn put_back(
        &self,
        batch: Batch,
        waiting: Vec<Origin>,
        refused: &LedgerFault,
        tries: u32,
    ) {
        tracing::error!(account = %self.account, fault = %refused, "a batch was refused");
        let mut posts = Vec::new();
        for (operation, answer) in batch.operations.into_iter().zip(waiting) {
            match (answer, operation) {
                (Origin::Post { repeated }, operation) => {
                    posts.push(Item::Post { operation, repeated: repeated || tries > 1 })
                }
                (Origin::Call(answer), operation) => {
                    if let (true, Operation::Reserve(request)) = (tries > 1, &operation) {
                        let release = Operation::Release {
                            hold: request.hold,
                            reason: ReleaseReason::NotSent,
                        };
                        self.shared.posts_waiting.fetch_add(1, Ordering::Relaxed);
                        posts.push(Item::Post { operation: release, repeated: false });
                    }
                    let _ = answer.send(Err(refused.clone()));
                }
            }
        }
        // An earlier try of this batch may still be on its way: its number is not used for anything
        // else, and should it be written after all, what it reserved is given back.
        self.shared.writers.remove(&self.account);
        self.lane.down.store(false, Ordering::Relaxed);
        if posts.is_empty() {
            return;
        }
        {
            let mut queue = lock(&self.lane.queue);
            for item in posts.into_iter().rev() {
                queue.items.push_front(item);
            }
        }
        tokio::time::sleep(LONGEST_PAUSE).await;
    }
}

/// A random writer id.
fn fresh_writer() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0
}
