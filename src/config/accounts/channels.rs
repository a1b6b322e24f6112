//! Reads an account's WABAs with their templates, and its channels.

use std::collections::{BTreeMap, BTreeSet};

use super::known::{Declared, Seen, refers, unique};
use crate::catalog::documents::{
    Billing, ChannelSettings, TemplateSettings, WabaSettings, main_wallet, standard_throughput,
};
use crate::catalog::{TemplateName, token_names, validate};
use crate::config::parse;
use crate::config::section::Section;
use crate::config::settings::SecretsConfig;
use crate::ids::{ChannelId, PortfolioId, WabaId, WalletId};
use crate::pricing::Category;
use crate::upstream::headers::may_carry_token;

/// Reads `[[accounts.wabas]]`; `account_zone` is the time zone of those that name none.
pub(super) fn wabas(
    account: &mut Section<'_>,
    account_zone: &str,
    declared: &mut Declared,
) -> Vec<(WabaId, WabaSettings)> {
    let sections = account.sections("wabas").into_iter();
    sections.filter_map(|section| waba(section, account_zone, declared)).collect()
}

fn waba(
    mut section: Section<'_>,
    account_zone: &str,
    declared: &mut Declared,
) -> Option<(WabaId, WabaSettings)> {
    section.begin();
    let id = section.required("id", parse::parsed::<WabaId>);
    unique(&section, "id", id.as_ref(), &mut declared.wabas, "WABA");
    let time_zone = section.text("time_zone", account_zone, parse::valid(validate::time_zone));
    let portfolio = section.text("portfolio", "default", parse::parsed::<PortfolioId>);
    section.finish();
    Some((id?, WabaSettings { time_zone: time_zone?, portfolio: portfolio? }))
}

/// Reads `[[accounts.channels]]`.
pub(super) fn channels(
    account: &mut Section<'_>,
    secrets: &SecretsConfig,
    declared: &Declared,
    seen: &mut Seen,
) -> Vec<(ChannelId, ChannelSettings)> {
    let sections = account.sections("channels").into_iter();
    sections.filter_map(|section| channel(section, secrets, declared, seen)).collect()
}

fn channel(
    mut section: Section<'_>,
    secrets: &SecretsConfig,
    declared: &Declared,
    seen: &mut Seen,
) -> Option<(ChannelId, ChannelSettings)> {
    section.begin();
    let id = section.required("phone_number_id", parse::parsed::<ChannelId>);
    unique(&section, "phone_number_id", id.as_ref(), &mut seen.channels, "phone number ID");
    let wallet = section.text("wallet", main_wallet().as_str(), parse::parsed::<WalletId>);
    refers(&section, "wallet", wallet.as_ref(), &declared.wallets, "wallet");
    let choices = [("prepaid", Billing::Prepaid), ("external", Billing::External)];
    let billing = section.text("billing", "prepaid", |text| parse::one_of(&choices, text));
    let waba = section.optional("waba", parse::parsed::<WabaId>);
    refers(&section, "waba", waba.as_ref(), &declared.wabas, "WABA");
    if !section.is_written("waba") && billing == Some(Billing::Prepaid) {
        section.mistake("waba", "is required for a prepaid channel");
    }
    let (token_env, token_file) = token(&mut section, secrets);
    let throughput_limit = section.number(
        "throughput_limit",
        Some(standard_throughput()),
        &ChannelSettings::THROUGHPUT,
    );
    let enabled = section.boolean("enabled", true);
    let upstream_url = section
        .url("upstream_url", |text| parse::upstream_url(text, seen.allow_plaintext))
        .map(|base| base.to_string());
    let upstream_auth_header = section.optional("upstream_auth_header", parse::any);
    let upstream_path = section.optional("upstream_path", parse::any);
    let own = billing == Some(Billing::External) && section.is_written("upstream_url");
    let (header, path) = (upstream_auth_header.as_deref(), upstream_path.as_deref());
    for mistake in ChannelSettings::upstream_mistakes(own, header, path, may_carry_token) {
        section.mistake(mistake.field, mistake.message);
    }
    let calling_code = section.optional("calling_code", parse::valid(validate::calling_code));
    section.finish();
    let settings = ChannelSettings {
        wallet: wallet?,
        billing: billing?,
        waba,
        token_env,
        token_file,
        throughput_limit: throughput_limit?,
        enabled,
        upstream_url,
        upstream_auth_header,
        upstream_path,
        calling_code,
    };
    Some((id?, settings))
}

/// Returns the variable and the file that hold the channel's Meta token; without a mistake, one of
/// them. A variable must be set, because it cannot change while the process runs; a file may be
/// created later.
fn token(section: &mut Section<'_>, secrets: &SecretsConfig) -> (Option<String>, Option<String>) {
    let variable = section.optional("token_env", parse::any);
    let file = section.optional("token_file", parse::any);
    let mistakes = token_names::validate(variable.as_deref(), file.as_deref(), &secrets.env);
    if let Some(variable) = variable.as_ref().filter(|_| mistakes.is_empty())
        && section.reader.environment.get(variable).is_none_or(String::is_empty)
    {
        section.mistake("token_env", format!("the environment variable {variable} is not set"));
    }
    for mistake in mistakes {
        // A key that is not written has no line of its own.
        let key = if section.is_written(mistake.field) { mistake.field } else { "" };
        section.mistake(key, mistake.message);
    }
    if file.is_some() && secrets.dir.is_none() {
        section.mistake("token_file", "secrets.dir is not set");
    }
    (variable, file)
}

/// Reads `[[accounts.templates]]`.
pub(super) fn templates(
    account: &mut Section<'_>,
    declared: &Declared,
) -> BTreeMap<WabaId, BTreeMap<TemplateName, Category>> {
    let mut seen = BTreeSet::new();
    let mut templates: BTreeMap<WabaId, BTreeMap<TemplateName, Category>> = BTreeMap::new();
    for section in account.sections("templates") {
        if let Some((waba, name, category)) = template(section, declared, &mut seen) {
            templates.entry(waba).or_default().insert(name, category);
        }
    }
    templates
}

fn template(
    mut section: Section<'_>,
    declared: &Declared,
    seen: &mut BTreeSet<(WabaId, TemplateName)>,
) -> Option<(WabaId, TemplateName, Category)> {
    section.begin();
    let waba = section.required("waba", parse::parsed::<WabaId>);
    refers(&section, "waba", waba.as_ref(), &declared.wabas, "WABA");
    let name = section.required("name", parse::valid(validate::template_name));
    let language = section.required("language", parse::valid(validate::template_language));
    let choices = TemplateSettings::CATEGORIES.map(|category| (category.as_str(), category));
    let category = section.required("category", |text| parse::one_of(&choices, text));
    let name = name.zip(language).and_then(|(name, language)| {
        // Both passed the same rules above, under keys of their own.
        TemplateName::new(&name, &language).ok()
    });
    let identity = waba.zip(name);
    if identity.as_ref().is_some_and(|identity| !seen.insert(identity.clone())) {
        section.mistake("name", "this template was declared before");
    }
    section.finish();
    let (waba, name) = identity?;
    Some((waba, name, category?))
}
