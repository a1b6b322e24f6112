//! WABAs: the zone in which Meta's days begin, and the portfolio whose messaging limit counts. A
//! portfolio belongs to one account.

use super::error::{Conflict, ControlError};
use super::handles::Control;
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
    let snapshot = control.snapshot(account).await?;
    let before = snapshot.wabas.get(id).map(|waba| waba.settings.portfolio.clone());
    if before.is_some() && existing == Existing::Keep {
        return Ok(Made::Present);
    }
    let mut mistakes = Mistakes::default();
    mistakes.validate("time_zone", validate::time_zone(&settings.time_zone));
    mistakes.check()?;
    let portfolio = &settings.portfolio;
    if *portfolio != default_portfolio() {
        let (kind, claims) = (ClaimKind::Portfolio, &control.services.claims);
        let holder = claims.claim(kind, portfolio.as_str(), account.as_str()).await?;
        if holder != account.as_str() {
            let detail = format!("portfolio {portfolio} belongs to another account");
            return Err(ControlError::Conflict(Conflict::Claimed, detail));
        }
    }
    control.put_document(account, DocumentKind::Waba, id.as_str(), settings, existing).await?;
    if let Some(before) = before.filter(|before| before != portfolio) {
        let snapshot = control.snapshot(account).await?;
        free_unless_used(control, &snapshot, &before).await?;
    }
    Ok(if snapshot.wabas.contains_key(id) { Made::Present } else { Made::New })
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
