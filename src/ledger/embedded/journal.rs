//! The journal: one record per group with every row the group changed. The table of rows follows
//! later, a few rows with each group, and what it has taken over leaves the journal.
//!
//! Changed rows are told apart by generation. While one generation is filled by new records, the
//! one before is folded into the table; then its records go. A row that changes again moves to the
//! newer generation, for a newer record holds it. So a row that changes with every group is hardly
//! ever written to the table, and a hold that ends within its generation never.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

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

/// Records that are removed with each group at most.
const RECORDS_A_GROUP: i64 = 16;

/// Rows of one account that are newer in the journal than in the table, and whether the table has
/// them. In parts, so that rows near each other in the table are written together.
type Behind = BTreeMap<u16, BTreeMap<Row, bool>>;

/// Rows of all accounts that are newer in the journal than in the table.
#[derive(Default)]
struct Generation {
    accounts: BTreeMap<AccountId, Behind>,
    rows: usize,
}

impl Generation {
    fn get(&self, account: &AccountId, row: &Row) -> Option<bool> {
        self.accounts.get(account)?.get(&part(row))?.get(row).copied()
    }

    fn insert(&mut self, account: &AccountId, row: &Row, in_table: bool) {
        if !self.accounts.contains_key(account) {
            self.accounts.insert(account.clone(), Behind::new());
        }
        let behind = self
            .accounts
            .get_mut(account)
            .and_then(|parts| parts.entry(part(row)).or_default().insert(row.clone(), in_table));
        self.rows += usize::from(behind.is_none());
    }

    fn remove(&mut self, account: &AccountId, row: &Row) -> Option<bool> {
        let parts = self.accounts.get_mut(account)?;
        let rows = parts.get_mut(&part(row))?;
        let in_table = rows.remove(row)?;
        self.rows -= 1;
        if rows.is_empty() {
            parts.remove(&part(row));
            if parts.is_empty() {
                self.accounts.remove(account);
            }
        }
        Some(in_table)
    }

    fn iter(&self) -> impl Iterator<Item = (&AccountId, &Row, bool)> {
        self.accounts.iter().flat_map(|(account, parts)| {
            parts.values().flatten().map(move |(row, in_table)| (account, row, *in_table))
        })
    }
}

/// The part of the table a row is in: by kind, and by a byte that is spread evenly.
fn part(row: &Row) -> u16 {
    let spread = |name: &str| name.bytes().fold(0u8, |sum, byte| sum.wrapping_mul(31) ^ byte);
    let (kind, byte) = match row {
        Row::Account => (0, 0),
        Row::Wallet(id) => (1, spread(id.as_str())),
        Row::Campaign(id) => (2, spread(id.as_str())),
        // The lower part of its time, by which holds are in order.
        Row::Hold(id) => (3, id.as_bytes()[4]),
        Row::Slot(_, recipient) => (4, recipient[0]),
        Row::CapHits(recipient) => (5, recipient[0]),
        Row::Allowance(channel) => (6, spread(channel.as_str())),
        Row::Key(key) => (7, key[0]),
        Row::Sent(_, recipient) => (8, recipient[0]),
        Row::Usage((_, channel, ..)) => (9, spread(channel.as_str())),
        Row::Reference(_, reference) => (10, spread(reference)),
        Row::Document(_, id) => (11, spread(id)),
        Row::Unheard(body) => (12, body[0]),
        Row::Alias(recipient) => (13, recipient[0]),
    };
    u16::from_be_bytes([kind, byte])
}

/// The ends of the journal, and what the table still lacks.
pub(super) struct Journal {
    /// Bytes of records that make a generation.
    size: usize,
    /// Numbers of the first record and of the one after the last.
    first: i64,
    next: i64,
    /// What records after `through` hold, and their bytes.
    filling: Generation,
    filled: usize,
    /// What records up to `through` hold and no newer one.
    folding: Generation,
    through: i64,
    /// Rows that were in `folding` at first.
    folding_began: usize,
}

/// What one group does to journal and table, decided before the transaction and noted after it.
pub(super) struct Step {
    record: Vec<u8>,
    fold: Vec<(AccountId, Row, bool)>,
    /// Records before this number go.
    trim: i64,
}

impl Journal {
    /// What a group in which these accounts changed is to write.
    pub(super) fn step(&self, changed: &[(&AccountId, &AccountState)]) -> Step {
        let mut record = Vec::new();
        for (account, state) in changed {
            put_changes(account, state, &mut record);
        }
        // Done when the next generation is half full.
        let share = self.folding_began.saturating_mul(record.len()).div_ceil(self.size.div_ceil(2));
        let states: BTreeMap<_, _> = changed.iter().copied().collect();
        // What the group itself changes is newer in its record.
        let settled = |(account, row, _): &(&AccountId, &Row, bool)| {
            states.get(account).is_none_or(|state| !state.changes().contains(row))
        };
        let fold = self.folding.iter().filter(settled).take(share.max(ROWS_A_GROUP));
        let fold = fold.map(|(account, row, in_table)| (account.clone(), row.clone(), in_table));
        let trim = if self.folding.rows == 0 {
            self.first.saturating_add(RECORDS_A_GROUP).min(self.through.saturating_add(1))
        } else {
            self.first
        };
        Step { fold: fold.collect(), record, trim }
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
        for (account, row, in_table) in &step.fold {
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
    pub(super) fn done(&mut self, step: Step, changed: &[(&AccountId, &AccountState)]) {
        self.next = self.next.saturating_add(1);
        self.first = step.trim;
        for (account, row, _) in &step.fold {
            self.folding.remove(account, row);
        }
        for (account, state) in changed {
            for (row, was_there) in state.changes().rows() {
                self.note(account, row, was_there);
                // Most holds end before the table hears of them.
                if matches!(row, Row::Hold(id) if !state.holds.contains_key(id))
                    && self.filling.get(account, row) == Some(false)
                {
                    self.filling.remove(account, row);
                }
            }
        }
        self.filled = self.filled.saturating_add(step.record.len());
        self.turn();
    }

    /// A row is newer in the journal than in the table. One that neither generation has was in the
    /// table as it was before the change.
    fn note(&mut self, account: &AccountId, row: &Row, was_there: bool) {
        let in_table = self.folding.remove(account, row);
        let in_table = self.filling.get(account, row).or(in_table).unwrap_or(was_there);
        self.filling.insert(account, row, in_table);
    }

    /// Begins the next generation, if this one is full and the one before is done.
    fn turn(&mut self) {
        let done = self.folding.rows == 0 && self.first > self.through;
        if self.filled < self.size || !done {
            return;
        }
        self.folding = std::mem::take(&mut self.filling);
        self.folding_began = self.folding.rows;
        self.through = self.next.saturating_sub(1);
        self.filled = 0;
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
            let row = shapes::row(input.0)?;
            let content = shapes::content(&row, value)?;
            account_of(&mut accounts, account)?.put(row, Some(content));
        }
        let mut journal = Journal {
            size,
            first: 1,
            next: 1,
            filling: Generation::default(),
            filled: 0,
            folding: Generation::default(),
            through: 0,
            folding_began: 0,
        };
        let mut select =
            connection.prepare("SELECT number, record FROM journal ORDER BY number")?;
        let mut records = select.query([])?;
        while let Some(found) = records.next()? {
            let (number, record): (i64, &[u8]) = (found.get(0)?, blob(found, 1)?);
            if journal.first == journal.next {
                (journal.first, journal.through) = (number, number.saturating_sub(1));
            }
            journal.next = number.saturating_add(1);
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
                self.note(&account, &row, state.content(&row).is_some());
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
