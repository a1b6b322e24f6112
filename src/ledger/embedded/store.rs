//! The SQLite file of the embedded ledger: journal and rows, statement entries, events and claims,
//! one transaction per group of batches.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::error::StoreError;
use super::journal::{self, Journal};
use super::spare::Spare;
use super::{first_format, history};
use crate::ids::{AccountId, WalletId};
use crate::ledger::state::AccountState;
use crate::ledger::{Cause, ClaimKind, Entry, Event, FaultReason, LedgerFault, StoreIdentity};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS identity (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS claims (
        kind TEXT NOT NULL, name TEXT NOT NULL, owner TEXT NOT NULL,
        PRIMARY KEY (kind, name)) WITHOUT ROWID;
";

/// Raised when the stored shapes change in a way that the version before cannot read.
const FORMAT: i64 = 3;

/// A name that belongs to one account at most.
pub(super) type ClaimKey = (ClaimKind, String);

/// An open database.
pub(super) struct Store {
    connection: Connection,
    journal: Journal,
    spare: Spare,
}

/// What one transaction writes: accounts that changed, and who holds names that changed.
pub(super) struct Group<'a> {
    pub(super) accounts: &'a BTreeMap<AccountId, AccountState>,
    pub(super) changed: Vec<(&'a AccountId, &'a AccountState)>,
    pub(super) claims: Vec<(&'a ClaimKey, Option<&'a str>)>,
}

impl Store {
    /// Opens the file and reads all accounts; `generation` is how many bytes of the journal make a
    /// generation.
    pub(super) fn open(
        path: &Path,
        generation: usize,
    ) -> Result<(Store, BTreeMap<AccountId, AccountState>), StoreError> {
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // FULL: a commit that was answered survives power loss; NORMAL would lose the last ones.
        connection.pragma_update(None, "synchronous", "FULL")?;
        let format: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if format > FORMAT {
            return Err(StoreError::Format { found: format, known: FORMAT });
        }
        if format < FORMAT {
            let transaction = connection.transaction()?;
            let schema = [SCHEMA, history::SCHEMA, journal::SCHEMA].concat();
            match format {
                0 => transaction.execute_batch(&schema)?,
                1 => first_format::take_over(&transaction, &schema)?,
                // The second lacks some rows, and fields at the end of others.
                _ => {}
            }
            transaction.pragma_update(None, "user_version", FORMAT)?;
            transaction.commit()?;
        }
        connection.set_prepared_statement_cache_capacity(32);
        let (journal, accounts) = Journal::load(&connection, generation)?;
        let spare = Spare::beside(path);
        Ok((Store { connection, journal, spare }, accounts))
    }

    /// The store's name and secret, made on first use.
    pub(super) fn identity(&self) -> Result<StoreIdentity, StoreError> {
        let read = |name: &str| {
            self.connection
                .query_row("SELECT value FROM identity WHERE name = ?1", [name], |row| {
                    row.get::<_, Vec<u8>>(0)
                })
                .optional()
        };
        if let (Some(id), Some(pepper)) = (read("ledger_id")?, read("pepper")?) {
            let pepper = pepper
                .try_into()
                .map_err(|_| StoreError::Record("its secret has another length".into()))?;
            let ledger_id = String::from_utf8(id)
                .map_err(|_| StoreError::Record("its name is not text".into()))?;
            return Ok(StoreIdentity { ledger_id, pepper });
        }
        let fresh = StoreIdentity::fresh()
            .map_err(|error| StoreError::Record(format!("no randomness: {error}")))?;
        let mut insert =
            self.connection.prepare("INSERT INTO identity (name, value) VALUES (?1, ?2)")?;
        insert.execute(params!["ledger_id", fresh.ledger_id.as_bytes()])?;
        insert.execute(params!["pepper", fresh.pepper.as_slice()])?;
        Ok(fresh)
    }

