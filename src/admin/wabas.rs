//! WABAs: the zone in which Meta's days begin, and the portfolio whose messaging limit counts. A
//! portfolio belongs to one account.

use axum::body::Body;
use http::Response;
use serde::Serialize;

use super::call::{self, Call};
use super::problem::{self, Mistakes, Problem};
use super::{Admin, Existing, Made};
use crate::catalog::documents::{WabaSettings, default_portfolio};
use crate::catalog::{Snapshot, validate};
use crate::ids::{AccountId, IdError, PortfolioId, WabaId};
use crate::ledger::{ClaimKind, DocumentKind};

/// A WABA as answers show it.
#[derive(Serialize)]
struct WabaView<'a> {
    id: &'a WabaId,
    #[serde(flatten)]
    settings: &'a WabaSettings,
}

/// Sets up a WABA of an account that exists. The portfolio `default` is each account's own; any
/// other name is claimed.
///
/// # Errors
/// An unknown time zone; a portfolio that belongs to another account; a ledger that does not
/// answer.
pub async fn put(
    admin: &Admin,
    account: &AccountId,
    id: &WabaId,
    settings: &WabaSettings,
    existing: Existing,
) -> Result<Made, Problem> {
    let snapshot = admin.snapshot(account).await?;
    let before = snapshot.wabas.get(id).map(|waba| waba.settings.portfolio.clone());
    if before.is_some() && existing == Existing::Keep {
        return Ok(Made::Present);
    }
    let mut mistakes = Mistakes::default();
    mistakes.validate("time_zone", validate::time_zone(&settings.time_zone));
    mistakes.check()?;
    let portfolio = &settings.portfolio;
    if *portfolio != default_portfolio() {
        let holder = admin
            .services
            .claims
            .claim(ClaimKind::Portfolio, portfolio.as_str(), account.as_str())
            .await?;
        if holder != account.as_str() {
            return Err(Problem::new(
                &problem::CLAIMED,
                format!("portfolio {portfolio} belongs to another account"),
            ));
        }
    }
    admin.put_document(account, DocumentKind::Waba, id.as_str(), settings, existing).await?;
    if let Some(before) = before.filter(|before| before != portfolio) {
        let snapshot = admin.snapshot(account).await?;
        free_unless_used(admin, &snapshot, &before).await?;
    }
    Ok(if snapshot.wabas.contains_key(id) { Made::Present } else { Made::New })
}

/// Gives a portfolio up that no WABA of the account names any more.
async fn free_unless_used(
    admin: &Admin,
    snapshot: &Snapshot,
    portfolio: &PortfolioId,
) -> Result<(), Problem> {
    if snapshot.wabas.values().any(|waba| waba.settings.portfolio == *portfolio) {
        return Ok(());
    }
    Ok(admin
        .services
        .claims
        .unclaim(ClaimKind::Portfolio, portfolio.as_str(), snapshot.id.as_str())
        .await?)
}

pub(super) async fn put_call(call: &Call) -> Result<Response<Body>, Problem> {
    let id: WabaId = call
        .part("waba")
        .parse()
        .map_err(|error: IdError| Problem::field("waba", error.to_string()))?;
    let settings: WabaSettings = call.json()?;
    let _held = call.admin.settings.hold().await;
    let made = put(&call.admin, &call.account()?.id, &id, &settings, Existing::Replace).await?;
    call::made(made == Made::New, &WabaView { id: &id, settings: &settings })
}

pub(super) async fn list(call: &Call) -> Result<Response<Body>, Problem> {
    let snapshot = call.account()?;
    let page = call::page_of(snapshot.wabas.keys(), &call.page::<WabaId>()?, WabaId::as_str);
    let views: Vec<_> = page
        .items
        .into_iter()
        .filter_map(|id| Some(WabaView { id, settings: &snapshot.wabas.get(id)?.settings }))
        .collect();
    call::list(&views, page.next.as_deref())
}

pub(super) async fn get(call: &Call) -> Result<Response<Body>, Problem> {
    let id: WabaId = call.id("waba", "WABA")?;
    let waba = call.account()?.wabas.get(&id).ok_or_else(|| Problem::unknown("WABA", &id))?;
    call::ok(&WabaView { id: &id, settings: &waba.settings })
}
