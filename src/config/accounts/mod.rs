//! Objects declared in the file: accounts with their wallets, WABAs, channels, templates, keys and
//! campaigns. They are created if they are missing and never overwritten, so the file holds their
//! first state, not their current one.

mod channels;
mod keys;
mod known;
mod wallets;

use super::declared::DeclaredAccount;
use super::parse;
use super::section::Section;
use super::settings::SecretsConfig;
use crate::catalog::documents::{
    AccountSettings, ChargeOn, Enforcement, FrequencyCap, MarketingEndpoint, UnknownTemplate,
    default_card,
};
use crate::catalog::validate;
use crate::ids::AccountId;
use crate::pricing::{Category, Markup};
use known::{Declared, Seen, unique};

/// Reads all `[[accounts]]`; those with mistakes are left out.
pub(super) fn read(
    root: &mut Section<'_>,
    secrets: &SecretsConfig,
    allow_plaintext: bool,
) -> Vec<DeclaredAccount> {
    let mut seen = Seen { allow_plaintext, ..Seen::default() };
    root.sections("accounts")
        .into_iter()
        .filter_map(|section| account(section, secrets, &mut seen))
        .collect()
}

fn account(
    mut section: Section<'_>,
    secrets: &SecretsConfig,
    seen: &mut Seen,
) -> Option<DeclaredAccount> {
    section.begin();
    let id = section.required("id", parse::parsed::<AccountId>);
    unique(&section, "id", id.as_ref(), &mut seen.accounts, "account");
    let currency = section.required("currency", parse::valid(validate::currency));
    let own_card = default_card(currency.as_deref().unwrap_or("message"));
    let rate_card = section.text("rate_card", &own_card, parse::rate_card);
    let time_zone = section.text("time_zone", "UTC", parse::valid(validate::time_zone));
    let account_zone = time_zone.clone().unwrap_or_else(|| "UTC".to_owned());
    let charge_on = section.text("charge_on", "accepted", ChargeOn::parse);
    let enforcement = section.text("enforcement", "enforce", Enforcement::parse);
    let messaging_limit = section.number("messaging_limit", None, &(1..=u32::MAX));
    let choices = [("ceiling", UnknownTemplate::Ceiling), ("refuse", UnknownTemplate::Refuse)];
    let unknown_template =
        section.text("unknown_template", "ceiling", |text| parse::one_of(&choices, text));
    let choices = [
        ("as_sent", MarketingEndpoint::AsSent),
        ("marketing_messages", MarketingEndpoint::MarketingMessages),
    ];
    let marketing_endpoint =
        section.text("marketing_endpoint", "as_sent", |text| parse::one_of(&choices, text));
    let authentication_international = section.boolean("authentication_international", false);
    let markup = markup(section.inline("markup"));
    let caps = caps(&mut section);

    let mut declared = Declared::default();
    let wallets = wallets::wallets(&mut section, &mut declared);
    let wabas = channels::wabas(&mut section, &account_zone, &mut declared);
    let channels = channels::channels(&mut section, secrets, &declared, seen);
    let templates = channels::templates(&mut section, &declared);
    let keys = keys::keys(&mut section, seen);
    let campaigns = wallets::campaigns(&mut section, &declared);
    section.finish();
    let settings = AccountSettings {
        currency: currency?,
        rate_card: rate_card?,
        time_zone: time_zone?,
        charge_on: charge_on?,
        enforcement: enforcement?,
        messaging_limit,
        caps,
        unknown_template: unknown_template?,
        marketing_endpoint: marketing_endpoint?,
        markup: markup?,
        authentication_international,
    };
    Some(DeclaredAccount {
        id: id?,
        settings,
        wallets,
        wabas,
        channels,
        templates,
        keys,
        campaigns,
    })
}

fn markup(mut section: Section<'_>) -> Option<Markup> {
    let percent = section.text("percent", "0", parse::percent);
    let per_message = section.text("per_message", "0", parse::amount);
    let markup = percent.zip(per_message).and_then(|(percent, per_message)| {
        let markup = Markup::new(percent, per_message);
        // `parse::percent` is the stricter rule of the two, so only the amount can be wrong here.
        markup.map_err(|error| section.mistake("per_message", error.to_string())).ok()
    });
    section.finish();
    markup
}

fn caps(account: &mut Section<'_>) -> Vec<FrequencyCap> {
    let sections = account.inline_sections("caps");
    let count = FrequencyCap::validate_count(sections.len());
    let caps = sections.into_iter().filter_map(cap).collect();
    if let Err(message) = count {
        account.mistake("caps", message);
    }
    caps
}

fn cap(mut section: Section<'_>) -> Option<FrequencyCap> {
    let choices = Category::ALL.map(|category| (category.as_str(), category));
    let categories =
        section.texts("categories", &["marketing"], |text| parse::one_of(&choices, text));
    let max = section.required_number("max", &FrequencyCap::MAX);
    let window_s = section.required_number("window_s", &FrequencyCap::WINDOW_S);
    let cap = categories.zip(max).zip(window_s).map(|((categories, max), window_s)| FrequencyCap {
        categories,
        max,
        window_s,
    });
    if let Some(Err(mistake)) = cap.as_ref().map(FrequencyCap::validate) {
        section.mistake(mistake.field, mistake.message);
    }
    section.finish();
    cap
}
