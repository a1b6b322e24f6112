//! WABAs: the zone in which Meta's days begin, and the portfolio whose messaging limit counts. A
//! portfolio belongs to one account.

use axum::body::Body;
use http::Response;
use serde::Serialize;

use crate::admin::call::{self, Call};
use crate::admin::problem::Problem;
use crate::catalog::documents::WabaSettings;
use crate::control::{Existing, Made, waba};
use crate::ids::WabaId;

/// A WABA as replies show it.
#[derive(Serialize)]
struct WabaView<'a> {
    id: &'a WabaId,
    #[serde(flatten)]
    settings: &'a WabaSettings,
}

pub(super) async fn put(call: &Call) -> Result<Response<Body>, Problem> {
    let id: WabaId = call.new_id("waba")?;
    let settings: WabaSettings = call.json()?;
    let (control, principal, account) = (&call.control, call.principal()?, &call.account()?.id);
    let made = waba::put(control, principal, account, &id, &settings, Existing::Replace).await?;
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
