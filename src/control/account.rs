//! Accounts: created by an operator with a wallet `main`, changed field by field; currency and time
//! zone are fixed for good.

use std::sync::Arc;

use serde::Deserialize;

use super::error::{Conflict, ControlError};
use super::handles::Control;
use super::mistakes::Mistakes;
use super::permission::operator_only;
use super::put::{Existing, Made, given};
use super::wallet;
use crate::catalog::documents::{
    AccountSettings, ChargeOn, Enforcement, FrequencyCap, MarketingEndpoint, UnknownTemplate,
    WalletSettings, default_card, main_wallet,
};
use crate::catalog::{Principal, Snapshot, validate};
use crate::ids::AccountId;
use crate::ledger::DocumentKind;
use crate::pricing::Markup;

/// The id of an account's own document.
const DOCUMENT: &str = "account";

/// The fields of an account that are given, for creating and changing. No field may be null except
/// the messaging limit.
#[derive(Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct AccountChange {
    /// The account's id; needed to create.
    #[serde(deserialize_with = "given")]
    pub id: Option<AccountId>,
    /// The unit of its wallets; needed to create, then fixed.
    #[serde(deserialize_with = "given")]
    pub currency: Option<String>,
    /// The rate card that prices its sends.
    #[serde(deserialize_with = "given")]
    pub rate_card: Option<String>,
    /// The zone of its usage days; fixed once created.
    #[serde(deserialize_with = "given")]
    pub time_zone: Option<String>,
    /// When a message is charged.
    #[serde(deserialize_with = "given")]
    pub charge_on: Option<String>,
    /// Whether its limits stop sends.
    #[serde(deserialize_with = "given")]
    pub enforcement: Option<String>,
    /// Unique recipients in 24 hours; null is unlimited.
    #[serde(deserialize_with = "given")]
    pub messaging_limit: Option<Option<u32>>,
    /// Frequency caps.
    #[serde(deserialize_with = "given")]
    pub caps: Option<Vec<FrequencyCap>>,
    /// What happens to a template the catalog does not know.
    #[serde(deserialize_with = "given")]
    pub unknown_template: Option<UnknownTemplate>,
    /// The endpoint that marketing templates are forwarded to.
    #[serde(deserialize_with = "given")]
    pub marketing_endpoint: Option<MarketingEndpoint>,
    /// Charged on top of the card's rates.
    #[serde(deserialize_with = "given")]
    pub markup: Option<Markup>,
    /// Meta bills this business at authentication-international rates.
    #[serde(deserialize_with = "given")]
    pub authentication_international: Option<bool>,
}

impl AccountChange {
    /// Merges the fields that are given into `settings`.
    fn merge(self, settings: &mut AccountSettings, mistakes: &mut Mistakes) {
        if let Some(text) = &self.charge_on {
            let read = ChargeOn::parse(text).map(|charge_on| settings.charge_on = charge_on);
            mistakes.validate("charge_on", read);
        }
        if let Some(text) = &self.enforcement {
            let read = Enforcement::parse(text).map(|chosen| settings.enforcement = chosen);
            mistakes.validate("enforcement", read);
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
        if let Some(endpoint) = self.marketing_endpoint {
            settings.marketing_endpoint = endpoint;
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
fn validate_settings(control: &Control, settings: &AccountSettings, mistakes: &mut Mistakes) {
    let currency = &settings.currency;
    mistakes.validate("currency", validate::currency(currency));
    match control.services.prices.load().card(&settings.rate_card) {
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

/// Creates an account and its wallet `main` with the settings given for that. What exists stays
/// unchanged, whatever its settings.
///
/// # Errors
/// Every mistake in the settings at once, or a fault of the ledger.
pub async fn create(
    control: &Control,
    principal: &Principal,
    id: &AccountId,
    settings: &AccountSettings,
    main: &WalletSettings,
) -> Result<Made, ControlError> {
    operator_only(principal)?;
    let _held = control.lock_settings().await;
    create_locked(control, id, settings, main).await
}

async fn create_locked(
    control: &Control,
    id: &AccountId,
    settings: &AccountSettings,
    main: &WalletSettings,
) -> Result<Made, ControlError> {
    let mut mistakes = Mistakes::default();
    validate_settings(control, settings, &mut mistakes);
    mistakes.check()?;
    let new =
        control.put_document(id, DocumentKind::Account, DOCUMENT, settings, Existing::Keep).await?;
    // Also if the account existed: a first try may have ended between the two.
    wallet::put_locked(control, id, &main_wallet(), main, Existing::Keep).await?;
    Ok(if new { Made::New } else { Made::Present })
}

/// Creates an account from the fields that are given, the others at their defaults. One that exists
/// with the same settings is returned unchanged.
///
/// # Errors
/// Every mistake at once, an account of that id with other settings, or a fault of the ledger.
pub async fn create_from(
    control: &Control,
    principal: &Principal,
    mut change: AccountChange,
) -> Result<(Arc<Snapshot>, Made), ControlError> {
    operator_only(principal)?;
    let mut mistakes = Mistakes::default();
    mistakes.expect(change.id.is_some(), "id", "it is missing");
    mistakes.expect(change.currency.is_some(), "currency", "it is missing");
    let (Some(id), Some(currency)) = (change.id.take(), change.currency.take()) else {
        return Err(mistakes.into());
    };
    let mut settings = AccountSettings {
        rate_card: default_card(&currency),
        currency,
        time_zone: change.time_zone.take().unwrap_or_else(|| "UTC".into()),
        charge_on: ChargeOn::Accepted,
        enforcement: Enforcement::Enforce,
        messaging_limit: None,
        caps: Vec::new(),
        unknown_template: UnknownTemplate::Ceiling,
        marketing_endpoint: MarketingEndpoint::AsSent,
        markup: Markup::NONE,
        authentication_international: false,
    };
    change.merge(&mut settings, &mut mistakes);
    validate_settings(control, &settings, &mut mistakes);
    mistakes.check()?;
    let _held = control.lock_settings().await;
    let made = create_locked(control, &id, &settings, &WalletSettings::default()).await?;
    let snapshot = control.snapshot(&id).await?;
    if snapshot.account != settings {
        let detail = format!("account {id} exists, with other settings; nothing was changed");
        return Err(ControlError::Conflict(Conflict::Exists, detail));
    }
    Ok((snapshot, made))
}

/// Changes the fields that are given; returns the settings after it. Fields that another gateway
/// changes at the same time keep its change.
///
/// # Errors
/// Every mistake at once, others that change the account again and again, or a fault of the ledger.
pub async fn change(
    control: &Control,
    principal: &Principal,
    id: &AccountId,
    change: AccountChange,
) -> Result<AccountSettings, ControlError> {
    operator_only(principal)?;
    let _held = control.lock_settings().await;
    control.snapshot(id).await?;
    let merge = |settings: &mut AccountSettings| {
        let mut mistakes = Mistakes::default();
        let same_id = change.id.as_ref().is_none_or(|given| given == id);
        mistakes.expect(same_id, "id", "an account keeps its id");
        let same = |given: &Option<String>, fixed: &String| {
            given.as_ref().is_none_or(|given| given == fixed)
        };
        let fixed = "it is fixed when the account is created";
        mistakes.expect(same(&change.currency, &settings.currency), "currency", fixed);
        mistakes.expect(same(&change.time_zone, &settings.time_zone), "time_zone", fixed);
        change.clone().merge(settings, &mut mistakes);
        validate_settings(control, settings, &mut mistakes);
        mistakes.check()
    };
    control.modify_document(id, DocumentKind::Account, DOCUMENT, merge).await
}
