//! Campaigns: created, shown with their counts, stopped, restarted by a person once there are
//! credits, finished.

use std::collections::BTreeMap;

use axum::body::Body;
use http::Response;
use serde::{Deserialize, Serialize};

use crate::admin::call::{self, Call, NothingBody};
use crate::admin::problem::Problem;
use crate::amount::Amount;
use crate::control::{Made, campaign, given};
use crate::ids::{CampaignId, WalletId};
use crate::ledger::{CampaignPlan, CampaignState, CampaignView, RefusalCode};

#[derive(Serialize)]
struct CampaignDocument<'a> {
    id: &'a CampaignId,
    name: &'a str,
    wallet: Option<&'a WalletId>,
    state: &'static str,
    reason: Option<&'static str>,
    since: Option<String>,
    counts: Counts<'a>,
    spent: Amount,
    held: Amount,
    budget: Option<Amount>,
    dedupe: Option<&'static str>,
    exempt_from_caps: bool,
}

#[derive(Serialize)]
struct Counts<'a> {
    accepted: u64,
    rejected: &'a BTreeMap<String, u64>,
    refused: &'a BTreeMap<RefusalCode, u64>,
    unknown: u64,
}

impl<'a> CampaignDocument<'a> {
    fn new(view: &'a CampaignView) -> CampaignDocument<'a> {
        let (state, reason, since_ms) = match view.state {
            CampaignState::Active => ("active", None, None),
            CampaignState::Stopped { reason, since_ms } => {
                ("stopped", Some(reason.as_str()), Some(since_ms))
            }
            CampaignState::Finished { since_ms } => ("finished", None, Some(since_ms)),
        };
        CampaignDocument {
            id: &view.id,
            name: &view.name,
            wallet: view.wallet.as_ref(),
            state,
            reason,
            since: since_ms.map(call::instant),
            counts: Counts {
                accepted: view.accepted,
                rejected: &view.rejected,
                refused: &view.refused,
                unknown: view.unknown,
            },
            spent: view.spent,
            held: view.held,
            budget: view.budget,
            dedupe: view.dedupe_recipients.then_some("recipient"),
            exempt_from_caps: view.exempt_from_caps,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCampaign {
    id: CampaignId,
    #[serde(default, deserialize_with = "given")]
    name: Option<String>,
    #[serde(default)]
    wallet: Option<WalletId>,
    #[serde(default)]
    budget: Option<Amount>,
    #[serde(default)]
    dedupe: Option<Dedupe>,
    #[serde(default)]
    exempt_from_caps: bool,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Dedupe {
    Recipient,
}

pub(super) async fn post(call: &Call) -> Result<Response<Body>, Problem> {
    let body: NewCampaign = call.json()?;
    let plan = CampaignPlan {
        name: body.name.unwrap_or_else(|| body.id.to_string()),
        id: body.id,
        wallet: body.wallet,
        budget: body.budget,
        dedupe_recipients: body.dedupe == Some(Dedupe::Recipient),
        exempt_from_caps: body.exempt_from_caps,
    };
    let (control, principal, account) = (&call.control, call.principal()?, &call.account()?.id);
    let (view, made) = campaign::create(control, principal, account, plan).await?;
    call::made(made == Made::New, &CampaignDocument::new(&view))
}

pub(super) async fn list(call: &Call) -> Result<Response<Body>, Problem> {
    let request = call.page::<CampaignId>()?;
    call.catch_up().await?;
    let page = call.control.services.reads.campaigns(&call.account()?.id, &request).await?;
    let views: Vec<_> = page.items.iter().map(CampaignDocument::new).collect();
    call::list(&views, page.next.as_deref())
}

pub(super) async fn get(call: &Call) -> Result<Response<Body>, Problem> {
    let id: CampaignId = call.id("campaign", "campaign")?;
    call.catch_up().await?;
    let found = call.control.services.reads.campaign(&call.account()?.id, &id).await?;
    let view = found.ok_or_else(|| Problem::unknown("campaign", &id))?;
    call::ok(&CampaignDocument::new(&view))
}

pub(super) async fn stop(call: &Call) -> Result<Response<Body>, Problem> {
    let NothingBody {} = call.json_or_nothing()?;
    let id: CampaignId = call.id("campaign", "campaign")?;
    let (control, principal, account) = (&call.control, call.principal()?, call.account()?);
    call::ok(&CampaignDocument::new(&campaign::stop(control, principal, account, &id).await?))
}

pub(super) async fn restart(call: &Call) -> Result<Response<Body>, Problem> {
    let NothingBody {} = call.json_or_nothing()?;
    let id: CampaignId = call.id("campaign", "campaign")?;
    let (control, principal, account) = (&call.control, call.principal()?, call.account()?);
    call::ok(&CampaignDocument::new(&campaign::restart(control, principal, account, &id).await?))
}

pub(super) async fn finish(call: &Call) -> Result<Response<Body>, Problem> {
    let NothingBody {} = call.json_or_nothing()?;
    let id: CampaignId = call.id("campaign", "campaign")?;
    let (control, principal, account) = (&call.control, call.principal()?, call.account()?);
    call::ok(&CampaignDocument::new(&campaign::finish(control, principal, account, &id).await?))
}
