//! The embedded ledger's thread: takes what waits, lets the rules decide, commits once, then answers.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::Receiver;

use tokio::sync::oneshot;

use super::store::{Store, StoreError};
use crate::clock::Clock;
use crate::ids::AccountId;
use crate::ledger::state::AccountState;
use crate::ledger::{Batch, ClaimKind, DocumentKind, LedgerFault, Operation, Verdict};

/// Batches in one transaction at most.
const GROUP: usize = 256;

/// Where an answer goes.
pub(super) type Answer<T> = oneshot::Sender<Result<T, LedgerFault>>;

/// A read that runs on the thread.
pub(super) type Read = Box<dyn FnOnce(&World, &Store) + Send>;

/// A change of the cross-account names.
pub(super) enum Claim {
    /// Take it if it is free; answers the owner.
    Take(String, Answer<String>),
    /// Give it up if it is the owner's.
    Give(String, Answer<()>),
}

/// What the thread is asked to do.
pub(super) enum Job {
    Apply { account: AccountId, batch: Batch, answer: Answer<Vec<Verdict>> },
    Claim { key: (ClaimKind, String), change: Claim },
    Read(Read),
    Close(Answer<()>),
}

/// Everything the ledger knows, in memory.
#[derive(Default)]
pub(super) struct World {
    pub(super) accounts: BTreeMap<AccountId, AccountState>,
    pub(super) claims: BTreeMap<(ClaimKind, String), String>,
    /// The clock's time when the group in hand began.
    pub(super) now_ms: i64,
    /// Each account's last committed batch, so that one whose answer came too late is not decided twice.
    writers: HashMap<AccountId, LastBatch>,
    /// Batches decided since the last commit.
    decided: Vec<(AccountId, LastBatch)>,
    /// Names changed since the last commit.
    changed_claims: Vec<(ClaimKind, String)>,
    /// Accounts changed since the last commit.
    changed: Vec<AccountId>,
}

/// Who wrote last, under which number, and what was answered.
#[derive(Clone)]
struct LastBatch {
    writer: u64,
    number: u64,
    verdicts: Vec<Verdict>,
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

    /// A batch that was decided before gets the same verdicts; an older one is refused.
    fn repeated(&self, account: &AccountId, batch: &Batch) -> Option<Result<Vec<Verdict>, LedgerFault>> {
        let in_hand = self.decided.iter().rev().find(|(id, _)| id == account).map(|(_, last)| last);
        let last = in_hand.or_else(|| self.writers.get(account)).filter(|last| last.writer == batch.writer)?;
        match batch.number.cmp(&last.number) {
            Ordering::Greater => None,
            Ordering::Equal => Some(Ok(last.verdicts.clone())),
            Ordering::Less => Some(Err(LedgerFault::Refused(format!("batch {} is older than batch {}", batch.number, last.number)))),
        }
    }

    fn apply(&mut self, account: &AccountId, batch: &Batch, clock: &Clock) -> Result<Vec<Verdict>, LedgerFault> {
        if let Some(answer) = self.repeated(account, batch) {
            return answer;
        }
        let founds =
            batch.operations.iter().any(|operation| matches!(operation, Operation::PutDocument { kind: DocumentKind::Account, .. }));
        if founds {
            self.accounts.entry(account.clone()).or_default();
        }
        let Some(state) = self.accounts.get_mut(account) else {
            // Every operation on an account that does not exist is answered as by an empty one, and leaves nothing.
            return AccountState::default().apply_batch(batch, clock.now_ms());
        };
        let verdicts = state.apply_batch(batch, clock.now_ms())?;
        self.changed.push(account.clone());
        self.decided.push((account.clone(), LastBatch { writer: batch.writer, number: batch.number, verdicts: verdicts.clone() }));
        Ok(verdicts)
    }

    /// Writes what changed in one transaction.
    pub(super) fn persist(&mut self, store: &mut Store) -> Result<(), StoreError> {
        let mut changed = std::mem::take(&mut self.changed);
        let names = std::mem::take(&mut self.changed_claims);
        if changed.is_empty() && names.is_empty() {
            return Ok(());
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
        transaction.commit()
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
pub(super) fn run(mut store: Store, mut world: World, clock: Clock, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let mut group = vec![first];
        group.extend(jobs.try_iter().take(GROUP.saturating_sub(1)));
        let mut answers: Vec<Pending> = Vec::with_capacity(group.len());
        let mut reads = Vec::new();
        let mut closing = Vec::new();
        world.now_ms = clock.now_ms();
        for job in group {
            match job {
                Job::Apply { account, batch, answer } => {
                    let verdicts = world.apply(&account, &batch, &clock);
                    answers.push(pending(answer, verdicts));
                }
                Job::Claim { key, change } => answers.push(world.change_claim(key, change)),
                Job::Read(read) => reads.push(read),
                Job::Close(answer) => closing.push(answer),
            }
        }
        let fault = match world.persist(&mut store) {
            Ok(()) => {
                world.writers.extend(std::mem::take(&mut world.decided));
                None
            }
            Err(error) => {
                tracing::error!(%error, "the embedded ledger could not commit; unanswered decisions are dropped and memory is read again from disk");
                match World::load(&store) {
                    Ok(loaded) => world = World { writers: std::mem::take(&mut world.writers), ..loaded },
                    Err(error) => {
                        tracing::error!(%error, "the embedded ledger cannot be read again; it stays closed until a restart");
                        return;
                    }
                }
                Some(LedgerFault::Unavailable(format!("the commit failed: {error}")))
            }
        };
        for answer in answers {
            answer(fault.clone());
        }
        for read in reads {
            read(&world, &store);
        }
        if !closing.is_empty() {
            store.close();
            for answer in closing {
                let _ = answer.send(Ok(()));
            }
            return;
        }
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
