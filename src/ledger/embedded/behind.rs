//! Rows that are newer in the journal than in the table, by generation of the journal: one fills
//! while the one before is folded into the table.

use foldhash::HashMap;

use crate::ids::AccountId;
use crate::ledger::state::Row;

/// What is known of a row that is newer in the journal.
struct Newer {
    /// The generation that has its newest record.
    generation: u64,
    /// Whether the table has the row at all.
    in_table: bool,
}

/// An account's rows that are newer in the journal.
#[derive(Default)]
struct AccountRows {
    newer: HashMap<Row, Newer>,
    /// Rows of the generation that fills, in parts that lie together in the table. A row that has
    /// gone from `newer` is still listed.
    parts: HashMap<u16, Vec<Row>>,
}

/// Rows that lie together in the table, to be folded from the end.
struct Part {
    account: AccountId,
    rows: Vec<Row>,
    sorted: bool,
}

/// A row to be folded, and whether the table has it already.
pub(super) type Fold = (AccountId, Row, bool);

/// All rows that are newer in the journal than in the table.
#[derive(Default)]
pub(super) struct Behind {
    accounts: HashMap<AccountId, AccountRows>,
    /// The generation that fills.
    generation: u64,
    /// What is left of the one before.
    folding: Vec<Part>,
    folding_began: usize,
}

impl Behind {
    /// Whether the generation before the one that fills is in the table.
    pub(super) fn is_folded(&self) -> bool {
        self.folding.is_empty()
    }

    /// Rows that were to be folded when that generation was full.
    pub(super) fn folding_began(&self) -> usize {
        self.folding_began
    }

    /// Notes a row that the record just written holds. One that was not noted before was in the
    /// table if it was there before the change.
    pub(super) fn note(&mut self, account: &AccountId, row: &Row, was_there: bool, is_there: bool) {
        if !self.accounts.contains_key(account) {
            self.accounts.insert(account.clone(), AccountRows::default());
        }
        let Some(AccountRows { newer, parts }) = self.accounts.get_mut(account) else { return };
        let generation = self.generation;
        let in_table = newer.get(row).map_or(was_there, |known| known.in_table);
        if !is_there && !in_table {
            newer.remove(row);
            return;
        }
        let known = newer.insert(row.clone(), Newer { generation, in_table });
        if known.is_none_or(|known| known.generation != generation) {
            parts.entry(part(row)).or_default().push(row.clone());
        }
    }

    /// Begins the next generation.
    pub(super) fn turn(&mut self) {
        for (account, rows) in &mut self.accounts {
            for (_, rows) in rows.parts.drain() {
                self.folding.push(Part { account: account.clone(), rows, sorted: false });
            }
        }
        self.accounts.retain(|_, rows| !rows.newer.is_empty());
        self.folding_began = self.folding.iter().map(|part| part.rows.len()).sum();
        self.generation = self.generation.saturating_add(1);
    }

    /// Which of the next `count` listed rows are to be folded: not those that a newer record holds,
    /// nor those of which `changes` is true, because the next record does.
    pub(super) fn next(
        &mut self,
        count: usize,
        changes: impl Fn(&AccountId, &Row) -> bool,
    ) -> Vec<Fold> {
        let (mut left, mut found) = (count, Vec::new());
        for Part { account, rows, sorted } in self.folding.iter_mut().rev() {
            if !*sorted {
                rows.sort_unstable_by(|a, b| b.cmp(a));
                *sorted = true;
            }
            let newer = self.accounts.get(account).map(|rows| &rows.newer);
            for row in rows.iter().rev().take(left) {
                let known = newer.and_then(|newer| newer.get(row));
                if let Some(known) = known.filter(|known| known.generation < self.generation)
                    && !changes(account, row)
                {
                    found.push((account.clone(), row.clone(), known.in_table));
                }
            }
            left = left.saturating_sub(rows.len());
            if left == 0 {
                break;
            }
        }
        found
    }

    /// The next `count` listed rows are done, and these of them are now in the table.
    pub(super) fn folded(&mut self, count: usize, folds: &[Fold]) {
        for (account, row, _) in folds {
            self.accounts.get_mut(account).map(|rows| rows.newer.remove(row));
        }
        let mut left = count;
        while left > 0
            && let Some(part) = self.folding.last_mut()
        {
            let rest = part.rows.len().saturating_sub(left);
            left = left.saturating_sub(part.rows.len());
            part.rows.truncate(rest);
            if rest == 0 {
                self.folding.pop();
            }
        }
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
        Row::EventDay(_) => (14, 0),
    };
    u16::from_be_bytes([kind, byte])
}
