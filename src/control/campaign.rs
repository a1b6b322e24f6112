//! Campaigns: created, stopped, restarted by a person once there are credits, finished.

use super::error::{Conflict, ControlError};
use super::handles::Control;
use super::mistakes::{Mistakes, field};
use super::permission::may_manage;
use super::put::Made;
use crate::amount::Amount;
use crate::catalog::{Principal, Snapshot};
use crate::ids::{AccountId, CampaignId};
use crate::ledger::{CampaignPlan, CampaignView, Operation, StopReason, Verdict};

/// Characters of a campaign's name at most.
const MAX_NAME: usize = 200;

/// Creates a campaign; one with the same content is returned unchanged.
///
/// # Errors
/// A wallet the account does not have, a wallet that waits for credits, a campaign of that id with
/// other content, or a fault of the ledger.
pub async fn create(
    control: &Control,
    principal: &Principal,
    account: &AccountId,
    plan: CampaignPlan,
) -> Result<(CampaignView, Made), ControlError> {
    may_manage(principal, account)?;
    let mut mistakes = Mistakes::default();
    let name = plan.name.chars().count() <= MAX_NAME && !plan.name.chars().any(char::is_control);
    mistakes.expect(name, "name", format!("it is at most {MAX_NAME} visible characters"));
    mistakes.expect(
        plan.budget.is_none_or(Amount::is_positive),
        "budget",
        "it is above zero, or null for none",
    );
    mistakes.check()?;
    let known = control.services.reads.campaign(account, &plan.id).await?.is_some();
    let (id, wallet) = (plan.id.clone(), plan.wallet.clone());
    match control.call(account, Operation::CreateCampaign(Box::new(plan))).await? {
        Verdict::Campaign(view) => Ok((*view, if known { Made::Present } else { Made::New })),
        Verdict::CampaignExists => Err(ControlError::Conflict(
            Conflict::CampaignExists,
            format!("campaign {id} exists, with other content; nothing was changed"),
        )),
        Verdict::WalletExhausted => Err(ControlError::Conflict(
            Conflict::WalletExhausted,
            "new campaigns of this wallet wait for a top-up".to_owned(),
        )),
        Verdict::WalletUnknown => {
            let wallet = wallet.map(|wallet| wallet.to_string()).unwrap_or_default();
            Err(field("wallet", format!("the account has no wallet {wallet}")))
        }
        Verdict::OutOfRange => Err(field("budget", "it is not below zero")),
        other => Err(ControlError::unexpected(&other)),
    }
}

/// Stops a campaign by a person's decision.
///
/// # Errors
/// No such campaign, one that is finished, or a fault of the ledger.
pub async fn stop(
    control: &Control,
    principal: &Principal,
    account: &Snapshot,
    id: &CampaignId,
) -> Result<CampaignView, ControlError> {
    may_manage(principal, &account.id)?;
    let operation = Operation::StopCampaign { campaign: id.clone(), reason: StopReason::Operator };
    change(control, account, id, operation).await
}

/// Lets a stopped campaign run again.
///
/// # Errors
/// As [`stop`], and too few credits for the price at which it was stopped.
pub async fn restart(
    control: &Control,
    principal: &Principal,
    account: &Snapshot,
    id: &CampaignId,
) -> Result<CampaignView, ControlError> {
    may_manage(principal, &account.id)?;
    // What was refused here is counted under the old stop, and settles that make room come first.
    control.catch_up(&account.id).await?;
    let operation = Operation::RestartCampaign { campaign: id.clone() };
    let view = change(control, account, id, operation).await?;
    control.services.leases.forget(&account.id, id);
    Ok(view)
}

/// Ends a campaign for good.
///
/// # Errors
/// No such campaign, or a fault of the ledger.
pub async fn finish(
    control: &Control,
    principal: &Principal,
    account: &Snapshot,
    id: &CampaignId,
) -> Result<CampaignView, ControlError> {
    may_manage(principal, &account.id)?;
    change(control, account, id, Operation::FinishCampaign { campaign: id.clone() }).await
}

async fn change(
    control: &Control,
    account: &Snapshot,
    id: &CampaignId,
    operation: Operation,
) -> Result<CampaignView, ControlError> {
    match control.call(&account.id, operation).await? {
        Verdict::Campaign(view) => Ok(*view),
        Verdict::CampaignUnknown => Err(ControlError::not_found("campaign", id)),
        Verdict::CampaignFinished => Err(ControlError::Conflict(
            Conflict::CampaignFinished,
            format!("campaign {id} is finished for good"),
        )),
        Verdict::Shortfall { needed, available } => {
            let currency = account.account.currency.clone();
            let detail = format!(
                "campaign {id} was stopped at a price of {needed} {currency}, \
                 available is {available}; top the wallet up first"
            );
            Err(ControlError::Shortfall { detail, needed, available, currency })
        }
        other => Err(ControlError::unexpected(&other)),
    }
}
