//! The SQLite file of the embedded ledger: rows of state, statement entries and events, one
//! transaction per group of batches.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, params};

use super::persist;
use crate::ids::{AccountId, WalletId};
use crate::ledger::state::{AccountState, Changes};
use crate::ledger::{Cause, ClaimKind, Entry, Event, FaultReason, LedgerFault, StoreIdentity};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS identity (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS rows (
        account TEXT NOT NULL, kind INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
        PRIMARY KEY (account, kind, key)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS entries (
        account TEXT NOT NULL, sequence INTEGER NOT NULL, wallet TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        value TEXT NOT NULL, PRIMARY KEY (account, sequence)) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS entries_of_wallet ON entries (account, wallet, sequence);
    CREATE TABLE IF NOT EXISTS events (
        account TEXT NOT NULL, sequence INTEGER NOT NULL, value TEXT NOT NULL,
        PRIMARY KEY (account, sequence)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS claims (
        kind TEXT NOT NULL, name TEXT NOT NULL, owner TEXT NOT NULL,
        PRIMARY KEY (kind, name)) WITHOUT ROWID;
";

/// Bumped when the stored shapes change.
const FORMAT: i64 = 1;

/// What can go wrong with the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("the ledger holds a record this version cannot read: {0}")]
    Record(String),
    #[error("the ledger was written by another version (format {0}, this version reads {FORMAT})")]
    Format(i64),
}

impl StoreError {
    /// The fault of a ledger on such a file, in the right word.
    pub(super) fn as_fault(&self, what: &str) -> LedgerFault {
        let reason = match self {
            StoreError::Sqlite(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => FaultReason::DiskFull,
                Some(
                    ErrorCode::ReadOnly
                    | ErrorCode::CannotOpen
                    | ErrorCode::PermissionDenied
                    | ErrorCode::SystemIoFailure,
                ) => FaultReason::Unwritable,
                _ => FaultReason::Other,
            },
            StoreError::Record(_) | StoreError::Format(_) => FaultReason::Other,
        };
        LedgerFault::Unavailable(Cause::new(reason, format!("{what}: {self}")))
    }
}

/// An open database.
pub(super) struct Store {
    connection: Connection,
}

impl Store {
    pub(super) fn open(path: &Path) -> Result<Store, StoreError> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // FULL: a commit that was answered survives power loss; NORMAL would lose the last ones.
        connection.pragma_update(None, "synchronous", "FULL")?;
        let format: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match format {
            0 => connection.pragma_update(None, "user_version", FORMAT)?,
            FORMAT => {}
            other => return Err(StoreError::Format(other)),
        }
        connection.execute_batch(SCHEMA)?;
        connection.set_prepared_statement_cache_capacity(32);
        Ok(Store { connection })
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

    pub(super) fn load_accounts(&self) -> Result<BTreeMap<AccountId, AccountState>, StoreError> {
        let mut accounts: BTreeMap<AccountId, AccountState> = BTreeMap::new();
        let mut select = self.connection.prepare("SELECT account, kind, key, value FROM rows")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let account: String = row.get(0)?;
            let account = account
                .parse::<AccountId>()
                .map_err(|error| StoreError::Record(format!("account {account}: {error}")))?;
            let (kind, key, value): (u8, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
            let state = accounts.entry(account).or_default();
            persist::restore(state, kind, &key, &value)
                .map_err(|error| StoreError::Record(format!("{kind}/{key}: {error}")))?;
        }
        Ok(accounts)
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

    pub(super) fn begin(&mut self) -> Result<Group<'_>, StoreError> {
        Ok(Group { transaction: self.connection.transaction()? })
    }

    pub(super) fn entries(
        &self,
        account: &AccountId,
        wallet: &WalletId,
        range: (i64, i64),
        after: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT value FROM entries WHERE account = ?1 AND wallet = ?2 AND sequence > ?3
               AND at_ms >= ?4 AND at_ms < ?5
             ORDER BY sequence LIMIT ?6",
        )?;
        let bind = params![
            account.as_str(),
            wallet.as_str(),
            whole(after),
            range.0,
            range.1,
            whole(limit)
        ];
        let rows = select.query_map(bind, |row| row.get::<_, String>(0))?;
        rows.map(|text| parse(&text?)).collect()
    }

    pub(super) fn events(
        &self,
        account: &AccountId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT value FROM events WHERE account = ?1 AND sequence > ?2
             ORDER BY sequence LIMIT ?3",
        )?;
        let rows = select
            .query_map(params![account.as_str(), whole(after), whole(limit)], |row| {
                row.get::<_, String>(0)
            })?;
        rows.map(|text| parse(&text?)).collect()
    }

    /// Writes one row of constant size; the error is that of a group's commit.
    pub(super) fn probe(&self, now_ms: i64) -> Result<(), LedgerFault> {
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

/// SQLite's integers are signed; sequence numbers and limits never come near the difference.
fn whole(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Record(error.to_string()))
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Record(error.to_string()))
}

