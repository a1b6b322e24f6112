//! Wallets: their settings and balance, and the entries an operator makes: top-ups and adjustments,
//! each once under its reference.

use axum::body::Body;
use http::Response;
use serde::{Deserialize, Serialize};

use super::call::{self, Call, given};
use super::problem::{self, Mistakes, Problem};
use super::statement::EntryView;
use super::{Admin, Existing, Made, unexpected};
use crate::amount::Amount;
use crate::catalog::documents::WalletSettings;
use crate::ids::{AccountId, IdError, WalletId};
use crate::ledger::operation::MAX_THRESHOLDS;
use crate::ledger::{Entry, Operation, Verdict, WalletView};

/// Characters of a reference and of a reason at most.
const MAX_REFERENCE: usize = 255;
const MAX_REASON: usize = 500;

/// A wallet as answers show it.
#[derive(Serialize)]
struct WalletAnswer<'a> {
    id: &'a WalletId,
    settled: Amount,
    held: Amount,
    overdraft_limit: Amount,
    available: Amount,
    currency: &'a str,
    exhausted: bool,
    low_balance_thresholds: &'a [Amount],
}

impl<'a> WalletAnswer<'a> {
    fn new(view: &'a WalletView, currency: &'a str) -> WalletAnswer<'a> {
        WalletAnswer {
            id: &view.id,
            settled: view.settled,
            held: view.held,
            overdraft_limit: view.overdraft_limit,
            available: view.available,
            currency,
            exhausted: view.exhausted,
            low_balance_thresholds: &view.low_balance_thresholds,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct WalletBody {
    #[serde(deserialize_with = "given")]
    overdraft_limit: Option<Amount>,
    #[serde(deserialize_with = "given")]
    low_balance_thresholds: Option<Vec<Amount>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TopUpBody {
    amount: Amount,
    reference: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdjustmentBody {
    amount: Amount,
    reference: String,
    reason: String,
}

/// One wallet of the account.
pub(super) async fn find(
    admin: &Admin,
    account: &AccountId,
    id: &WalletId,
) -> Result<WalletView, Problem> {
    let wallets = admin.services.reads.wallets(account).await?;
    wallets
        .into_iter()
        .find(|wallet| wallet.id == *id)
        .ok_or_else(|| Problem::unknown("wallet", id))
}

/// Creates a wallet, or sets those of its settings that are given (on a new one the others are zero
/// or empty).
///
/// # Errors
/// Settings that do not fit, a limit that the balance has already passed, or a ledger that does not
/// answer.
pub async fn put(
    admin: &Admin,
    account: &AccountId,
    id: &WalletId,
    settings: &WalletSettings,
    existing: Existing,
) -> Result<Made, Problem> {
    let known = admin.services.reads.wallets(account).await?.iter().any(|wallet| wallet.id == *id);
    if known && existing == Existing::Keep {
        return Ok(Made::Present);
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
    match admin.call(account, operation).await? {
        Verdict::Wallet(_) => Ok(if known { Made::Present } else { Made::New }),
        Verdict::OutOfRange => Err(Problem::field(
            "overdraft_limit",
            "settled and overdraft limit together leave the range of a wallet",
        )),
        Verdict::Shortfall { needed, available } => {
            let currency = admin.snapshot(account).await?.account.currency.clone();
            let detail = format!(
                "lowering the limit takes {needed} {currency} from available, which is {available}"
            );
            Err(Problem::shortfall(detail, needed, available, &currency))
        }
        other => Err(unexpected(&other)),
    }
}

/// Adds credits to a wallet under a reference that is its own; the entry, and whether it was there
/// before.
///
/// # Errors
/// An amount or reference that does not fit, a reference used for something else, no such wallet,
/// or a ledger that does not answer.
pub async fn top_up(
    admin: &Admin,
    account: &AccountId,
    wallet: &WalletId,
    amount: Amount,
    reference: &str,
) -> Result<(Entry, bool), Problem> {
    let mut mistakes = Mistakes::default();
    mistakes.expect(amount.is_positive(), "amount", "a top-up is above zero");
    visible(reference, MAX_REFERENCE, "reference", &mut mistakes);
    mistakes.check()?;
    post(
        admin,
        account,
        wallet,
        Operation::TopUp { wallet: wallet.clone(), amount, reference: reference.into() },
    )
    .await
}

async fn post(
    admin: &Admin,
    account: &AccountId,
    wallet: &WalletId,
    operation: Operation,
) -> Result<(Entry, bool), Problem> {
    match admin.call(account, operation).await? {
        Verdict::Posted { entry, repeated } => Ok((entry, repeated)),
        Verdict::ReferenceConflict => Err(Problem::new(
            &problem::REFERENCE_CONFLICT,
            format!(
                "wallet {wallet} has an entry of this reference with another kind, amount or reason; nothing was booked"
            ),
        )),
        Verdict::WalletUnknown => Err(Problem::unknown("wallet", wallet)),
        Verdict::OutOfRange => Err(Problem::field(
            "amount",
            "with it the wallet would leave the range that is computed exactly, 2^53 micro-credits",
        )),
        Verdict::Shortfall { needed, available } => {
            let currency = admin.snapshot(account).await?.account.currency.clone();
            let detail =
                format!("the adjustment takes {needed} {currency}, available is {available}");
            Err(Problem::shortfall(detail, needed, available, &currency))
        }
        other => Err(unexpected(&other)),
    }
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

/// The settings of a body, with what it leaves out set to nothing where the whole wallet is put.
fn settings_of(body: WalletBody, whole: bool) -> WalletSettings {
    if whole {
        WalletSettings {
            overdraft_limit: Some(body.overdraft_limit.unwrap_or_default()),
            low_balance_thresholds: Some(body.low_balance_thresholds.unwrap_or_default()),
        }
    } else {
        WalletSettings {
            overdraft_limit: body.overdraft_limit,
            low_balance_thresholds: body.low_balance_thresholds,
        }
    }
}

pub(super) async fn put_call(call: &Call) -> Result<Response<Body>, Problem> {
    let id: WalletId = call
        .part("wallet")
        .parse()
        .map_err(|error: IdError| Problem::field("wallet", error.to_string()))?;
    let settings = settings_of(call.json()?, true);
    let _held = call.admin.settings.hold().await;
    let made = put(&call.admin, &call.account()?.id, &id, &settings, Existing::Replace).await?;
    show(call, &id, made == Made::New).await
}

pub(super) async fn patch(call: &Call) -> Result<Response<Body>, Problem> {
    let id: WalletId = call.id("wallet", "wallet")?;
    let settings = settings_of(call.json()?, false);
    let _held = call.admin.settings.hold().await;
    find(&call.admin, &call.account()?.id, &id).await?;
    put(&call.admin, &call.account()?.id, &id, &settings, Existing::Replace).await?;
    show(call, &id, false).await
}

async fn show(call: &Call, id: &WalletId, new: bool) -> Result<Response<Body>, Problem> {
    call.catch_up().await?;
    let account = call.account()?;
    let wallet = find(&call.admin, &account.id, id).await?;
    call::made(new, &WalletAnswer::new(&wallet, &account.account.currency))
}

pub(super) async fn get(call: &Call) -> Result<Response<Body>, Problem> {
    let id: WalletId = call.id("wallet", "wallet")?;
    show(call, &id, false).await
}

pub(super) async fn list(call: &Call) -> Result<Response<Body>, Problem> {
    call.catch_up().await?;
    let account = call.account()?;
    let wallets = call.admin.services.reads.wallets(&account.id).await?;
    let page = call::page_of(
        wallets.iter().map(|wallet| &wallet.id),
        &call.page::<WalletId>()?,
        WalletId::as_str,
    );
    let views: Vec<_> = wallets
        .iter()
        .filter(|wallet| page.items.contains(&&wallet.id))
        .map(|wallet| WalletAnswer::new(wallet, &account.account.currency))
        .collect();
    call::list(&views, page.next.as_deref())
}

pub(super) async fn top_up_call(call: &Call) -> Result<Response<Body>, Problem> {
    let wallet: WalletId = call.id("wallet", "wallet")?;
    let body: TopUpBody = call.json()?;
    let account = call.account()?;
    let (entry, repeated) =
        top_up(&call.admin, &account.id, &wallet, body.amount, &body.reference).await?;
    call::made(!repeated, &EntryView::new(&entry, &account.account.currency))
}

pub(super) async fn adjust_call(call: &Call) -> Result<Response<Body>, Problem> {
    let wallet: WalletId = call.id("wallet", "wallet")?;
    let AdjustmentBody { amount, reference, reason } = call.json()?;
    let mut mistakes = Mistakes::default();
    mistakes.expect(!amount.is_zero(), "amount", "an adjustment is not zero");
    visible(&reference, MAX_REFERENCE, "reference", &mut mistakes);
    visible(&reason, MAX_REASON, "reason", &mut mistakes);
    mistakes.check()?;
    let account = call.account()?;
    let operation = Operation::Adjust {
        wallet: wallet.clone(),
        amount,
        reference: reference.into(),
        reason: reason.into(),
    };
    let (entry, repeated) = post(&call.admin, &account.id, &wallet, operation).await?;
    call::made(!repeated, &EntryView::new(&entry, &account.account.currency))
}
