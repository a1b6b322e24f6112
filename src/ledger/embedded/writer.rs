//! The embedded ledger's thread: takes what waits, lets the rules decide, commits once, then
//! replies.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::sync::mpsc::Receiver;

use tokio::sync::oneshot;

use super::store::{Store, StoreError};
use crate::clock::Clock;
use crate::ids::AccountId;
use crate::ledger::state::AccountState;
use crate::ledger::{Batch, ClaimKind, LedgerFault, Verdict};

/// Batches in one transaction at most.
const GROUP: usize = 256;

/// The receiver of a result.
pub(super) type Answer<T> = oneshot::Sender<Result<T, LedgerFault>>;

/// A read that runs on the thread.
pub(super) type Read = Box<dyn FnOnce(&World, &Store) + Send>;

/// A change of the cross-account names.
pub(super) enum Claim {
    /// Take it if it is free; returns the owner.
    Take(String, Answer<String>),
    /// Give it up if it is the owner's.
    Give(String, Answer<()>),
}

/// What the thread is asked to do.
pub(super) enum Job {
    Apply {
        account: AccountId,
        batch: Batch,
        answer: Answer<Vec<Verdict>>,
    },
    Claim {
        key: (ClaimKind, String),
        change: Claim,
    },
    Read(Read),
    /// Proves that a commit succeeds.
    Probe(Answer<()>),
    Close(Answer<()>),
}

/// A writer's batches of one account.
type Writer = (AccountId, u64);

/// The last batch of a writer: its number and verdicts.
type LastBatch = (u64, Vec<Verdict>);

/// Everything the ledger knows, in memory.
#[derive(Default)]
pub(super) struct World {
    pub(super) accounts: BTreeMap<AccountId, AccountState>,
    pub(super) claims: BTreeMap<(ClaimKind, String), String>,
    /// The clock's time when the group in hand began.
    pub(super) now_ms: i64,
    /// Names changed since the last commit.
    changed_claims: Vec<(ClaimKind, String)>,
    /// Accounts changed since the last commit.
    changed: Vec<AccountId>,
    /// What a repeated number is answered with. Writers end with the process, so this is never
    /// stored, and there is one per account.
    last_batches: HashMap<Writer, LastBatch>,
    /// Writers whose last batch is not committed yet.
    changed_writers: Vec<Writer>,
}

impl World {
    pub(super) fn load(store: &Store) -> Result<World, StoreError> {
        let (accounts, claims) = (store.load_accounts()?, store.load_claims()?);
        Ok(World { accounts, claims, ..World::default() })
    }

    pub(super) fn orphan_open_holds(&mut self, clock: &Clock) {
        for (id, account) in &mut self.accounts {
            account.doubt_open_holds(clock.now_ms());
            self.changed.push(id.clone());
        }
    }

    fn apply(
        &mut self,
        account: &AccountId,
        batch: &Batch,
        clock: &Clock,
    ) -> Result<Vec<Verdict>, LedgerFault> {
        let writer = (account.clone(), batch.writer);
        if let Some((number, verdicts)) =
            self.last_batches.get(&writer).filter(|(number, _)| batch.number <= *number)
        {
            let late = || {
                let (late, last) = (batch.number, number);
                let text = format!("batch {late} comes after batch {last} of the same writer");
                LedgerFault::Refused(text.into())
            };
            return if batch.number == *number { Ok(verdicts.clone()) } else { Err(late()) };
        }
        let verdicts = if let Some(state) = self.accounts.get_mut(account) {
            state.apply_batch(batch, clock.now_ms())?
        } else {
            let mut fresh = AccountState::default();
            let verdicts = fresh.apply_batch(batch, clock.now_ms())?;
            if fresh.settings_version() == 0 {
                // The first document creates an account; without one, the verdicts belong to no
                // account and nothing is stored.
                return Ok(verdicts);
            }
            self.accounts.insert(account.clone(), fresh);
            verdicts
        };
        self.changed.push(account.clone());
        self.last_batches.insert(writer.clone(), (batch.number, verdicts.clone()));
        self.changed_writers.push(writer);
        Ok(verdicts)
    }

    /// What the file holds, after a commit that failed. Only what it had not yet taken may be done
    /// anew under its number.
    fn read_again(&mut self, store: &Store) -> Result<(), StoreError> {
        let mut last_batches = std::mem::take(&mut self.last_batches);
        for writer in std::mem::take(&mut self.changed_writers) {
            last_batches.remove(&writer);
        }
        *self = World { last_batches, ..World::load(store)? };
        Ok(())
    }

