//! Accounts: created by an operator with a wallet `main`, changed field by field; currency and time
//! zone are fixed for good.

use axum::body::Body;
use http::Response;
use serde::{Deserialize, Serialize};

use super::call::{self, Call, given};
use super::problem::{self, Mistakes, Problem};
use super::{Admin, Existing, Made, wallets};
use crate::catalog::documents::{
    AccountSettings, ChargeOn, Enforcement, FrequencyCap, UnknownTemplate, WalletSettings,
    default_card, main_wallet,
};
use crate::catalog::validate;
use crate::ids::AccountId;
use crate::ledger::DocumentKind;
use crate::pricing::Markup;

/// The id of an account's own document.
const DOCUMENT: &str = "account";

/// An account as answers show it.
#[derive(Serialize)]
struct AccountView<'a> {
    id: &'a AccountId,
    #[serde(flatten)]
    settings: &'a AccountSettings,
}

/// The body of both POST and PATCH. No field may be null except the messaging limit.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct AccountBody {
    #[serde(deserialize_with = "given")]
    id: Option<AccountId>,
    #[serde(deserialize_with = "given")]
    currency: Option<String>,
    #[serde(deserialize_with = "given")]
    rate_card: Option<String>,
    #[serde(deserialize_with = "given")]
    time_zone: Option<String>,
    #[serde(deserialize_with = "given")]
    charge_on: Option<String>,
    #[serde(deserialize_with = "given")]
    enforcement: Option<String>,
    #[serde(deserialize_with = "given")]
    messaging_limit: Option<Option<u32>>,
    #[serde(deserialize_with = "given")]
    caps: Option<Vec<FrequencyCap>>,
    #[serde(deserialize_with = "given")]
    unknown_template: Option<UnknownTemplate>,
    #[serde(deserialize_with = "given")]
    markup: Option<Markup>,
    #[serde(deserialize_with = "given")]
    authentication_international: Option<bool>,
}

impl AccountBody {
    /// Lays the fields that are given over `settings`.
    fn lay_over(self, settings: &mut AccountSettings, mistakes: &mut Mistakes) {
        if let Some(text) = &self.charge_on {
            mistakes.validate("charge_on", ChargeOn::parse(text).map(drop));
        }
        if let Some(text) = &self.enforcement {
            mistakes.validate("enforcement", Enforcement::parse(text).map(drop));
        }
        if let Some(card) = self.rate_card {
            settings.rate_card = card;
        }
        if let Some(limit) = self.messaging_limit {
            settings.messaging_limit = limit;
        }
        if let Some(caps) = self.caps {
            settings.caps = caps;
        }
        if let Some(unknown_template) = self.unknown_template {
            settings.unknown_template = unknown_template;
        }
        if let Some(markup) = self.markup {
            settings.markup = markup;
        }
        if let Some(international) = self.authentication_international {
            settings.authentication_international = international;
        }
    }
}

/// Everything that is wrong with an account's settings.
fn look_over(admin: &Admin, settings: &AccountSettings, mistakes: &mut Mistakes) {
    let currency = &settings.currency;
    mistakes.validate("currency", validate::currency(currency));
    match admin.services.prices.load().card(&settings.rate_card) {
        None => mistakes.add("rate_card", format!("there is no rate card {}", settings.rate_card)),
        Some(card) => mistakes.expect(
            **card.currency() == **currency,
            "rate_card",
            format!(
                "{} is in {}, the account counts in {currency}",
                settings.rate_card,
                card.currency()
            ),
        ),
    }
    mistakes.validate("time_zone", validate::time_zone(&settings.time_zone));
    mistakes.expect(
        settings.messaging_limit != Some(0),
        "messaging_limit",
        "it is at least 1, or null for no limit",
    );
    mistakes.validate("caps", FrequencyCap::validate_count(settings.caps.len()));
    for (at, cap) in settings.caps.iter().enumerate() {
        if let Err(mistake) = cap.validate() {
            mistakes.add(&format!("caps[{at}]"), mistake.to_string());
        }
    }
}

