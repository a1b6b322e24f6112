//! Rounds over all accounts. An account in which nothing happens is looked at seldom, and written
//! to only for a sweep in an hour.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::sync::Arc;

use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::visit::{SweepOptions, Visit};
use super::watched::{Ages, Visited, Watched};
use crate::ids::AccountId;
use crate::ledger::{Attentions, LedgerFault, PageRequest};
use crate::services::Services;

/// Accounts looked at in one call, and listed in one round once all are known.
const PAGE: usize = 256;

/// Accounts that something is done for at the same time.
const AT_ONCE: usize = 16;

type Ended = Result<(Id, Result<Visited, LedgerFault>), JoinError>;

/// All accounts, and how far the rounds over them have got.
pub(super) struct Rounds {
    services: Arc<Services>,
    options: SweepOptions,
    ages: Ages,
    accounts: BTreeMap<AccountId, Watched>,
    /// Number of the round.
    round: u64,
    /// The cursor from which accounts are listed next.
    cursor: Option<String>,
    /// Whether all accounts have been listed once.
    listed: bool,
    /// How far the store's clock is ahead of this gateway's.
    ahead_ms: i64,
    /// Events from before this are not told; by this gateway's clock.
    since_ms: i64,
}

impl Rounds {
    pub(super) fn new(services: Arc<Services>, options: SweepOptions) -> Rounds {
        Rounds {
            since_ms: services.opened_ms,
            services,
            options,
            ages: Ages::new(options.open_age, options.in_doubt_age, options.interval),
            accounts: BTreeMap::new(),
            round: 0,
            cursor: None,
            listed: false,
            ahead_ms: 0,
        }
    }

    /// Looks at the accounts that are to be looked at, and does what is due. Fails only if none can
    /// be: what is wrong with one account must not keep the others waiting.
    pub(super) async fn next(&mut self, stop: &CancellationToken) -> Result<(), LedgerFault> {
        self.round = self.round.saturating_add(1);
        self.list().await?;
        for account in self.services.catalog.take_in_use() {
            self.accounts.entry(account).or_default().wake();
        }
        let now_ms = self.services.clock.now_ms().saturating_add(self.ahead_ms);
        let is_wanted = |watched: &Watched| watched.is_wanted(self.round, now_ms, &self.ages);
        let wanted = self.accounts.iter().filter(|(_, watched)| is_wanted(watched));
        let wanted: Vec<AccountId> = wanted.map(|(account, _)| account.clone()).collect();
        for accounts in wanted.chunks(PAGE) {
            if stop.is_cancelled() {
                return Ok(());
            }
            let found = self.services.reads.attention(accounts).await?;
            self.look_after(accounts, found).await;
        }
        let in_doubt = self.accounts.values().map(Watched::in_doubt).fold(0, u64::saturating_add);
        self.services.metrics.holds_in_doubt(in_doubt);
        Ok(())
    }

    /// Lists all accounts once, then a page a round for new ones.
    async fn list(&mut self) -> Result<(), LedgerFault> {
        loop {
            let request = PageRequest { cursor: self.cursor.clone(), limit: PAGE };
            let page = self.services.reads.accounts(&request).await?;
            for account in page.items {
                self.accounts.entry(account).or_default();
            }
            self.cursor = page.next;
            self.listed |= self.cursor.is_none();
            if self.listed {
                return Ok(());
            }
        }
    }

    async fn look_after(&mut self, accounts: &[AccountId], found: Attentions) {
        self.ahead_ms = found.now_ms.saturating_sub(self.services.clock.now_ms());
        let visit = Visit {
            services: self.services.clone(),
            options: self.options,
            ages: self.ages,
            now_ms: found.now_ms,
            since_ms: self.since_ms.saturating_add(self.ahead_ms),
        };
        let mut visits = JoinSet::new();
        let mut visited: HashMap<Id, AccountId> = HashMap::new();
        for (account, attention) in accounts.iter().zip(found.accounts) {
            let Some(watched) = self.accounts.get_mut(account) else { continue };
            let attention = match attention {
                Ok(Some(attention)) => attention,
                Ok(None) => {
                    self.accounts.remove(account);
                    continue;
                }
                Err(fault) => {
                    self.failed(account, &fault);
                    continue;
                }
            };
            let look = watched.look(account, attention, (self.round, found.now_ms));
            if !look.finds_something(&self.ages, found.now_ms) {
                watched.rest(&look, self.round, &self.ages);
                continue;
            }
            if visits.len() >= AT_ONCE
                && let Some(ended) = visits.join_next_with_id().await
            {
                self.end(ended, &mut visited);
            }
            let (visit, of) = (visit.clone(), account.clone());
            let visit = visits.spawn(async move { visit.make(&of, &look).await });
            visited.insert(visit.id(), account.clone());
        }
        while let Some(ended) = visits.join_next_with_id().await {
            self.end(ended, &mut visited);
        }
    }

    fn end(&mut self, ended: Ended, visited: &mut HashMap<Id, AccountId>) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let Some(account) = visited.remove(&id) else { return };
        match ended {
            Ok((_, Ok(visited))) => {
                if let Some(watched) = self.accounts.get_mut(&account) {
                    watched.visited(&visited, self.round, &self.ages);
                }
            }
            Ok((_, Err(fault))) => self.failed(&account, &fault),
            Err(error) => self.failed(&account, &error),
        }
    }

    fn failed(&mut self, account: &AccountId, error: &dyn Display) {
        if let Some(watched) = self.accounts.get_mut(account) {
            watched.failed(self.round, &self.ages);
        }
        tracing::warn!(%account, %error, "an account could not be looked after; the others are");
    }
}
