//! The journal: one record per group with every row the group changed. The table of rows follows
//! later, a few rows with each group, and what it has taken over leaves the journal.
//!
//! Changed rows are told apart by generation. While one generation is filled by new records, the
//! one before is folded into the table; then its records go. A row that changes again moves to the
//! newer generation, for a newer record holds it. So a row that changes with every group is hardly
//! ever written to the table, and a hold that ends within its generation never.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::behind::{Behind, Fold};
use super::compact::{Compact, Input, Malformed, put_sized};
use super::error::StoreError;
use super::shapes;
use crate::ids::AccountId;
use crate::ledger::state::{AccountState, Content, Row};

pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS journal (number INTEGER PRIMARY KEY, record BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS rows (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
";

/// Bytes of records that make a generation, unless a test wants fewer; recovery reads two
/// generations at most.
pub(super) const GENERATION: usize = 16 << 20;

/// Rows that are brought into the table with each group at least, if there are any.
const ROWS_A_GROUP: usize = 16;

/// Records that are removed with each group, unless so few would not do.
const RECORDS_A_GROUP: usize = 16;

/// The ends of the journal, and what the table still lacks.
pub(super) struct Journal {
    /// Bytes of records that make a generation.
    size: usize,
    /// Numbers of the first record and of the one after the last.
    first: i64,
    next: i64,
    /// The last record of the generation that is folded.
    through: i64,
    /// Bytes of the records after it.
    filled: usize,
    behind: Behind,
}

/// What one group does to journal and table, decided before the transaction and noted after it.
pub(super) struct Step {
    record: Vec<u8>,
    folds: Vec<Fold>,
    /// Rows these were chosen from.
    looked_at: usize,
    /// Records before this number go.
    trim: i64,
}

impl Journal {
    /// What a group in which these accounts changed is to write.
    pub(super) fn step(&mut self, changed: &[(&AccountId, &AccountState)]) -> Step {
        let mut record = Vec::new();
        for (account, state) in changed {
            put_changes(account, state, &mut record);
        }
        if self.behind.is_folded() {
            let trim = self.trim(record.len());
            return Step { record, folds: Vec::new(), looked_at: 0, trim };
        }
        // Done when the next generation is half full.
        let began = self.behind.folding_began();
        let share = began.saturating_mul(record.len()).div_ceil(self.size.div_ceil(2));
        let looked_at = share.max(ROWS_A_GROUP);
        let states: BTreeMap<_, _> = changed.iter().copied().collect();
        let changes = |account: &AccountId, row: &Row| {
            states.get(account).is_some_and(|state| state.changes().contains(row))
        };
        let folds = self.behind.next(looked_at, changes);
        Step { record, folds, looked_at, trim: self.first }
    }

    /// The first record that stays after a group whose record has so many bytes: all that are
    /// folded are gone before the next generation is full.
    fn trim(&self, bytes: usize) -> i64 {
        let left = usize::try_from(self.through + 1 - self.first).unwrap_or(0);
        let groups = self.size.saturating_sub(self.filled) / bytes.max(1);
        let share = left.div_ceil(groups.max(1)).max(RECORDS_A_GROUP).min(left);
        self.first + i64::try_from(share).unwrap_or(0)
    }

    /// Writes the step within the group's transaction.
    pub(super) fn write(
        &self,
        step: &Step,
        accounts: &BTreeMap<AccountId, AccountState>,
        connection: &Connection,
    ) -> Result<(), StoreError> {
        connection
            .prepare_cached("INSERT INTO journal (number, record) VALUES (?1, ?2)")?
            .execute(params![self.next, step.record])?;
        for (account, row, in_table) in &step.folds {
            let (mut key, mut value) = (shapes::account_key(account), Vec::new());
            shapes::put_key(row, &mut key);
            let state = accounts.get(account);
            if state.is_some_and(|state| shapes::put_content(state, row, &mut value)) {
                connection
                    .prepare_cached("INSERT OR REPLACE INTO rows (key, value) VALUES (?1, ?2)")?
                    .execute(params![key, value])?;
            } else if *in_table {
                connection.prepare_cached("DELETE FROM rows WHERE key = ?1")?.execute([&key])?;
            }
        }
        if step.trim > self.first {
            connection
                .prepare_cached("DELETE FROM journal WHERE number < ?1")?
                .execute([step.trim])?;
        }
        Ok(())
    }

    /// Notes what the group has written, once it is committed.
    pub(super) fn done(&mut self, step: &Step, changed: &[(&AccountId, &AccountState)]) {
        self.next += 1;
        self.first = step.trim;
        self.behind.folded(step.looked_at, &step.folds);
        for (account, state) in changed {
            for (row, was_there) in state.changes().rows() {
                // Most holds end before the table hears of them; other rows mostly stay.
                let ended = matches!(row, Row::Hold(id) if !state.holds.contains_key(id));
                self.behind.note(account, row, was_there, !ended);
            }
        }
        self.filled = self.filled.saturating_add(step.record.len());
        self.turn();
    }

    /// Begins the next generation, if this one is full and the one before is done.
    fn turn(&mut self) {
        let done = self.behind.is_folded() && self.first > self.through;
        if self.filled >= self.size && done {
            self.behind.turn();
            self.through = self.next - 1;
            self.filled = 0;
        }
    }

    /// Reads all rows: the table, then what the journal holds beyond it.
    pub(super) fn load(
        connection: &Connection,
        size: usize,
    ) -> Result<(Journal, BTreeMap<AccountId, AccountState>), StoreError> {
        let mut accounts = BTreeMap::new();
        let mut select = connection.prepare("SELECT key, value FROM rows ORDER BY key")?;
        let mut rows = select.query([])?;
        while let Some(found) = rows.next()? {
            let (key, value) = (blob(found, 0)?, blob(found, 1)?);
            let mut input = Input(key);
            let account = input.text_until_zero()?;
            let kind = input.0.first().copied();
            let read = shapes::row(input.0)
                .and_then(|row| shapes::content(&row, value).map(|content| (row, content)));
            let (row, content) = read.map_err(|error| {
                StoreError::Record(format!("{error}, a row of kind {kind:?} of account {account}"))
            })?;
            account_of(&mut accounts, account)?.put(row, Some(content));
        }
        let behind = Behind::default();
        let mut journal = Journal { size, first: 1, next: 1, through: 0, filled: 0, behind };
        let mut select =
            connection.prepare("SELECT number, record FROM journal ORDER BY number")?;
        let mut records = select.query([])?;
        while let Some(found) = records.next()? {
            let (number, record): (i64, &[u8]) = (found.get(0)?, blob(found, 1)?);
            if journal.first == journal.next {
                (journal.first, journal.through) = (number, number - 1);
            }
            journal.next = number + 1;
            journal.filled = journal.filled.saturating_add(record.len());
            journal.replay(record, &mut accounts)?;
        }
        journal.turn();
        Ok((journal, accounts))
    }

    /// Puts a record's rows in place of what they hold.
    fn replay(
        &mut self,
        record: &[u8],
        accounts: &mut BTreeMap<AccountId, AccountState>,
    ) -> Result<(), StoreError> {
        let mut input = Input(record);
        while !input.0.is_empty() {
            let account: AccountId = Compact::take(&mut input)?;
            let state = account_of(accounts, account.as_str())?;
            for _ in 0..usize::take(&mut input)? {
                let row = shapes::row(input.sized()?)?;
                let content: Option<Content> = match bool::take(&mut input)? {
                    true => Some(shapes::content(&row, input.sized()?)?),
                    false => None,
                };
                let was_there = state.content(&row).is_some();
                self.behind.note(&account, &row, was_there, content.is_some());
                state.put(row, content);
            }
        }
        Ok(())
    }
}

/// Writes an account's changed rows as they now are.
fn put_changes(account: &AccountId, state: &AccountState, out: &mut Vec<u8>) {
    account.put(out);
    state.changes().rows().count().put(out);
    let mut bytes = Vec::new();
    for (row, _) in state.changes().rows() {
        bytes.clear();
        shapes::put_key(row, &mut bytes);
        put_sized(&bytes, out);
        bytes.clear();
        let is_there = shapes::put_content(state, row, &mut bytes);
        is_there.put(out);
        if is_there {
            put_sized(&bytes, out);
        }
    }
}

fn blob<'a>(row: &'a rusqlite::Row<'_>, index: usize) -> Result<&'a [u8], StoreError> {
    row.get_ref(index)?.as_blob().map_err(|_| Malformed.into())
}

/// The state of an account, made if it is the first of its rows. Rows come in order of accounts.
fn account_of<'a>(
    accounts: &'a mut BTreeMap<AccountId, AccountState>,
    name: &str,
) -> Result<&'a mut AccountState, StoreError> {
    if !accounts.contains_key(name) {
        accounts.insert(name.parse().map_err(|_| Malformed)?, AccountState::default());
    }
    accounts.get_mut(name).ok_or_else(|| Malformed.into())
}
