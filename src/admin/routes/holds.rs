//! Holds: those that are not resolved yet, and an operator's word on those in doubt.

use axum::body::Body;
use http::Response;
use serde::{Deserialize, Serialize};

use crate::admin::call::{self, Call, NothingBody, bad_parameter};
use crate::admin::problem::Problem;
use crate::amount::Amount;
use crate::control::{given, hold};
use crate::ids::{CampaignId, ChannelId, HoldId, WalletId};
use crate::ledger::{DoubtReason, HoldState, HoldView};
use crate::pricing::{Category, Country};

#[derive(Serialize)]
struct HoldDocument<'a> {
    id: HoldId,
    state: HoldState,
    amount: Amount,
    wallet: Option<&'a WalletId>,
    campaign: Option<&'a CampaignId>,
    channel: &'a ChannelId,
    country: Country,
    category: Category,
    reserved: String,
    in_doubt_reason: Option<&'static str>,
}

impl<'a> HoldDocument<'a> {
    fn new(hold: &'a HoldView) -> HoldDocument<'a> {
        HoldDocument {
            id: hold.id,
            state: hold.state,
            amount: hold.amount,
            wallet: hold.wallet.as_ref(),
            campaign: hold.campaign.as_ref(),
            channel: &hold.channel,
            country: hold.country,
            category: hold.category,
            reserved: call::instant(hold.reserved_ms),
            in_doubt_reason: hold.doubt.map(DoubtReason::as_str),
        }
    }
}

#[derive(Serialize)]
struct Resolved {
    id: HoldId,
    state: &'static str,
    amount: Amount,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct SettleBody {
    #[serde(deserialize_with = "given")]
    message_id: Option<String>,
}

pub(super) async fn list(call: &Call) -> Result<Response<Body>, Problem> {
    let state = match call.query("state") {
        None => None,
        Some("open") => Some(HoldState::Open),
        Some("in_doubt") => Some(HoldState::InDoubt),
        Some(_) => return Err(bad_parameter("state", "it is open or in_doubt")),
    };
    let request = call.page::<HoldId>()?;
    call.catch_up().await?;
    let page = call.control.services.reads.holds(&call.account()?.id, state, &request).await?;
    let views: Vec<_> = page.items.iter().map(HoldDocument::new).collect();
    call::list(&views, page.next.as_deref())
}

/// The message was sent: the hold becomes a charge.
pub(super) async fn settle(call: &Call) -> Result<Response<Body>, Problem> {
    let SettleBody { message_id } = call.json_or_nothing()?;
    message_id.as_deref().map_or(Ok(()), hold::validate_message_id)?;
    let id: HoldId = call.id("hold", "hold")?;
    let (control, principal, account) = (&call.control, call.principal()?, call.account()?);
    let amount = hold::settle(control, principal, account, id, message_id).await?;
    call::ok(&Resolved { id, state: "settled", amount })
}

/// The message was not sent: everything its reserve took is given back.
pub(super) async fn release(call: &Call) -> Result<Response<Body>, Problem> {
    let NothingBody {} = call.json_or_nothing()?;
    let id: HoldId = call.id("hold", "hold")?;
    let (control, principal, account) = (&call.control, call.principal()?, call.account()?);
    let amount = hold::release(control, principal, account, id).await?;
    call::ok(&Resolved { id, state: "released", amount })
}
