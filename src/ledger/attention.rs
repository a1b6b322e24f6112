//! How an account is, read without writing anything, to find whether anything is due for it.

use crate::ledger::LedgerFault;

/// How an account is at a look. Whatever changes in it changes this, but for changes within one
/// millisecond.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attention {
    /// Ledger time of its last batch, Unix milliseconds.
    pub last_ms: i64,
    /// Number of its last statement entry; 0 if there is none.
    pub entries: u64,
    /// Number of its last event; 0 if there is none.
    pub events: u64,
    /// Holds in doubt.
    pub in_doubt: u64,
    /// Ledger time of its last sweep, whichever gateway's; `None` if that is not known.
    pub swept_ms: Option<i64>,
}

/// A look at some accounts.
#[derive(Debug)]
pub struct Attentions {
    /// The store's time, Unix milliseconds.
    pub now_ms: i64,
    /// One for each account asked for, in their order; `None` if there is no such account. What is
    /// wrong with one hides no other.
    pub accounts: Vec<Result<Option<Attention>, LedgerFault>>,
}

/// Since when an account's oldest holds wait, ledger time in Unix milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OldestHolds {
    /// Of the open ones; `None` if there is none.
    pub open_ms: Option<i64>,
    /// Of those in doubt, when it was made; `None` if there is none.
    pub in_doubt_ms: Option<i64>,
}

impl OldestHolds {
    /// Holds of one kind that are looked at for the oldest: they are in order of their ids, which
    /// carry clocks of gateways and not the ledger's.
    pub const LOOKED_AT: usize = 16;
}
