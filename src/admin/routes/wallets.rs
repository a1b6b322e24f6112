//! Wallets: their settings and balance, and the entries an operator makes: top-ups and adjustments,
//! each once under its reference.

use axum::body::Body;
use http::Response;
use serde::{Deserialize, Serialize};

use super::statement::EntryView;
use crate::admin::call::{self, Call};
use crate::admin::problem::Problem;
use crate::amount::Amount;
use crate::catalog::documents::WalletSettings;
use crate::control::{Existing, Made, given, wallet};
use crate::ids::WalletId;
use crate::ledger::WalletView;

/// A wallet as replies show it.
#[derive(Serialize)]
struct WalletAnswer<'a> {
    id: &'a WalletId,
    settled: Amount,
    held: Amount,
    overdraft_limit: Amount,
    available: Amount,
    currency: &'a str,
    exhausted: bool,
    low_balance_thresholds: &'a [Amount],
}

impl<'a> WalletAnswer<'a> {
    fn new(view: &'a WalletView, currency: &'a str) -> WalletAnswer<'a> {
        WalletAnswer {
            id: &view.id,
            settled: view.settled,
            held: view.held,
            overdraft_limit: view.overdraft_limit,
            available: view.available,
            currency,
            exhausted: view.exhausted,
            low_balance_thresholds: &view.low_balance_thresholds,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct WalletBody {
    #[serde(deserialize_with = "given")]
    overdraft_limit: Option<Amount>,
    #[serde(deserialize_with = "given")]
    low_balance_thresholds: Option<Vec<Amount>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TopUpBody {
    amount: Amount,
    reference: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdjustmentBody {
    amount: Amount,
    reference: String,
    reason: String,
}

/// The settings of a body, with what it leaves out set to nothing if the whole wallet is put.
fn settings_of(body: WalletBody, whole: bool) -> WalletSettings {
    if whole {
        WalletSettings {
            overdraft_limit: Some(body.overdraft_limit.unwrap_or_default()),
            low_balance_thresholds: Some(body.low_balance_thresholds.unwrap_or_default()),
        }
    } else {
        WalletSettings {
            overdraft_limit: body.overdraft_limit,
            low_balance_thresholds: body.low_balance_thresholds,
        }
    }
}

pub(super) async fn put(call: &Call) -> Result<Response<Body>, Problem> {
    let id: WalletId = call.new_id("wallet")?;
    let settings = settings_of(call.json()?, true);
    let (control, principal, account) = (&call.control, call.principal()?, &call.account()?.id);
    call.catch_up().await?;
    let (made, view) =
        wallet::put(control, principal, account, &id, &settings, Existing::Replace).await?;
    show(call, &view, made == Made::New)
}

pub(super) async fn patch(call: &Call) -> Result<Response<Body>, Problem> {
    let id: WalletId = call.id("wallet", "wallet")?;
    let settings = settings_of(call.json()?, false);
    let (control, principal, account) = (&call.control, call.principal()?, &call.account()?.id);
    call.catch_up().await?;
    let view = wallet::change(control, principal, account, &id, &settings).await?;
    show(call, &view, false)
}

fn show(call: &Call, view: &WalletView, new: bool) -> Result<Response<Body>, Problem> {
    call::made(new, &WalletAnswer::new(view, &call.account()?.account.currency))
}

pub(super) async fn get(call: &Call) -> Result<Response<Body>, Problem> {
    let id: WalletId = call.id("wallet", "wallet")?;
    call.catch_up().await?;
    let view = wallet::find(&call.control, &call.account()?.id, &id).await?;
    show(call, &view, false)
}

pub(super) async fn list(call: &Call) -> Result<Response<Body>, Problem> {
    call.catch_up().await?;
    let account = call.account()?;
    let wallets = call.control.services.reads.wallets(&account.id).await?;
    let page = call::page_of(
        wallets.iter().map(|wallet| &wallet.id),
        &call.page::<WalletId>()?,
        WalletId::as_str,
    );
    let views: Vec<_> = wallets
        .iter()
        .filter(|wallet| page.items.contains(&&wallet.id))
        .map(|wallet| WalletAnswer::new(wallet, &account.account.currency))
        .collect();
    call::list(&views, page.next.as_deref())
}

pub(super) async fn top_up(call: &Call) -> Result<Response<Body>, Problem> {
    let id: WalletId = call.id("wallet", "wallet")?;
    let TopUpBody { amount, reference } = call.json()?;
    let (control, principal, account) = (&call.control, call.principal()?, call.account()?);
    let (entry, repeated) =
        wallet::top_up(control, principal, &account.id, &id, amount, &reference).await?;
    call::made(!repeated, &EntryView::new(&entry, &account.account.currency))
}

pub(super) async fn adjust(call: &Call) -> Result<Response<Body>, Problem> {
    let id: WalletId = call.id("wallet", "wallet")?;
    let AdjustmentBody { amount, reference, reason } = call.json()?;
    let (control, principal, account) = (&call.control, call.principal()?, call.account()?);
    let (entry, repeated) =
        wallet::adjust(control, principal, &account.id, &id, amount, &reference, &reason).await?;
    call::made(!repeated, &EntryView::new(&entry, &account.account.currency))
}
