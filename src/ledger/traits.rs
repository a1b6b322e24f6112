//! The three traits of a ledger, split by use: writing batches, reading, and names that cross
//! accounts. A ledger implements all of them; a caller is given the ones it needs.

use std::future::Future;
use std::pin::Pin;

use super::attention::{Attentions, OldestHolds};
use super::entry::Entry;
use super::event::Event;
use super::fault::LedgerFault;
use super::operation::Batch;
use super::verdict::Verdict;
use super::view::{CampaignView, Documents, HoldState, HoldView, UsageRow, WalletView};
use crate::ids::{AccountId, CampaignId, HoldId, PortfolioId, WalletId};

/// What every call to a ledger returns.
pub type LedgerFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, LedgerFault>> + Send + 'a>>;

/// A name that belongs to one account at most, across all accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClaimKind {
    /// A phone number ID.
    Channel,
    /// A business portfolio.
    Portfolio,
    /// The hash of a gateway key; the value is `account/key id`.
    Key,
}

impl ClaimKind {
    /// Stable name in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            ClaimKind::Channel => "channel",
            ClaimKind::Portfolio => "portfolio",
            ClaimKind::Key => "key",
        }
    }
}

impl ClaimKind {
    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<ClaimKind> {
        [ClaimKind::Channel, ClaimKind::Portfolio, ClaimKind::Key]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

/// A page of a list and the cursor of the next; `next` is `None` on the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in order.
    pub items: Vec<T>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, Default)]
pub struct PageRequest {
    /// A cursor from an earlier page; `None` for the first.
    pub cursor: Option<String>,
    /// Items at most (at least 1).
    pub limit: usize,
}

/// A gateway that reported nothing for this long, in milliseconds, does not count as alive.
pub const ALIVE_MS: i64 = 5_000;

/// Writes: the only way in which an account's state changes. Every call returns within the ledger's
/// deadline.
pub trait Ledger: Send + Sync + 'static {
    /// Decides and applies a batch; one verdict per operation, in order. An account is
    /// created by its account document.
    fn apply<'a>(
        &'a self,
        account: &'a AccountId,
        batch: &'a Batch,
    ) -> LedgerFuture<'a, Vec<Verdict>>;

    /// Ends the work in hand and closes; later calls answer [`LedgerFault::Closed`].
    fn close(&self) -> LedgerFuture<'_, ()>;
}

/// Reads of one account's state. Every call returns within the ledger's deadline.
pub trait LedgerReads: Send + Sync + 'static {
    /// Accounts in order of their ids.
    fn accounts<'a>(&'a self, page: &'a PageRequest) -> LedgerFuture<'a, Page<AccountId>>;

    /// All settings of an account.
    fn documents<'a>(&'a self, account: &'a AccountId) -> LedgerFuture<'a, Documents>;

    /// Grows with every change of the account's settings; 0 if there is no such account. Cheap.
    fn settings_version<'a>(&'a self, account: &'a AccountId) -> LedgerFuture<'a, u64>;

    /// The account's wallets in order of their ids.
    fn wallets<'a>(&'a self, account: &'a AccountId) -> LedgerFuture<'a, Vec<WalletView>>;

    /// One campaign.
    fn campaign<'a>(
        &'a self,
        account: &'a AccountId,
        campaign: &'a CampaignId,
    ) -> LedgerFuture<'a, Option<CampaignView>>;

    /// Campaigns in order of their ids.
    fn campaigns<'a>(
        &'a self,
        account: &'a AccountId,
        page: &'a PageRequest,
    ) -> LedgerFuture<'a, Page<CampaignView>>;

    /// Usage of the days `from_day..=to_day`, in order of day, channel, country, category.
    fn usage<'a>(
        &'a self,
        account: &'a AccountId,
        from_day: i32,
        to_day: i32,
    ) -> LedgerFuture<'a, Vec<UsageRow>>;

    /// Unresolved holds in order of their ids; `state` chooses one kind.
    fn holds<'a>(
        &'a self,
        account: &'a AccountId,
        state: Option<HoldState>,
        page: &'a PageRequest,
    ) -> LedgerFuture<'a, Page<HoldView>>;

    /// One unresolved hold.
    fn hold<'a>(
        &'a self,
        account: &'a AccountId,
        hold: HoldId,
    ) -> LedgerFuture<'a, Option<HoldView>>;

    /// How accounts are, to find those that need something: cheap, and nothing is written.
    fn attention<'a>(&'a self, accounts: &'a [AccountId]) -> LedgerFuture<'a, Attentions>;

    /// Since when the account's oldest holds wait. Cheap.
    fn oldest_holds<'a>(&'a self, account: &'a AccountId) -> LedgerFuture<'a, OldestHolds>;

    /// How many holds are in doubt.
    fn holds_in_doubt<'a>(&'a self, account: &'a AccountId) -> LedgerFuture<'a, u64>;

    /// A wallet's entries with `from_ms <= at_ms < to_ms`, oldest first.
    fn entries<'a>(
        &'a self,
        account: &'a AccountId,
        wallet: &'a WalletId,
        from_ms: i64,
        to_ms: i64,
        page: &'a PageRequest,
    ) -> LedgerFuture<'a, Page<Entry>>;

    /// Events, oldest first.
    fn events<'a>(
        &'a self,
        account: &'a AccountId,
        page: &'a PageRequest,
    ) -> LedgerFuture<'a, Page<Event>>;

    /// Unique recipients that have a slot in the portfolio's 24-hour window now.
    fn window_used<'a>(
        &'a self,
        account: &'a AccountId,
        portfolio: &'a PortfolioId,
    ) -> LedgerFuture<'a, u32>;

    /// Returns if the store can decide a reserve now, which it proves by a write of constant size;
    /// for readiness.
    fn probe(&self) -> LedgerFuture<'_, ()>;
}

/// What crosses accounts: names that one account at most may hold, and which gateways are alive.
/// Every call returns within the ledger's deadline.
pub trait Claims: Send + Sync + 'static {
    /// Claims a name for `owner` unless another holds it; returns who holds it now.
    fn claim<'a>(
        &'a self,
        kind: ClaimKind,
        name: &'a str,
        owner: &'a str,
    ) -> LedgerFuture<'a, String>;

    /// Gives a name up if `owner` holds it.
    fn unclaim<'a>(
        &'a self,
        kind: ClaimKind,
        name: &'a str,
        owner: &'a str,
    ) -> LedgerFuture<'a, ()>;

    /// Who holds a name.
    fn claimed<'a>(&'a self, kind: ClaimKind, name: &'a str) -> LedgerFuture<'a, Option<String>>;

    /// Reports that the gateway of that name is alive; returns how many reported so in the last
    /// [`ALIVE_MS`]; an embedded ledger has one.
    fn gateways_alive<'a>(&'a self, gateway: &'a str) -> LedgerFuture<'a, u32>;
}
