//! Accounts: created by an operator with a wallet `main`, changed field by field; currency and time
//! zone are fixed for good.

use axum::body::Body;
use http::Response;
use serde::Serialize;

use crate::admin::call::{self, Call};
use crate::admin::problem::Problem;
use crate::catalog::documents::AccountSettings;
use crate::control::Made;
use crate::control::account::{self, AccountChange};
use crate::ids::AccountId;

/// An account as replies show it.
#[derive(Serialize)]
struct AccountView<'a> {
    id: &'a AccountId,
    #[serde(flatten)]
    settings: &'a AccountSettings,
}

pub(super) async fn post(call: &Call) -> Result<Response<Body>, Problem> {
    let change: AccountChange = call.json()?;
    let (snapshot, made) = account::create_from(&call.control, call.principal()?, change).await?;
    let view = AccountView { id: &snapshot.id, settings: &snapshot.account };
    call::made(made == Made::New, &view)
}

pub(super) async fn list(call: &Call) -> Result<Response<Body>, Problem> {
    let page = call.control.services.reads.accounts(&call.page::<AccountId>()?).await?;
    let mut snapshots = Vec::with_capacity(page.items.len());
    for id in &page.items {
        snapshots.extend(call.control.services.catalog.account(id).await?);
    }
    let views: Vec<_> = snapshots
        .iter()
        .map(|snapshot| AccountView { id: &snapshot.id, settings: &snapshot.account })
        .collect();
    call::list(&views, page.next.as_deref())
}

pub(super) async fn get(call: &Call) -> Result<Response<Body>, Problem> {
    let snapshot = call.account()?;
    call::ok(&AccountView { id: &snapshot.id, settings: &snapshot.account })
}

pub(super) async fn patch(call: &Call) -> Result<Response<Body>, Problem> {
    let change: AccountChange = call.json()?;
    let id = &call.account()?.id;
    let settings = account::change(&call.control, call.principal()?, id, change).await?;
    call::ok(&AccountView { id, settings: &settings })
}
