//! The embedded ledger behind the trait: writes go to its thread as jobs, reads run there between
//! two commits.

use tokio::sync::oneshot;

use super::EmbeddedLedger;
use super::answer::Claim;
use super::error::StoreError;
use super::writer::Job;
use crate::ids::{AccountId, CampaignId, HoldId, PortfolioId, WalletId};
use crate::ledger::state::AccountState;
use crate::ledger::{
    Attention, Attentions, Batch, CampaignView, ClaimKind, Claims, Document, Documents, Entry,
    Event, HoldState, HoldView, Ledger, LedgerFault, LedgerFuture, LedgerReads, OldestHolds, Page,
    PageRequest, UsageRow, Verdict, WalletView,
};

fn fault(error: StoreError) -> LedgerFault {
    LedgerFault::Unavailable(error.to_string().into())
}

/// Cuts a list that was read one item longer than asked, and makes the cursor of the next page.
fn page<T>(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Page<T> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(cursor) } else { None };
    Page { items, next }
}

fn number(cursor: Option<&String>) -> Result<u64, LedgerFault> {
    cursor.map_or(Ok(0), |text| {
        text.parse()
            .map_err(|_| LedgerFault::Refused("that cursor is not one of this list's".into()))
    })
}

impl Ledger for EmbeddedLedger {
    fn apply<'a>(
        &'a self,
        account: &'a AccountId,
        batch: &'a Batch,
    ) -> LedgerFuture<'a, Vec<Verdict>> {
        self.apply_batch(account, batch)
    }

    fn close(&self) -> LedgerFuture<'_, ()> {
        Box::pin(self.ask(|answer: oneshot::Sender<Result<(), LedgerFault>>| Job::Close(answer)))
    }
}

impl Claims for EmbeddedLedger {
    fn claim<'a>(
        &'a self,
        kind: ClaimKind,
        name: &'a str,
        owner: &'a str,
    ) -> LedgerFuture<'a, String> {
        let owner = owner.to_owned();
        self.change_claim(kind, name, move |answer| Claim::Take(owner, answer))
    }

    fn unclaim<'a>(
        &'a self,
        kind: ClaimKind,
        name: &'a str,
        owner: &'a str,
    ) -> LedgerFuture<'a, ()> {
        let owner = owner.to_owned();
        self.change_claim(kind, name, move |answer| Claim::Give(owner, answer))
    }

    fn claimed<'a>(&'a self, kind: ClaimKind, name: &'a str) -> LedgerFuture<'a, Option<String>> {
        let key = (kind, name.to_owned());
        Box::pin(self.read(move |world, _| Ok(world.claims.get(&key).cloned())))
    }

    fn gateways_alive<'a>(&'a self, _gateway: &'a str) -> LedgerFuture<'a, u32> {
        Box::pin(async { Ok(1) })
    }
}

impl LedgerReads for EmbeddedLedger {
    fn accounts<'a>(&'a self, request: &'a PageRequest) -> LedgerFuture<'a, Page<AccountId>> {
        let request = request.clone();
        Box::pin(self.read(move |world, _| {
            let after = |id: &&AccountId| {
                request.cursor.as_deref().is_none_or(|cursor| id.as_str() > cursor)
            };
            let ids = world
                .accounts
                .keys()
                .filter(after)
                .take(request.limit.saturating_add(1))
                .cloned()
                .collect();
            Ok(page(ids, request.limit, AccountId::to_string))
        }))
    }

    fn documents<'a>(&'a self, account: &'a AccountId) -> LedgerFuture<'a, Documents> {
        let account = account.clone();
        Box::pin(self.read(move |world, _| {
            let Some(state) = world.accounts.get(&account) else { return Ok(Documents::default()) };
            let document =
                |((kind, id), body): (&(_, std::sync::Arc<str>), &std::sync::Arc<str>)| Document {
                    kind: *kind,
                    id: id.clone(),
                    body: body.clone(),
                };
            Ok(Documents {
                settings_version: state.settings_version(),
                documents: state.documents().map(document).collect(),
            })
        }))
    }

    fn settings_version<'a>(&'a self, account: &'a AccountId) -> LedgerFuture<'a, u64> {
        let account = account.clone();
        Box::pin(self.read(move |world, _| {
            Ok(world.accounts.get(&account).map_or(0, |state| state.settings_version()))
        }))
    }

    fn wallets<'a>(&'a self, account: &'a AccountId) -> LedgerFuture<'a, Vec<WalletView>> {
        let account = account.clone();
        Box::pin(self.read(move |world, _| {
            Ok(world.accounts.get(&account).map(|state| state.wallet_views()).unwrap_or_default())
        }))
    }

