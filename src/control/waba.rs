//! WABAs: the zone in which Meta's days begin, and the portfolio whose messaging limit counts. A
//! portfolio belongs to one account.

use super::error::{Conflict, ControlError};
use super::handles::{CHANGE_TRIES, Control, contended};
use super::mistakes::Mistakes;
use super::permission::operator_only;
use super::put::{Existing, Made};
use crate::catalog::documents::{WabaSettings, default_portfolio};
use crate::catalog::{Principal, Snapshot, validate};
use crate::ids::{AccountId, PortfolioId, WabaId};
use crate::ledger::{ClaimKind, DocumentKind};

/// Sets up a WABA of an account that exists. The portfolio `default` is each account's own; any
/// other name is claimed.
///
/// # Errors
/// An unknown time zone; a portfolio that belongs to another account; a fault of the ledger.
pub async fn put(
    control: &Control,
    principal: &Principal,
    account: &AccountId,
    id: &WabaId,
    settings: &WabaSettings,
    existing: Existing,
) -> Result<Made, ControlError> {
    operator_only(principal)?;
    let _held = control.lock_settings().await;
    let kind = DocumentKind::Waba;
    for _ in 0..CHANGE_TRIES {
        let read = control.stored::<WabaSettings>(account, kind, id.as_str()).await?;
        control.snapshot(account).await?;
        let before = read.as_ref().map(|read| read.settings.portfolio.clone());
        if before.is_some() && existing == Existing::Keep {
            return Ok(Made::Present);
        }
        let mut mistakes = Mistakes::default();
        mistakes.validate("time_zone", validate::time_zone(&settings.time_zone));
        mistakes.check()?;
        claim(control, account, &settings.portfolio).await?;
        if !control.replace_document(account, kind, id.as_str(), settings, read).await? {
            continue;
        }
        let made = if before.is_some() { Made::Present } else { Made::New };
        if let Some(before) = before.filter(|before| *before != settings.portfolio) {
            let snapshot = control.snapshot(account).await?;
            free_unless_used(control, &snapshot, &before).await?;
        }
        return Ok(made);
    }
    Err(contended(kind, id.as_str()))
}

async fn claim(
    control: &Control,
    account: &AccountId,
    portfolio: &PortfolioId,
) -> Result<(), ControlError> {
    if *portfolio == default_portfolio() {
        return Ok(());
    }
    let (kind, claims) = (ClaimKind::Portfolio, &control.services.claims);
    let holder = claims.claim(kind, portfolio.as_str(), account.as_str()).await?;
    if holder == account.as_str() {
        return Ok(());
    }
    let detail = format!("portfolio {portfolio} belongs to another account");
    Err(ControlError::Conflict(Conflict::Claimed, detail))
}

/// Gives a portfolio up that no WABA of the account names any more.
async fn free_unless_used(
    control: &Control,
    snapshot: &Snapshot,
    portfolio: &PortfolioId,
) -> Result<(), ControlError> {
    if snapshot.wabas.values().any(|waba| waba.settings.portfolio == *portfolio) {
        return Ok(());
    }
    let (kind, claims) = (ClaimKind::Portfolio, &control.services.claims);
    Ok(claims.unclaim(kind, portfolio.as_str(), snapshot.id.as_str()).await?)
}
