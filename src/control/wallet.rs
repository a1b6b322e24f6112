//! Wallets: their settings, and the entries an operator makes: top-ups and adjustments, each once
//! under its reference.

use super::error::{Conflict, ControlError};
use super::handles::Control;
use super::mistakes::{Mistakes, field};
use super::permission::operator_only;
use super::put::{Existing, Made};
use crate::amount::Amount;
use crate::catalog::Principal;
use crate::catalog::documents::WalletSettings;
use crate::ids::{AccountId, WalletId};
use crate::ledger::operation::MAX_THRESHOLDS;
use crate::ledger::{Entry, Operation, Verdict, WalletView};

/// Characters of a reference and of a reason at most.
const MAX_REFERENCE: usize = 255;
const MAX_REASON: usize = 500;

/// One wallet of the account.
///
/// # Errors
/// No such wallet, or a fault of the ledger.
pub async fn find(
    control: &Control,
    account: &AccountId,
    id: &WalletId,
) -> Result<WalletView, ControlError> {
    let wallets = control.services.reads.wallets(account).await?;
    let found = wallets.into_iter().find(|wallet| wallet.id == *id);
    found.ok_or_else(|| ControlError::not_found("wallet", id))
}

/// Creates a wallet, or sets those of its settings that are given (on a new one the others are zero
/// or empty). Returns the wallet as this left it.
///
/// # Errors
/// Settings that do not fit, a limit that the balance has already passed, or a fault of the ledger.
pub async fn put(
    control: &Control,
    principal: &Principal,
    account: &AccountId,
    id: &WalletId,
    settings: &WalletSettings,
    existing: Existing,
) -> Result<(Made, WalletView), ControlError> {
    operator_only(principal)?;
    let _held = control.lock_settings().await;
    put_locked(control, account, id, settings, existing).await
}

/// Sets those settings of an existing wallet that are given. Returns the wallet as this left it.
///
/// # Errors
/// No such wallet, and as [`put`].
pub async fn change(
    control: &Control,
    principal: &Principal,
    account: &AccountId,
    id: &WalletId,
    settings: &WalletSettings,
) -> Result<WalletView, ControlError> {
    operator_only(principal)?;
    let _held = control.lock_settings().await;
    find(control, account, id).await?;
    Ok(put_locked(control, account, id, settings, Existing::Replace).await?.1)
}

/// As [`put`], under the lock of the caller.
pub(super) async fn put_locked(
    control: &Control,
    account: &AccountId,
    id: &WalletId,
    settings: &WalletSettings,
    existing: Existing,
) -> Result<(Made, WalletView), ControlError> {
    let wallets = control.services.reads.wallets(account).await?;
    let known = wallets.into_iter().find(|wallet| wallet.id == *id);
    let made = if known.is_some() { Made::Present } else { Made::New };
    if let (Some(known), Existing::Keep) = (known, existing) {
        return Ok((made, known));
    }
    let mut mistakes = Mistakes::default();
    let limit = settings.overdraft_limit.unwrap_or_default();
    mistakes.expect(!limit.is_negative(), "overdraft_limit", "it is not below zero");
    let thresholds = settings.low_balance_thresholds.as_deref().unwrap_or_default();
    mistakes.expect(
        thresholds.len() <= MAX_THRESHOLDS,
        "low_balance_thresholds",
        format!("a wallet has at most {MAX_THRESHOLDS}"),
    );
    mistakes.check()?;
    let operation = Operation::PutWallet {
        wallet: id.clone(),
        overdraft_limit: settings.overdraft_limit,
        low_balance_thresholds: settings.low_balance_thresholds.clone(),
    };
    match control.call(account, operation).await? {
        Verdict::Wallet(view) => Ok((made, view)),
        Verdict::OutOfRange => Err(field(
            "overdraft_limit",
            "settled and overdraft limit together leave the range of a wallet",
        )),
        Verdict::Shortfall { needed, available } => {
            let what = |currency: &str| {
                format!(
                    "lowering the limit takes {needed} {currency} from available, \
                     which is {available}"
                )
            };
            Err(shortfall(control, account, needed, available, what).await?)
        }
        other => Err(ControlError::unexpected(&other)),
    }
}