/// One transaction.
pub(super) struct Group<'a> {
    transaction: Transaction<'a>,
}

impl Group<'_> {
    pub(super) fn write(
        &self,
        account: &AccountId,
        state: &AccountState,
        changes: &Changes,
    ) -> Result<(), StoreError> {
        let mut put = self.transaction.prepare_cached(
            "INSERT OR REPLACE INTO rows (account, kind, key, value) VALUES (?1, ?2, ?3, ?4)",
        )?;
        let mut delete = self
            .transaction
            .prepare_cached("DELETE FROM rows WHERE account = ?1 AND kind = ?2 AND key = ?3")?;
        for row in &changes.rows {
            let (kind, key, value) = persist::encode(state, row)
                .map_err(|error| StoreError::Record(error.to_string()))?;
            match value {
                Some(value) => put.execute(params![account.as_str(), kind, key, value])?,
                None => delete.execute(params![account.as_str(), kind, key])?,
            };
        }
        let mut insert = self.transaction.prepare_cached(
            "INSERT INTO entries (account, sequence, wallet, at_ms, value)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        for entry in &changes.entries {
            insert.execute(params![
                account.as_str(),
                whole(entry.sequence),
                entry.wallet.as_str(),
                entry.at_ms,
                to_json(entry)?
            ])?;
        }
        let mut insert = self
            .transaction
            .prepare_cached("INSERT INTO events (account, sequence, value) VALUES (?1, ?2, ?3)")?;
        for event in &changes.events {
            insert.execute(params![account.as_str(), whole(event.sequence), to_json(event)?])?;
        }
        Ok(())
    }

    pub(super) fn write_claim(
        &self,
        kind: ClaimKind,
        name: &str,
        owner: Option<&str>,
    ) -> Result<(), StoreError> {
        match owner {
            Some(owner) => self.transaction.execute(
                "INSERT OR REPLACE INTO claims (kind, name, owner) VALUES (?1, ?2, ?3)",
                params![kind.as_str(), name, owner],
            )?,
            None => self.transaction.execute(
                "DELETE FROM claims WHERE kind = ?1 AND name = ?2",
                params![kind.as_str(), name],
            )?,
        };
        Ok(())
    }

    pub(super) fn commit(self) -> Result<(), StoreError> {
        Ok(self.transaction.commit()?)
    }
}

#[cfg(test)]
mod tests {
    use super::{Store, StoreError};
    use crate::ledger::{FaultReason, LedgerFault};

    #[test]
    fn a_disk_without_room_and_a_file_that_may_not_be_written_are_told_apart() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(&directory.path().join("ledger")).expect("a store");
        assert_eq!(store.probe(1), Ok(()));
        let reason = |result: Result<(), LedgerFault>| result.expect_err("a fault").reason();
        let pages = store.connection.pragma_query_value(None, "page_count", |row| row.get(0));
        let pages: i64 = pages.expect("a count");
        store.connection.pragma_update(None, "max_page_count", pages).expect("a bound");
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