/// Creates an account and its wallet `main` with the settings given for that. What is there stays
/// as it is, whatever its settings.
///
/// # Errors
/// Every mistake in the settings at once, or a ledger that does not answer.
pub async fn create(
    admin: &Admin,
    id: &AccountId,
    settings: &AccountSettings,
    main: &WalletSettings,
) -> Result<Made, Problem> {
    let mut mistakes = Mistakes::default();
    look_over(admin, settings, &mut mistakes);
    mistakes.check()?;
    let new =
        admin.put_document(id, DocumentKind::Account, DOCUMENT, settings, Existing::Keep).await?;
    // Also where the account was there: a first try may have ended between the two.
    wallets::put(admin, id, &main_wallet(), main, Existing::Keep).await?;
    Ok(if new { Made::New } else { Made::Present })
}

pub(super) async fn post(call: &Call) -> Result<Response<Body>, Problem> {
    let mut body: AccountBody = call.json()?;
    let mut mistakes = Mistakes::default();
    mistakes.expect(body.id.is_some(), "id", "it is missing");
    mistakes.expect(body.currency.is_some(), "currency", "it is missing");
    let (Some(id), Some(currency)) = (body.id.take(), body.currency.take()) else {
        mistakes.check()?;
        return Err(Problem::internal("a missing field was overlooked", &call.path));
    };
    let mut settings = AccountSettings {
        rate_card: default_card(&currency),
        currency,
        time_zone: body.time_zone.take().unwrap_or_else(|| "UTC".into()),
        charge_on: ChargeOn::Accepted,
        enforcement: Enforcement::Enforce,
        messaging_limit: None,
        caps: Vec::new(),
        unknown_template: UnknownTemplate::Ceiling,
        markup: Markup::NONE,
        authentication_international: false,
    };
    body.lay_over(&mut settings, &mut mistakes);
    look_over(&call.admin, &settings, &mut mistakes);
    mistakes.check()?;
    let _held = call.admin.settings.hold().await;
    let made = create(&call.admin, &id, &settings, &WalletSettings::default()).await?;
    let snapshot = call.admin.snapshot(&id).await?;
    if snapshot.account != settings {
        return Err(Problem::new(
            &problem::EXISTS,
            format!("account {id} exists, with other settings; nothing was changed"),
        ));
    }
    call::made(made == Made::New, &AccountView { id: &id, settings: &snapshot.account })
}

pub(super) async fn list(call: &Call) -> Result<Response<Body>, Problem> {
    let page = call.admin.services.reads.accounts(&call.page::<AccountId>()?).await?;
    let mut snapshots = Vec::with_capacity(page.items.len());
    for id in &page.items {
        snapshots.extend(call.admin.services.catalog.account(id).await?);
    }
    let views: Vec<_> = snapshots
        .iter()
        .map(|snapshot| AccountView { id: &snapshot.id, settings: &snapshot.account })
        .collect();
    call::list(&views, page.next.as_deref())
}

pub(super) async fn get(call: &Call) -> Result<Response<Body>, Problem> {
    let snapshot = call.account()?;
    call::ok(&AccountView { id: &snapshot.id, settings: &snapshot.account })
}

pub(super) async fn patch(call: &Call) -> Result<Response<Body>, Problem> {
    let body: AccountBody = call.json()?;
    let id = &call.account()?.id;
    let _held = call.admin.settings.hold().await;
    let snapshot = call.admin.snapshot(id).await?;
    let mut settings = snapshot.account.clone();
    let mut mistakes = Mistakes::default();
    mistakes.expect(
        body.id.as_ref().is_none_or(|given| given == id),
        "id",
        "an account keeps its id",
    );
    let same =
        |given: &Option<String>, fixed: &String| given.as_ref().is_none_or(|given| given == fixed);
    mistakes.expect(
        same(&body.currency, &settings.currency),
        "currency",
        "it is fixed when the account is created",
    );
    mistakes.expect(
        same(&body.time_zone, &settings.time_zone),
        "time_zone",
        "it is fixed when the account is created",
    );
    body.lay_over(&mut settings, &mut mistakes);
    look_over(&call.admin, &settings, &mut mistakes);
    mistakes.check()?;
    call.admin
        .put_document(id, DocumentKind::Account, DOCUMENT, &settings, Existing::Replace)
        .await?;
    call::ok(&AccountView { id, settings: &settings })
}