    /// Writes what changed in one transaction; returns whether anything had.
    pub(super) fn persist(&mut self, store: &mut Store) -> Result<bool, StoreError> {
        let mut changed = std::mem::take(&mut self.changed);
        let names = std::mem::take(&mut self.changed_claims);
        if changed.is_empty() && names.is_empty() {
            return Ok(false);
        }
        changed.sort_unstable();
        changed.dedup();
        let transaction = store.begin()?;
        for id in changed {
            if let Some(state) = self.accounts.get_mut(&id) {
                let changes = state.take_changes();
                transaction.write(&id, state, &changes)?;
            }
        }
        for key in names {
            transaction.write_claim(key.0, &key.1, self.claims.get(&key).map(String::as_str))?;
        }
        transaction.commit()?;
        self.changed_writers.clear();
        Ok(true)
    }
}

/// An answer that waits for the commit.
type Pending = Box<dyn FnOnce(Option<LedgerFault>) + Send>;

fn pending<T: Send + 'static>(answer: Answer<T>, value: Result<T, LedgerFault>) -> Pending {
    Box::new(move |fault| {
        let _ = answer.send(fault.map_or(value, Err));
    })
}

/// Runs until the ledger is closed or dropped.
///
/// It holds the directory's lock, because queued work is still committed after the ledger was
/// dropped.
pub(super) fn run(
    mut store: Store,
    mut world: World,
    clock: Clock,
    lock: File,
    jobs: &Receiver<Job>,
) {
    while let Ok(first) = jobs.recv() {
        let mut group = vec![first];
        group.extend(jobs.try_iter().take(GROUP.saturating_sub(1)));
        let mut answers: Vec<Pending> = Vec::with_capacity(group.len());
        let mut reads = Vec::new();
        let (mut probes, mut closing) = (Vec::new(), Vec::new());
        world.now_ms = clock.now_ms();
        for job in group {
            match job {
                Job::Apply { account, batch, answer } => {
                    let verdicts = world.apply(&account, &batch, &clock);
                    answers.push(pending(answer, verdicts));
                }
                Job::Claim { key, change } => answers.push(world.change_claim(key, change)),
                Job::Read(read) => reads.push(read),
                Job::Probe(answer) => probes.push(answer),
                Job::Close(answer) => closing.push(answer),
            }
        }
        let mut proven = false;
        let fault = match world.persist(&mut store) {
            Ok(wrote) => {
                proven = wrote;
                None
            }
            Err(error) => {
                tracing::error!(%error, "the embedded ledger could not commit; unanswered \
                        decisions are dropped and memory is read again from disk");
                if let Err(error) = world.read_again(&store) {
                    tracing::error!(%error, "the embedded ledger cannot be read again; it stays \
                            closed until a restart");
                    return;
                }
                Some(error.as_fault("the commit failed"))
            }
        };
        for answer in answers {
            answer(fault.clone());
        }
        answer_probes(probes, proven, fault, &store, world.now_ms);
        for read in reads {
            read(&world, &store);
        }
        if !closing.is_empty() {
            store.close();
            drop((store, lock));
            for answer in closing {
                let _ = answer.send(Ok(()));
            }
            return;
        }
    }
}

/// A group that was committed proves as much as a write of its own.
fn answer_probes(
    probes: Vec<Answer<()>>,
    proven: bool,
    fault: Option<LedgerFault>,
    store: &Store,
    now_ms: i64,
) {
    if probes.is_empty() {
        return;
    }
    let found = match fault {
        Some(fault) => Err(fault),
        None if proven => Ok(()),
        None => store.probe(now_ms),
    };
    for answer in probes {
        let _ = answer.send(found.clone());
    }
}

impl World {
    fn change_claim(&mut self, key: (ClaimKind, String), change: Claim) -> Pending {
        match change {
            Claim::Take(owner, answer) => {
                let holder = self.claims.entry(key.clone()).or_insert(owner).clone();
                self.changed_claims.push(key);
                pending(answer, Ok(holder))
            }
            Claim::Give(owner, answer) => {
                if self.claims.get(&key) == Some(&owner) {
                    self.claims.remove(&key);
                    self.changed_claims.push(key);
                }
                pending(answer, Ok(()))
            }
        }
    }
}
