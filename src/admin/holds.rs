//! Holds: those that are not resolved yet, and an operator's word on those in doubt.

use axum::body::Body;
use http::Response;
use serde::{Deserialize, Serialize};

use super::call::{self, Call, bad_parameter, given};
use super::campaigns::NothingBody;
use super::problem::{self, Problem};
use super::unexpected;
use crate::amount::Amount;
use crate::ids::{CampaignId, ChannelId, HoldId, WalletId};
use crate::ledger::{CalendarSpan, HoldState, HoldView, Operation, ReleaseReason, Verdict};
use crate::pricing::{Category, Country};

/// Characters of a message id at most; Meta's are about 60.
const MAX_MESSAGE_ID: usize = 255;

#[derive(Serialize)]
struct HoldAnswer<'a> {
    id: HoldId,
    state: HoldState,
    amount: Amount,
    wallet: Option<&'a WalletId>,
    campaign: Option<&'a CampaignId>,
    channel: &'a ChannelId,
    country: Country,
    category: Category,
    reserved: String,
}

impl<'a> HoldAnswer<'a> {
    fn new(hold: &'a HoldView) -> HoldAnswer<'a> {
        HoldAnswer {
            id: hold.id,
            state: hold.state,
            amount: hold.amount,
            wallet: hold.wallet.as_ref(),
            campaign: hold.campaign.as_ref(),
            channel: &hold.channel,
            country: hold.country,
            category: hold.category,
            reserved: call::instant(hold.reserved_ms),
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
    let page = call.admin.services.reads.holds(&call.account()?.id, state, &request).await?;
    let views: Vec<_> = page.items.iter().map(HoldAnswer::new).collect();
    call::list(&views, page.next.as_deref())
}

/// The hold of the path, which must be in doubt: a send on its way resolves its own.
async fn in_doubt(call: &Call) -> Result<HoldView, Problem> {
    let id: HoldId = call.id("hold", "hold")?;
    call.catch_up().await?;
    let hold = call
        .admin
        .services
        .reads
        .hold(&call.account()?.id, id)
        .await?
        .ok_or_else(|| resolved_before(id))?;
    match hold.state {
        HoldState::InDoubt => Ok(hold),
        HoldState::Open => Err(Problem::new(
            &problem::HOLD_OPEN,
            format!("hold {id} is in doubt only once its send got no answer; until then wait"),
        )),
    }
}

fn resolved_before(id: HoldId) -> Problem {
    Problem::new(
        &problem::NOT_FOUND,
        format!("there is no hold {id}: it was resolved before, or never was"),
    )
}

/// The message was sent: the hold becomes a charge.
pub(super) async fn settle(call: &Call) -> Result<Response<Body>, Problem> {
    let body: SettleBody = call.json_or_nothing()?;
    let visible = |id: &String| {
        (1..=MAX_MESSAGE_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if !body.message_id.as_ref().is_none_or(visible) {
        return Err(Problem::field(
            "message_id",
            format!("it is 1 to {MAX_MESSAGE_ID} visible ASCII characters"),
        ));
    }
    let hold = in_doubt(call).await?;
    let account = call.account()?;
    let day = CalendarSpan::day(&account.time_zone, call.admin.services.clock.now_ms());
    let operation =
        Operation::Settle { hold: hold.id, message_id: body.message_id.map(Into::into), day };
    match call.admin.call(&account.id, operation).await? {
        Verdict::Settled { amount } => {
            let (category, country) = (hold.category.as_str(), hold.country.to_string());
            call.admin.services.metrics.charged(
                &account.account.currency,
                category,
                &country,
                amount,
            );
            call::ok(&Resolved { id: hold.id, state: "settled", amount })
        }
        Verdict::NoHold => Err(resolved_before(hold.id)),
        other => Err(unexpected(&other)),
    }
}

/// The message was not sent: everything its reserve took is given back.
pub(super) async fn release(call: &Call) -> Result<Response<Body>, Problem> {
    let NothingBody {} = call.json_or_nothing()?;
    let hold = in_doubt(call).await?;
    let operation = Operation::Release { hold: hold.id, reason: ReleaseReason::Operator };
    match call.admin.call(&call.account()?.id, operation).await? {
        Verdict::Released { amount } => {
            call::ok(&Resolved { id: hold.id, state: "released", amount })
        }
        Verdict::NoHold => Err(resolved_before(hold.id)),
        other => Err(unexpected(&other)),
    }
}
