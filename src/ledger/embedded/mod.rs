//! The embedded ledger: one process, nothing to install. The rules decide in memory on one thread;
//! a group of batches is one SQLite transaction, and nobody is answered before its commit.

mod answer;
mod behind;
mod compact;
mod error;
mod first_format;
mod history;
mod journal;
mod reads;
mod shapes;
mod spare;
mod store;
mod world;
mod writer;

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tokio::sync::oneshot;

use super::{Batch, ClaimKind, LedgerFault, LedgerFuture, OpenLedger, StoreIdentity, Verdict};
use crate::clock::Clock;
use crate::ids::AccountId;
use answer::{Answer, Claim};
use store::Store;
use world::World;
use writer::Job;

/// Jobs that may wait for the ledger's thread; more are refused at once.
const QUEUE: usize = 8192;

/// No job on the thread takes longer unless the disk hangs.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// A ledger in a directory of its own, locked for this process.
pub struct EmbeddedLedger {
    identity: StoreIdentity,
    opened_ms: i64,
    jobs: SyncSender<Job>,
}

/// Why an embedded ledger cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process uses the directory.
    #[error("{0} is in use by another process; an embedded ledger serves one gateway")]
    InUse(String),
    /// The directory cannot be made or locked.
    #[error("{0}: {1}")]
    Directory(String, std::io::Error),
    /// The database cannot be opened or read.
    #[error("{0}: {1}")]
    Database(String, String),
}

impl EmbeddedLedger {
    /// Opens the ledger in `directory`, making both if they do not exist. Holds that were open
    /// when the last process ended become in doubt, because nobody knows any more what became of
    /// them.
    pub fn open(directory: &Path, clock: Clock) -> Result<EmbeddedLedger, OpenError> {
        EmbeddedLedger::open_sized(directory, clock, journal::GENERATION)
    }

    /// As [`EmbeddedLedger::open`], with another number of bytes after which the journal is
    /// brought into the table, so that a test sees it happen.
    pub fn open_sized(
        directory: &Path,
        clock: Clock,
        generation_bytes: usize,
    ) -> Result<EmbeddedLedger, OpenError> {
        let opened_ms = clock.now_ms();
        let name = directory.display().to_string();
        std::fs::create_dir_all(directory)
            .map_err(|error| OpenError::Directory(name.clone(), error))?;
        let lock = File::create(directory.join("lock"))
            .map_err(|error| OpenError::Directory(name.clone(), error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(name)),
            Err(TryLockError::Error(error)) => return Err(OpenError::Directory(name, error)),
        }
        let database =
            |error: error::StoreError| OpenError::Database(name.clone(), error.to_string());
        let (mut store, accounts) =
            Store::open(&directory.join("ledger.sqlite3"), generation_bytes).map_err(database)?;
        let identity = store.identity().map_err(database)?;
        let mut world = World::new(accounts, store.load_claims().map_err(database)?);
        world.orphan_open_holds(&clock);
        world.persist(&mut store).map_err(database)?;
        let (jobs, queue) = sync_channel(QUEUE);
        std::thread::Builder::new()
            .name("ledger".into())
            .spawn(move || writer::run(store, world, clock, lock, &queue))
            .map_err(|error| OpenError::Directory(directory.display().to_string(), error))?;
        Ok(EmbeddedLedger { identity, opened_ms, jobs })
    }

    /// The store's name and secret.
    pub fn identity(&self) -> &StoreIdentity {
        &self.identity
    }

    /// The ledger as its parts. Every acknowledged batch survives a crash of process and machine.
    pub fn into_open(self) -> OpenLedger {
        let (identity, opened_ms) = (self.identity.clone(), self.opened_ms);
        OpenLedger::new(self, identity, "fsync", opened_ms)
    }

    async fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(Answer<T>) -> Job,
    ) -> Result<T, LedgerFault> {
        let (answer, answered) = oneshot::channel();
        self.jobs.try_send(job(answer)).map_err(|error| match error {
            TrySendError::Full(_) => LedgerFault::Unavailable("its queue is full".into()),
            TrySendError::Disconnected(_) => LedgerFault::Closed("it was shut down".into()),
        })?;
        match tokio::time::timeout(ANSWER_DEADLINE, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(LedgerFault::Closed("it was shut down".into())),
            Err(_) => {
                let text = format!("no answer within {} s", ANSWER_DEADLINE.as_secs());
                Err(LedgerFault::Unavailable(text.into()))
            }
        }
    }

    /// Runs a read on the ledger's thread, after the last commit.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&World, &Store) -> Result<T, LedgerFault> + Send + 'static,
    ) -> Result<T, LedgerFault> {
        self.ask(|answer| {
            Job::Read(Box::new(move |world, store| {
                let _ = answer.send(read(world, store));
            }))
        })
        .await
    }

    fn apply_batch<'a>(
        &'a self,
        account: &'a AccountId,
        batch: &'a Batch,
    ) -> LedgerFuture<'a, Vec<Verdict>> {
        Box::pin(self.ask(|answer| Job::Apply {
            account: account.clone(),
            batch: batch.clone(),
            answer,
        }))
    }

    fn change_claim<'a, T: Send + 'static>(
        &'a self,
        kind: ClaimKind,
        name: &str,
        change: impl FnOnce(Answer<T>) -> Claim + Send + 'a,
    ) -> LedgerFuture<'a, T> {
        let key = (kind, name.to_owned());
        Box::pin(self.ask(move |answer| Job::Claim { key, change: change(answer) }))
    }
}
