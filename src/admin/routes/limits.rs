//! Limits: what an account may send at most, and how much of its messaging limit the last 24 hours
//! took.

use std::collections::BTreeSet;

use axum::body::Body;
use http::Response;
use serde::Serialize;

use crate::admin::call::{self, Call};
use crate::admin::problem::Problem;
use crate::catalog::documents::FrequencyCap;
use crate::ids::PortfolioId;

#[derive(Serialize)]
struct LimitsAnswer<'a> {
    /// Unique recipients in 24 hours per portfolio; null is unlimited.
    messaging_limit: Option<u32>,
    portfolios: Vec<PortfolioUse>,
    caps: &'a [FrequencyCap],
}

#[derive(Serialize)]
struct PortfolioUse {
    portfolio: PortfolioId,
    used: u32,
    /// Further unique recipients it may have now; null is unlimited.
    left: Option<u32>,
}

pub(super) async fn get(call: &Call) -> Result<Response<Body>, Problem> {
    call.catch_up().await?;
    let account = call.account()?;
    let of_channels = account.channels.values().map(|channel| &channel.portfolio);
    let of_wabas = account.wabas.values().map(|waba| &waba.settings.portfolio);
    let names: BTreeSet<&PortfolioId> = of_channels.chain(of_wabas).collect();
    let limit = account.account.messaging_limit;
    let mut portfolios = Vec::with_capacity(names.len());
    for portfolio in names {
        let used = call.control.services.reads.window_used(&account.id, portfolio).await?;
        let left = limit.map(|limit| limit.saturating_sub(used));
        portfolios.push(PortfolioUse { portfolio: portfolio.clone(), used, left });
    }
    call::ok(&LimitsAnswer { messaging_limit: limit, portfolios, caps: &account.account.caps })
}