    pub(super) fn load_claims(&self) -> Result<BTreeMap<(ClaimKind, String), String>, StoreError> {
        let mut select = self.connection.prepare("SELECT kind, name, owner FROM claims")?;
        let mut rows = select.query([])?;
        let mut claims = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let (kind, name, owner): (String, String, String) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            let kind = ClaimKind::from_name(&kind)
                .ok_or_else(|| StoreError::Record(format!("claim of kind {kind}")))?;
            claims.insert((kind, name), owner);
        }
        Ok(claims)
    }

    /// Why what needs room is not taken on: the disk was full, and has no spare room yet.
    pub(super) fn full(&self) -> Option<LedgerFault> {
        let text = "the disk is full; it takes no new business until there is room again";
        let fault = || LedgerFault::Refused(Cause::new(FaultReason::DiskFull, text));
        self.spare.is_full().then(fault)
    }

    /// The fault of a group that was not committed. Of one that found the disk full it is known
    /// that nothing was written.
    pub(super) fn fault(&mut self, error: &StoreError) -> LedgerFault {
        match error.as_fault("the commit failed") {
            LedgerFault::Unavailable(cause) if error.is_full() => {
                self.spare.give_up();
                LedgerFault::Refused(cause)
            }
            fault => fault,
        }
    }

    /// Writes a group in one transaction; on failure nothing of it is written.
    pub(super) fn commit(&mut self, group: &Group<'_>) -> Result<(), StoreError> {
        let step = self.journal.step(&group.changed);
        let transaction = self.connection.transaction()?;
        for (account, state) in &group.changed {
            history::write_entries(&transaction, account, &state.changes().entries)?;
            history::write_events(&transaction, account, &state.changes().events)?;
            if let Some(before) = state.changes().events_before {
                history::drop_events(&transaction, account, before)?;
            }
        }
        if !group.changed.is_empty() {
            self.journal.write(&step, group.accounts, &transaction)?;
        }
        for (key, owner) in &group.claims {
            write_claim(&transaction, key, *owner)?;
        }
        transaction.commit()?;
        if !group.changed.is_empty() {
            self.journal.done(&step, &group.changed);
        }
        Ok(())
    }

    pub(super) fn entries(
        &self,
        account: &AccountId,
        wallet: &WalletId,
        range: (i64, i64),
        after: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        history::entries(&self.connection, account, wallet, range, after, limit)
    }

    pub(super) fn events(
        &self,
        account: &AccountId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        history::events(&self.connection, account, after, limit)
    }

    /// Writes one row of constant size; the error is that of a group's commit. Keeps spare room
    /// again if there is some.
    pub(super) fn probe(&mut self, now_ms: i64) -> Result<(), LedgerFault> {
        if let Some(fault) = self.full() {
            self.spare.keep().map_err(|_| fault)?;
            tracing::info!("the disk has room again");
        }
        let put = "INSERT OR REPLACE INTO identity (name, value) VALUES ('probe', ?1)";
        let written = self
            .connection
            .prepare_cached(put)
            .and_then(|mut put| put.execute([now_ms.to_be_bytes().as_slice()]));
        match written {
            Ok(_) => Ok(()),
            Err(error) => Err(StoreError::Sqlite(error).as_fault("nothing can be written")),
        }
    }

    /// As if the disk had room for so many pages more, or for as many as there may be.
    #[cfg(test)]
    pub(super) fn set_room(&self, pages: Option<i64>) {
        let count = self.connection.pragma_query_value(None, "page_count", |row| row.get(0));
        let count: i64 = count.expect("a count");
        let most = pages.map_or(i64::from(u32::MAX - 1), |pages| count + pages);
        self.connection.pragma_update(None, "max_page_count", most).expect("a bound");
    }

    /// Folds the write-ahead log into the file.
    pub(super) fn close(&self) {
        if let Err(error) = self.connection.pragma_update(None, "wal_checkpoint", "TRUNCATE") {
            tracing::warn!(
                %error,
                "the write-ahead log stays beside the ledger file; the next start reads it"
            );
        }
    }
}

fn write_claim(
    connection: &Connection,
    (kind, name): &ClaimKey,
    owner: Option<&str>,
) -> Result<(), StoreError> {
    match owner {
        Some(owner) => connection.execute(
            "INSERT OR REPLACE INTO claims (kind, name, owner) VALUES (?1, ?2, ?3)",
            params![kind.as_str(), name, owner],
        )?,
        None => connection.execute(
            "DELETE FROM claims WHERE kind = ?1 AND name = ?2",
            params![kind.as_str(), name],
        )?,
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::journal::GENERATION;
    use super::{Store, StoreError};
    use crate::ledger::{FaultReason, LedgerFault};

    #[test]
    fn a_disk_without_room_and_a_file_that_may_not_be_written_are_told_apart() {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut store, _) =
            Store::open(&directory.path().join("ledger"), GENERATION).expect("a store");
        assert_eq!(store.probe(1), Ok(()));
        let reason = |result: Result<(), LedgerFault>| result.expect_err("a fault").reason();
        store.set_room(Some(0));
        let grown = store
            .connection
            .execute("INSERT INTO identity (name, value) VALUES ('large', zeroblob(1000000))", []);
        let full = grown.map(drop).map_err(|error| StoreError::Sqlite(error).as_fault("full"));
        assert_eq!(reason(full), FaultReason::DiskFull);
        store.connection.pragma_update(None, "query_only", true).expect("a mode");
        assert_eq!(reason(store.probe(2)), FaultReason::Unwritable);
        store.connection.pragma_update(None, "query_only", false).expect("a mode");
        assert_eq!(store.probe(3), Ok(()));
    }
}