/// Adds credits to a wallet under a reference that is its own. Returns the entry, and whether it
/// existed before.
///
/// # Errors
/// An amount or reference that does not fit, a reference used for something else, no such wallet,
/// or a fault of the ledger.
pub async fn top_up(
    control: &Control,
    principal: &Principal,
    account: &AccountId,
    wallet: &WalletId,
    amount: Amount,
    reference: &str,
) -> Result<(Entry, bool), ControlError> {
    operator_only(principal)?;
    let mut mistakes = Mistakes::default();
    mistakes.expect(amount.is_positive(), "amount", "a top-up is above zero");
    visible(reference, MAX_REFERENCE, "reference", &mut mistakes);
    mistakes.check()?;
    let operation =
        Operation::TopUp { wallet: wallet.clone(), amount, reference: reference.into() };
    post(control, account, wallet, operation).await
}

/// Books a manual entry with a reason, once under its reference. Returns the entry, and whether it
/// existed before.
///
/// # Errors
/// As [`top_up`], and too few credits.
pub async fn adjust(
    control: &Control,
    principal: &Principal,
    account: &AccountId,
    wallet: &WalletId,
    amount: Amount,
    reference: &str,
    reason: &str,
) -> Result<(Entry, bool), ControlError> {
    operator_only(principal)?;
    let mut mistakes = Mistakes::default();
    mistakes.expect(!amount.is_zero(), "amount", "an adjustment is not zero");
    visible(reference, MAX_REFERENCE, "reference", &mut mistakes);
    visible(reason, MAX_REASON, "reason", &mut mistakes);
    mistakes.check()?;
    let operation = Operation::Adjust {
        wallet: wallet.clone(),
        amount,
        reference: reference.into(),
        reason: reason.into(),
    };
    post(control, account, wallet, operation).await
}

async fn post(
    control: &Control,
    account: &AccountId,
    wallet: &WalletId,
    operation: Operation,
) -> Result<(Entry, bool), ControlError> {
    match control.call(account, operation).await? {
        Verdict::Posted { entry, repeated } => Ok((entry, repeated)),
        Verdict::ReferenceConflict => Err(ControlError::Conflict(
            Conflict::ReferenceConflict,
            format!(
                "wallet {wallet} has an entry of this reference with another kind, amount or \
                 reason; nothing was booked"
            ),
        )),
        Verdict::WalletUnknown => Err(ControlError::not_found("wallet", wallet)),
        Verdict::OutOfRange => Err(field(
            "amount",
            "with it the wallet would leave the range that is computed exactly, \
             2^53 micro-credits",
        )),
        Verdict::Shortfall { needed, available } => {
            let what = |currency: &str| {
                format!("the adjustment takes {needed} {currency}, available is {available}")
            };
            Err(shortfall(control, account, needed, available, what).await?)
        }
        other => Err(ControlError::unexpected(&other)),
    }
}

async fn shortfall(
    control: &Control,
    account: &AccountId,
    needed: Amount,
    available: Amount,
    detail: impl Fn(&str) -> String,
) -> Result<ControlError, ControlError> {
    let currency = control.snapshot(account).await?.account.currency.clone();
    Ok(ControlError::Shortfall { detail: detail(&currency), needed, available, currency })
}

/// Text that a person can see and search for: no control characters, no blanks at its ends.
fn visible(text: &str, max: usize, field: &str, mistakes: &mut Mistakes) {
    let length = text.chars().count();
    let plain = text.trim() == text && !text.chars().any(char::is_control);
    mistakes.expect(
        (1..=max).contains(&length) && plain,
        field,
        format!("it is 1 to {max} visible characters without blanks at its ends"),
    );
}
