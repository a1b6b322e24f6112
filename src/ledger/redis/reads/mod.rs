//! Redis behind the traits. Lists are read in pages from sorted buckets. Nothing is read in a
//! transaction: a full server refuses those.

mod attention;
mod campaigns;
mod holds;
mod journal;
mod settings;

use redis::Pipeline;

use super::RedisLedger;
use crate::ids::{AccountId, CampaignId, HoldId, PortfolioId, WalletId};
use crate::ledger::{
    Attentions, Batch, CampaignView, ClaimKind, Claims, Documents, Entry, Event, HoldState,
    HoldView, Ledger, LedgerFault, LedgerFuture, LedgerReads, OldestHolds, Page, PageRequest,
    UsageRow, Verdict, WalletView,
};

type Bytes = Vec<u8>;

fn foreign_cursor() -> LedgerFault {
    LedgerFault::Refused("that cursor is not one of this list's".into())
}

/// Cuts a list that was read one item longer than asked, and makes the cursor of the next page.
fn page<T>(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Page<T> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(cursor) } else { None };
    Page { items, next }
}

impl RedisLedger {
    async fn pipe<T: redis::FromRedisValue>(&self, pipe: &Pipeline) -> Result<T, LedgerFault> {
        self.open()?;
        self.reads.run(async |live| pipe.query_async(&mut live.connection.clone()).await).await
    }

    pub(super) async fn read_claim(
        &self,
        kind: ClaimKind,
        name: &str,
    ) -> Result<Option<String>, LedgerFault> {
        let mut pipe = redis::pipe();
        pipe.cmd("HGET").arg(self.keys.claims(kind)).arg(name);
        let (owner,): (Option<String>,) = self.pipe(&pipe).await?;
        Ok(owner)
    }
}

impl Ledger for RedisLedger {
    fn apply<'a>(
        &'a self,
        account: &'a AccountId,
        batch: &'a Batch,
    ) -> LedgerFuture<'a, Vec<Verdict>> {
        Box::pin(self.apply_batch(account, batch))
    }

    fn close(&self) -> LedgerFuture<'_, ()> {
        Box::pin(async {
            self.closed.store(true, std::sync::atomic::Ordering::Release);
            Ok(())
        })
    }
}

impl Claims for RedisLedger {
    fn claim<'a>(
        &'a self,
        kind: ClaimKind,
        name: &'a str,
        owner: &'a str,
    ) -> LedgerFuture<'a, String> {
        Box::pin(self.take_claim(kind, name, owner))
    }

    fn unclaim<'a>(
        &'a self,
        kind: ClaimKind,
        name: &'a str,
        owner: &'a str,
    ) -> LedgerFuture<'a, ()> {
        Box::pin(self.give_claim(kind, name, owner))
    }

    fn claimed<'a>(&'a self, kind: ClaimKind, name: &'a str) -> LedgerFuture<'a, Option<String>> {
        Box::pin(self.read_claim(kind, name))
    }

    fn gateways_alive<'a>(&'a self, gateway: &'a str) -> LedgerFuture<'a, u32> {
        Box::pin(self.count_gateways(gateway))
    }
}

impl LedgerReads for RedisLedger {
    fn accounts<'a>(&'a self, page: &'a PageRequest) -> LedgerFuture<'a, Page<AccountId>> {
        Box::pin(self.list_accounts(page))
    }

    fn documents<'a>(&'a self, account: &'a AccountId) -> LedgerFuture<'a, Documents> {
        Box::pin(self.read_documents(account))
    }

    fn settings_version<'a>(&'a self, account: &'a AccountId) -> LedgerFuture<'a, u64> {
        Box::pin(self.read_settings_version(account))
    }

    fn wallets<'a>(&'a self, account: &'a AccountId) -> LedgerFuture<'a, Vec<WalletView>> {
        Box::pin(self.read_wallets(account))
    }

    fn campaign<'a>(
        &'a self,
        account: &'a AccountId,
        campaign: &'a CampaignId,
    ) -> LedgerFuture<'a, Option<CampaignView>> {
        Box::pin(async move {
            Ok(self.read_campaigns(account, std::slice::from_ref(campaign)).await?.pop())
        })
    }

    fn campaigns<'a>(
        &'a self,
        account: &'a AccountId,
        page: &'a PageRequest,
    ) -> LedgerFuture<'a, Page<CampaignView>> {
        Box::pin(self.list_campaigns(account, page))
    }

    fn usage<'a>(
        &'a self,
        account: &'a AccountId,
        from_day: i32,
        to_day: i32,
    ) -> LedgerFuture<'a, Vec<UsageRow>> {
        Box::pin(self.read_usage(account, from_day, to_day))
    }

    fn holds<'a>(
        &'a self,
        account: &'a AccountId,
        state: Option<HoldState>,
        page: &'a PageRequest,
    ) -> LedgerFuture<'a, Page<HoldView>> {
        Box::pin(self.list_holds(account, state, page))
    }

    fn hold<'a>(
        &'a self,
        account: &'a AccountId,
        hold: HoldId,
    ) -> LedgerFuture<'a, Option<HoldView>> {
        Box::pin(self.read_hold(account, hold))
    }

    fn attention<'a>(&'a self, accounts: &'a [AccountId]) -> LedgerFuture<'a, Attentions> {
        Box::pin(self.read_attention(accounts))
    }

    fn oldest_holds<'a>(&'a self, account: &'a AccountId) -> LedgerFuture<'a, OldestHolds> {
        Box::pin(self.read_oldest_holds(account))
    }

    fn holds_in_doubt<'a>(&'a self, account: &'a AccountId) -> LedgerFuture<'a, u64> {
        Box::pin(self.count_in_doubt(account))
    }

    fn entries<'a>(
        &'a self,
        account: &'a AccountId,
        wallet: &'a WalletId,
        from_ms: i64,
        to_ms: i64,
        page: &'a PageRequest,
    ) -> LedgerFuture<'a, Page<Entry>> {
        Box::pin(self.list_entries(account, wallet, (from_ms, to_ms), page))
    }

    fn events<'a>(
        &'a self,
        account: &'a AccountId,
        page: &'a PageRequest,
    ) -> LedgerFuture<'a, Page<Event>> {
        Box::pin(self.list_events(account, page))
    }

    fn window_used<'a>(
        &'a self,
        account: &'a AccountId,
        portfolio: &'a PortfolioId,
    ) -> LedgerFuture<'a, u32> {
        Box::pin(self.count_window(account, portfolio))
    }

    fn probe(&self) -> LedgerFuture<'_, ()> {
        Box::pin(self.probe_store())
    }
}
