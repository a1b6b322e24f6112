//! Campaigns: created, shown with their counts, stopped, restarted by a person once there are
//! credits, finished.

use std::collections::BTreeMap;

use axum::body::Body;
use http::Response;
use serde::{Deserialize, Serialize};

use super::call::{self, Call, given};
use super::problem::{self, Mistakes, Problem};
use super::{Admin, Made, unexpected};
use crate::amount::Amount;
use crate::ids::{AccountId, CampaignId, WalletId};
use crate::ledger::{CampaignPlan, CampaignState, CampaignView, Operation, StopReason, Verdict};

/// Characters of a campaign's name at most.
const MAX_NAME: usize = 200;

#[derive(Serialize)]
struct CampaignAnswer<'a> {
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
    refused: &'a BTreeMap<i64, u64>,
    unknown: u64,
}

impl<'a> CampaignAnswer<'a> {
    fn new(view: &'a CampaignView) -> CampaignAnswer<'a> {
        let (state, reason, since_ms) = match view.state {
            CampaignState::Active => ("active", None, None),
            CampaignState::Stopped { reason, since_ms } => {
                ("stopped", Some(reason.as_str()), Some(since_ms))
            }
            CampaignState::Finished { since_ms } => ("finished", None, Some(since_ms)),
        };
        CampaignAnswer {
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

/// The body of a call that needs none.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct NothingBody {}

/// Creates a campaign; one with the same content is there already or is made, and answered alike.
///
/// # Errors
/// A wallet the account does not have, a wallet that waits for credits, a campaign of that id with
/// other content, or a ledger that does not answer.
pub async fn create(
    admin: &Admin,
    account: &AccountId,
    plan: CampaignPlan,
) -> Result<(CampaignView, Made), Problem> {
    let mut mistakes = Mistakes::default();
    let name = plan.name.chars().count() <= MAX_NAME && !plan.name.chars().any(char::is_control);
    mistakes.expect(name, "name", format!("it is at most {MAX_NAME} visible characters"));
    mistakes.expect(
        plan.budget.is_none_or(Amount::is_positive),
        "budget",
        "it is above zero, or null for none",
    );
    mistakes.check()?;
    let known = admin.services.reads.campaign(account, &plan.id).await?.is_some();
    let (id, wallet) = (plan.id.clone(), plan.wallet.clone());
    match admin.call(account, Operation::CreateCampaign(Box::new(plan))).await? {
        Verdict::Campaign(view) => Ok((*view, if known { Made::Present } else { Made::New })),
        Verdict::CampaignExists => Err(Problem::new(
            &problem::CAMPAIGN_EXISTS,
            format!("campaign {id} exists, with other content; nothing was changed"),
        )),
        Verdict::WalletExhausted => Err(Problem::new(
            &problem::WALLET_EXHAUSTED,
            "new campaigns of this wallet wait for a top-up",
        )),
        Verdict::WalletUnknown => {
            let wallet = wallet.map(|wallet| wallet.to_string()).unwrap_or_default();
            Err(Problem::field("wallet", format!("the account has no wallet {wallet}")))
        }
        Verdict::OutOfRange => Err(Problem::field("budget", "it is not below zero")),
        other => Err(unexpected(&other)),
    }
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
    let (view, made) = create(&call.admin, &call.account()?.id, plan).await?;
    call::made(made == Made::New, &CampaignAnswer::new(&view))
}

pub(super) async fn list(call: &Call) -> Result<Response<Body>, Problem> {
    let request = call.page::<CampaignId>()?;
    call.catch_up().await?;
    let page = call.admin.services.reads.campaigns(&call.account()?.id, &request).await?;
    let views: Vec<_> = page.items.iter().map(CampaignAnswer::new).collect();
    call::list(&views, page.next.as_deref())
}

pub(super) async fn get(call: &Call) -> Result<Response<Body>, Problem> {
    let id: CampaignId = call.id("campaign", "campaign")?;
    call.catch_up().await?;
    let view = call
        .admin
        .services
        .reads
        .campaign(&call.account()?.id, &id)
        .await?
        .ok_or_else(|| Problem::unknown("campaign", &id))?;
    call::ok(&CampaignAnswer::new(&view))
}

pub(super) async fn stop(call: &Call) -> Result<Response<Body>, Problem> {
    let NothingBody {} = call.json_or_nothing()?;
    let campaign: CampaignId = call.id("campaign", "campaign")?;
    let operation =
        Operation::StopCampaign { campaign: campaign.clone(), reason: StopReason::Operator };
    change(call, &campaign, operation).await
}

pub(super) async fn restart(call: &Call) -> Result<Response<Body>, Problem> {
    let NothingBody {} = call.json_or_nothing()?;
    let campaign: CampaignId = call.id("campaign", "campaign")?;
    // What was refused here is counted under the old stop, and settles that make room come first.
    call.catch_up().await?;
    let answer =
        change(call, &campaign, Operation::RestartCampaign { campaign: campaign.clone() }).await?;
    call.admin.services.leases.forget(&call.account()?.id, &campaign);
    Ok(answer)
}

pub(super) async fn finish(call: &Call) -> Result<Response<Body>, Problem> {
    let NothingBody {} = call.json_or_nothing()?;
    let campaign: CampaignId = call.id("campaign", "campaign")?;
    change(call, &campaign, Operation::FinishCampaign { campaign: campaign.clone() }).await
}

async fn change(
    call: &Call,
    id: &CampaignId,
    operation: Operation,
) -> Result<Response<Body>, Problem> {
    let account = call.account()?;
    match call.admin.call(&account.id, operation).await? {
        Verdict::Campaign(view) => call::ok(&CampaignAnswer::new(&view)),
        Verdict::CampaignUnknown => Err(Problem::unknown("campaign", id)),
        Verdict::CampaignFinished => Err(Problem::new(
            &problem::CAMPAIGN_FINISHED,
            format!("campaign {id} is finished for good"),
        )),
        Verdict::Shortfall { needed, available } => {
            let currency = &account.account.currency;
            let detail = format!(
                "campaign {id} was stopped at a price of {needed} {currency}, available is {available}; top the wallet up first"
            );
            Err(Problem::shortfall(detail, needed, available, currency))
        }
        other => Err(unexpected(&other)),
    }
}
