//! Holds in doubt, as an operator resolves them: settled if the message was sent, else released.

use super::error::{Conflict, ControlError};
use super::handles::Control;
use super::mistakes::field;
use super::permission::operator_only;
use crate::amount::Amount;
use crate::catalog::{Principal, Snapshot};
use crate::ids::HoldId;
use crate::ledger::{CalendarSpan, HoldState, HoldView, Operation, ReleaseReason, Verdict};

/// Characters of a message id at most; Meta's are about 60.
const MAX_MESSAGE_ID: usize = 255;

/// Checks a message id.
///
/// # Errors
/// One that is not 1 to 255 visible ASCII characters.
pub fn validate_message_id(text: &str) -> Result<(), ControlError> {
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    if (1..=MAX_MESSAGE_ID).contains(&text.len()) && visible {
        return Ok(());
    }
    let detail = format!("it is 1 to {MAX_MESSAGE_ID} visible ASCII characters");
    Err(field("message_id", detail))
}

/// The message was sent: turns the hold into a charge. Returns the amount charged.
///
/// # Errors
/// A message id that does not fit, no such hold, one that is not in doubt, or a fault of the
/// ledger.
pub async fn settle(
    control: &Control,
    principal: &Principal,
    account: &Snapshot,
    id: HoldId,
    message_id: Option<String>,
) -> Result<Amount, ControlError> {
    operator_only(principal)?;
    message_id.as_deref().map_or(Ok(()), validate_message_id)?;
    let hold = in_doubt(control, account, id).await?;
    let services = &control.services;
    let day = CalendarSpan::day(&account.time_zone, services.clock.now_ms());
    let operation =
        Operation::Settle { hold: hold.id, message_id: message_id.map(Into::into), day };
    match control.call(&account.id, operation).await? {
        Verdict::Settled { amount } => {
            let (category, country) = (hold.category.as_str(), hold.country.to_string());
            services.metrics.charged(&account.account.currency, category, &country, amount);
            Ok(amount)
        }
        Verdict::NoHold => Err(resolved_before(hold.id)),
        other => Err(ControlError::unexpected(&other)),
    }
}

/// The message was not sent: gives everything its reserve took back. Returns the amount released.
///
/// # Errors
/// No such hold, one that is not in doubt, or a fault of the ledger.
pub async fn release(
    control: &Control,
    principal: &Principal,
    account: &Snapshot,
    id: HoldId,
) -> Result<Amount, ControlError> {
    operator_only(principal)?;
    let hold = in_doubt(control, account, id).await?;
    let operation = Operation::Release { hold: hold.id, reason: ReleaseReason::Operator };
    match control.call(&account.id, operation).await? {
        Verdict::Released { amount } => Ok(amount),
        Verdict::NoHold => Err(resolved_before(hold.id)),
        other => Err(ControlError::unexpected(&other)),
    }
}

/// The hold, which must be in doubt: a send on its way resolves its own.
async fn in_doubt(
    control: &Control,
    account: &Snapshot,
    id: HoldId,
) -> Result<HoldView, ControlError> {
    control.catch_up(&account.id).await?;
    let found = control.services.reads.hold(&account.id, id).await?;
    let hold = found.ok_or_else(|| resolved_before(id))?;
    match hold.state {
        HoldState::InDoubt => Ok(hold),
        HoldState::Open => Err(ControlError::Conflict(
            Conflict::HoldOpen,
            format!("hold {id} is in doubt only once its send got no answer; until then wait"),
        )),
    }
}

fn resolved_before(id: HoldId) -> ControlError {
    ControlError::NotFound(format!("there is no hold {id}: it was resolved before, or never was"))
}
