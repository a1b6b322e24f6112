//! Events: what an operator may want to know at once, for pollers that continue from a cursor.

use axum::body::Body;
use http::Response;
use serde::Serialize;

use crate::admin::call::{self, Call};
use crate::admin::problem::Problem;
use crate::amount::Amount;
use crate::ids::{CampaignId, HoldId, WalletId};
use crate::ledger::{Event, EventKind, StopReason};

/// An event as replies show it; what does not belong to its kind is left out.
#[derive(Serialize)]
struct EventView<'a> {
    sequence: u64,
    at: String,
    kind: EventKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    wallet: Option<&'a WalletId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    campaign: Option<&'a CampaignId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<HoldId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    available: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<StopReason>,
}

impl<'a> EventView<'a> {
    fn new(event: &'a Event) -> EventView<'a> {
        EventView {
            sequence: event.sequence,
            at: call::instant(event.at_ms),
            kind: event.kind,
            wallet: event.wallet.as_ref(),
            campaign: event.campaign.as_ref(),
            hold: event.hold,
            amount: event.amount,
            available: event.available,
            reason: event.reason,
        }
    }
}

#[derive(Serialize)]
struct EventList<'a> {
    items: Vec<EventView<'a>>,
    /// Always there: asking with it shows what happened since.
    next: String,
    /// Whether there is more already.
    more: bool,
}

pub(super) async fn list(call: &Call) -> Result<Response<Body>, Problem> {
    let request = call.page::<u64>()?;
    call.catch_up().await?;
    let page = call.control.services.reads.events(&call.account()?.id, &request).await?;
    let last = page.items.last().map(|event| event.sequence.to_string());
    let next = last.or(request.cursor).unwrap_or_else(|| "0".into());
    call::ok(&EventList {
        items: page.items.iter().map(EventView::new).collect(),
        next,
        more: page.next.is_some(),
    })
}
