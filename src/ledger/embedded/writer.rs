//! The embedded ledger's thread: takes what waits, lets the rules decide, commits once, then
//! replies.

use std::fs::File;
use std::sync::mpsc::Receiver;

use super::answer::{Answer, Claim, Pending, pending};
use super::store::{ClaimKey, Store};
use super::world::World;
use crate::clock::Clock;
use crate::ids::AccountId;
use crate::ledger::{Batch, LedgerFault, Verdict};

/// Batches in one transaction at most.
const GROUP: usize = 256;

/// A read that runs on the thread.
pub(super) type Read = Box<dyn FnOnce(&World, &Store) + Send>;

/// What the thread is asked to do.
pub(super) enum Job {
    Apply {
        account: AccountId,
        batch: Batch,
        answer: Answer<Vec<Verdict>>,
    },
    Claim {
        key: ClaimKey,
        change: Claim,
    },
    Read(Read),
    /// Proves that a commit succeeds.
    Probe(Answer<()>),
    Close(Answer<()>),
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
                    let full = store.full().filter(|_| batch.needs_memory());
                    let verdicts = full.map_or_else(|| world.apply(&account, &batch, &clock), Err);
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
                        decisions are undone");
                world.undo();
                Some(store.fault(&error))
            }
        };
        for answer in answers {
            answer(fault.clone());
        }
        answer_probes(probes, proven, fault, &mut store, world.now_ms);
        for read in reads {
            read(&world, &store);
        }
        if !closing.is_empty() {
            if let Err(error) = world.persist_times(&mut store) {
                tracing::warn!(%error, "the time of the last sends was not written");
            }
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
    store: &mut Store,
    now_ms: i64,
) {
    if probes.is_empty() {
        return;
    }
    let found = match fault {
        Some(fault) => Err(fault),
        None if proven && store.full().is_none() => Ok(()),
        None => store.probe(now_ms),
    };
    for answer in probes {
        let _ = answer.send(found.clone());
    }
}