    fn campaign<'a>(
        &'a self,
        account: &'a AccountId,
        campaign: &'a CampaignId,
    ) -> LedgerFuture<'a, Option<CampaignView>> {
        let (account, campaign) = (account.clone(), campaign.clone());
        Box::pin(self.read(move |world, _| {
            Ok(world.accounts.get(&account).and_then(|state| state.campaign_view(&campaign)))
        }))
    }

    fn campaigns<'a>(
        &'a self,
        account: &'a AccountId,
        request: &'a PageRequest,
    ) -> LedgerFuture<'a, Page<CampaignView>> {
        let (account, request) = (account.clone(), request.clone());
        Box::pin(self.read(move |world, _| {
            let Some(state) = world.accounts.get(&account) else {
                return Ok(Page { items: Vec::new(), next: None });
            };
            let ids = state
                .campaign_ids_after(request.cursor.as_deref())
                .take(request.limit.saturating_add(1));
            let views = ids.filter_map(|id| state.campaign_view(id)).collect();
            Ok(page(views, request.limit, |view: &CampaignView| view.id.to_string()))
        }))
    }

    fn usage<'a>(
        &'a self,
        account: &'a AccountId,
        from_day: i32,
        to_day: i32,
    ) -> LedgerFuture<'a, Vec<UsageRow>> {
        let account = account.clone();
        Box::pin(self.read(move |world, _| {
            Ok(world
                .accounts
                .get(&account)
                .map(|state| state.usage_rows(from_day, to_day))
                .unwrap_or_default())
        }))
    }

    fn holds<'a>(
        &'a self,
        account: &'a AccountId,
        state: Option<HoldState>,
        request: &'a PageRequest,
    ) -> LedgerFuture<'a, Page<HoldView>> {
        let (account, request) = (account.clone(), request.clone());
        Box::pin(self.read(move |world, _| {
            let Some(found) = world.accounts.get(&account) else {
                return Ok(Page { items: Vec::new(), next: None });
            };
            let after = request.cursor.as_deref().map(str::parse::<HoldId>).transpose();
            let after = after.map_err(|_| {
                LedgerFault::Refused("that cursor is not one of this list's".into())
            })?;
            let holds = found
                .hold_views_after(state, after)
                .take(request.limit.saturating_add(1))
                .collect();
            Ok(page(holds, request.limit, |view: &HoldView| view.id.to_string()))
        }))
    }

    fn hold<'a>(
        &'a self,
        account: &'a AccountId,
        hold: HoldId,
    ) -> LedgerFuture<'a, Option<HoldView>> {
        let account = account.clone();
        Box::pin(self.read(move |world, _| {
            Ok(world.accounts.get(&account).and_then(|state| state.hold_view(hold)))
        }))
    }

    fn attention<'a>(&'a self, accounts: &'a [AccountId]) -> LedgerFuture<'a, Attentions> {
        let accounts = accounts.to_vec();
        Box::pin(self.read(move |world, _| {
            let attention = |id: &AccountId| {
                let swept_ms = world.swept.get(id).copied();
                let state = world.accounts.get(id)?;
                Some(Attention { swept_ms, ..state.attention() })
            };
            let accounts = accounts.iter().map(|id| Ok(attention(id))).collect();
            Ok(Attentions { now_ms: world.now_ms, accounts })
        }))
    }

    fn oldest_holds<'a>(&'a self, account: &'a AccountId) -> LedgerFuture<'a, OldestHolds> {
        let account = account.clone();
        Box::pin(self.read(move |world, _| {
            Ok(world.accounts.get(&account).map(|state| state.oldest_holds()).unwrap_or_default())
        }))
    }

    fn holds_in_doubt<'a>(&'a self, account: &'a AccountId) -> LedgerFuture<'a, u64> {
        let account = account.clone();
        Box::pin(self.read(move |world, _| {
            Ok(world.accounts.get(&account).map_or(0, |state| state.holds_in_doubt()))
        }))
    }

    fn entries<'a>(
        &'a self,
        account: &'a AccountId,
        wallet: &'a WalletId,
        from_ms: i64,
        to_ms: i64,
        request: &'a PageRequest,
    ) -> LedgerFuture<'a, Page<Entry>> {
        let (account, wallet, request) = (account.clone(), wallet.clone(), request.clone());
        Box::pin(self.read(move |_, store| {
            let after = number(request.cursor.as_ref())?;
            let entries = store
                .entries(
                    &account,
                    &wallet,
                    (from_ms, to_ms),
                    after,
                    request.limit.saturating_add(1),
                )
                .map_err(fault)?;
            Ok(page(entries, request.limit, |entry: &Entry| entry.sequence.to_string()))
        }))
    }

    fn events<'a>(
        &'a self,
        account: &'a AccountId,
        request: &'a PageRequest,
    ) -> LedgerFuture<'a, Page<Event>> {
        let (account, request) = (account.clone(), request.clone());
        Box::pin(self.read(move |world, store| {
            let first = world.accounts.get(&account).map_or(0, AccountState::first_event);
            let after = number(request.cursor.as_ref())?.max(first.saturating_sub(1));
            let events =
                store.events(&account, after, request.limit.saturating_add(1)).map_err(fault)?;
            Ok(page(events, request.limit, |event: &Event| event.sequence.to_string()))
        }))
    }

    fn window_used<'a>(
        &'a self,
        account: &'a AccountId,
        portfolio: &'a PortfolioId,
    ) -> LedgerFuture<'a, u32> {
        let (account, portfolio) = (account.clone(), portfolio.clone());
        Box::pin(self.read(move |world, _| {
            Ok(world.accounts.get(&account).map_or(0, |state| {
                state.window_used(&portfolio, world.now_ms.max(state.last_ms()))
            }))
        }))
    }

    fn probe(&self) -> LedgerFuture<'_, ()> {
        Box::pin(self.ask(Job::Probe))
    }
}
