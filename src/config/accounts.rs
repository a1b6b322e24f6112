//! Objects declared in the file: accounts with their wallets, WABAs, channels, templates, keys and
//! campaigns. They are created when missing and never overwritten, so what stands here is a
//! beginning, not the state.

use std::collections::BTreeSet;

use rust_decimal::Decimal;

use super::SecretsConfig;
use super::checks;
use super::reader::Section;
use super::secret::Secret;
use crate::amount::Amount;
use crate::catalog::documents::FrequencyCap;
use crate::ids::{AccountId, CampaignId, ChannelId, KeyId, PortfolioId, WabaId, WalletId};

/// Categories by the names they have on the wire.
const CATEGORIES: [(&str, &str); 5] = [
    ("marketing", "marketing"),
    ("utility", "utility"),
    ("authentication", "authentication"),
    ("authentication_international", "authentication_international"),
    ("service", "service"),
];

/// The wallet an account has when it declares none.
const DEFAULT_WALLET: &str = "main";

/// One declared account.
#[derive(Debug, Clone)]
pub struct AccountConfig {
    pub id: AccountId,
    /// Three capitals, or `message`.
    pub currency: String,
    /// A rate card's id.
    pub rate_card: String,
    /// A zone of the IANA database, checked.
    pub time_zone: String,
    /// Unique recipients in a rolling 24 h; `None` is unlimited.
    pub messaging_limit: Option<u32>,
    pub caps: Vec<CapConfig>,
    pub unknown_template: UnknownTemplate,
    pub authentication_international: bool,
    pub markup: MarkupConfig,
    /// At least one.
    pub wallets: Vec<WalletConfig>,
    pub wabas: Vec<WabaConfig>,
    pub channels: Vec<ChannelConfig>,
    pub templates: Vec<TemplateConfig>,
    pub keys: Vec<KeyConfig>,
    pub campaigns: Vec<CampaignConfig>,
}

/// A frequency cap: at most `max` messages of `categories` to one recipient in `window_s` seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapConfig {
    /// Wire names of categories, at least one.
    pub categories: Vec<String>,
    pub max: u32,
    pub window_s: u32,
}

/// What happens to a template whose category nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownTemplate {
    /// Priced at the dearest category.
    Ceiling,
    /// Refused.
    Refuse,
}

/// What is added to each rate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MarkupConfig {
    /// 0 to 1000, at most four decimals.
    pub percent: Decimal,
    pub per_message: Amount,
}

/// One declared wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletConfig {
    pub id: WalletId,
    pub overdraft_limit: Amount,
    pub low_balance_thresholds: Vec<Amount>,
    /// What a newly created wallet holds.
    pub opening_top_up: Option<Amount>,
}

/// One declared WhatsApp Business Account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WabaConfig {
    pub id: WabaId,
    /// A zone of the IANA database, checked.
    pub time_zone: String,
    pub portfolio: PortfolioId,
}

/// Who is charged for a channel's sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BillingConfig {
    /// The account's wallet.
    Prepaid,
    /// Nobody here.
    External,
}

/// Where a channel's Meta token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSource {
    /// In this environment variable, whose name `secrets.env` allows.
    Environment(String),
    /// In this file under `secrets.dir`.
    File(String),
}

/// One declared channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelConfig {
    pub phone_number_id: ChannelId,
    /// One of the account's wallets.
    pub wallet: WalletId,
    pub billing: BillingConfig,
    /// One of the account's WABAs; always there for prepaid channels.
    pub waba: Option<WabaId>,
    pub token: TokenSource,
    /// Messages a second.
    pub throughput_limit: u32,
    pub enabled: bool,
    /// `http://HOST:PORT`.
    pub upstream_url: Option<String>,
    /// Digits of its own country's calling code.
    pub calling_code: Option<String>,
}

/// One declared template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateConfig {
    /// One of the account's WABAs.
    pub waba: WabaId,
    pub name: String,
    pub language: String,
    /// `marketing`, `utility` or `authentication`.
    pub category: String,
}

/// What a key may do for its account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScopeConfig {
    Send,
    Read,
    Manage,
}

/// One declared gateway key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyConfig {
    pub id: KeyId,
    /// 16 to 255 visible ASCII characters.
    pub key: Secret,
    /// At least one.
    pub scopes: Vec<ScopeConfig>,
    pub campaign: Option<CampaignId>,
}

/// One declared campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignConfig {
    pub id: CampaignId,
    pub name: String,
    pub wallet: Option<WalletId>,
    pub budget: Option<Amount>,
    /// At most one message to each recipient (`dedupe = "recipient"`).
    pub dedupe_recipients: bool,
    pub exempt_from_caps: bool,
}

/// Names seen so far in the whole file: what no two accounts may share.
#[derive(Default)]
struct Seen {
    accounts: BTreeSet<AccountId>,
    channels: BTreeSet<ChannelId>,
    keys: Vec<Secret>,
}

/// Reads all `[[accounts]]`.
pub(super) fn read(root: &mut Section<'_>, secrets: &SecretsConfig) -> Vec<AccountConfig> {
    let mut seen = Seen::default();
    root.sections("accounts")
        .into_iter()
        .filter_map(|section| account(section, secrets, &mut seen))
        .collect()
}

/// Remembers `id`, or reports that it stands there twice.
fn unique<T: Ord + Clone>(
    section: &Section<'_>,
    key: &'static str,
    id: Option<&T>,
    seen: &mut BTreeSet<T>,
    what: &str,
) {
    if id.is_some_and(|id| !seen.insert(id.clone())) {
        section.mistake(key, format!("this {what} was declared before"));
    }
}

/// Reports a name that the account does not declare.
fn declared<T: PartialEq>(
    section: &Section<'_>,
    key: &'static str,
    id: Option<&T>,
    known: &[T],
    what: &str,
) {
    if id.is_some_and(|id| !known.contains(id)) {
        section.mistake(key, format!("the account declares no such {what}"));
    }
}

/// Ids of what is declared, including those whose other fields are wrong: one mistake shall not be
/// reported as two.
struct Declared {
    wallets: Vec<WalletId>,
    wabas: Vec<WabaId>,
}

fn account(
    mut section: Section<'_>,
    secrets: &SecretsConfig,
    seen: &mut Seen,
) -> Option<AccountConfig> {
    section.begin();
    let id = section.required("id", checks::parsed::<AccountId>);
    unique(&section, "id", id.as_ref(), &mut seen.accounts, "account");
    let currency = section.required("currency", checks::currency);
    let own_card = match currency.as_deref() {
        Some("message") | None => "message".to_owned(),
        Some(currency) => format!("meta-{}", currency.to_ascii_lowercase()),
    };
    let rate_card = section.text("rate_card", &own_card, checks::rate_card);
    let time_zone = section.text("time_zone", "UTC", checks::time_zone);
    section.text("charge_on", "accepted", charge_on);
    section.text("enforcement", "enforce", enforcement);
    let messaging_limit = section
        .integer("messaging_limit", None, 1..=i64::from(u32::MAX))
        .and_then(|limit| u32::try_from(limit).ok());
    let unknown_template = section.text("unknown_template", "ceiling", |text| {
        checks::one_of(
            &[("ceiling", UnknownTemplate::Ceiling), ("refuse", UnknownTemplate::Refuse)],
            text,
        )
    });
    let authentication_international = section.boolean("authentication_international", false);
    let markup = markup(section.inline("markup"));
    let caps: Vec<CapConfig> =
        section.inline_sections("caps").into_iter().filter_map(cap).collect();
    if caps.len() > FrequencyCap::MAX_PER_ACCOUNT {
        section.mistake(
            "caps",
            format!("an account has at most {} caps", FrequencyCap::MAX_PER_ACCOUNT),
        );
    }

    let mut declared = Declared { wallets: Vec::new(), wabas: Vec::new() };
    let wallets = wallets(&mut section, &mut declared);
    let account_zone = time_zone.as_deref().unwrap_or("UTC");
    let wabas = section
        .sections("wabas")
        .into_iter()
        .filter_map(|waba| self::waba(waba, account_zone, &mut declared))
        .collect();
    let channels = section
        .sections("channels")
        .into_iter()
        .filter_map(|channel| self::channel(channel, secrets, &declared, seen))
        .collect();
    let templates = templates(&mut section, &declared);
    let mut key_ids = BTreeSet::new();
    let keys = section
        .sections("keys")
        .into_iter()
        .filter_map(|key| self::key(key, &mut key_ids, seen))
        .collect();
    let mut campaign_ids = BTreeSet::new();
    let campaigns = section
        .sections("campaigns")
        .into_iter()
        .filter_map(|one| campaign(one, &mut campaign_ids, &declared))
        .collect();
    section.finish();
    Some(AccountConfig {
        id: id?,
        currency: currency?,
        rate_card: rate_card?,
        time_zone: time_zone?,
        messaging_limit,
        caps,
        unknown_template: unknown_template?,
        authentication_international,
        markup,
        wallets,
        wabas,
        channels,
        templates,
        keys,
        campaigns,
    })
}

fn charge_on(text: &str) -> Result<(), String> {
    match text {
        "delivered" => {
            Err("\"delivered\" needs webhooks, which are not in this version; use \"accepted\""
                .to_owned())
        }
        _ => checks::one_of(&[("accepted", ())], text),
    }
}

fn enforcement(text: &str) -> Result<(), String> {
    match text {
        "observe" => Err("\"observe\" is not in this version; use \"enforce\"".to_owned()),
        _ => checks::one_of(&[("enforce", ())], text),
    }
}

fn markup(mut section: Section<'_>) -> MarkupConfig {
    let percent = section.text("percent", "0", checks::percent);
    let per_message = section.text("per_message", "0", checks::amount);
    section.finish();
    MarkupConfig {
        percent: percent.unwrap_or_default(),
        per_message: per_message.unwrap_or_default(),
    }
}

fn cap(mut section: Section<'_>) -> Option<CapConfig> {
    let categories = section.texts("categories", &["marketing"], |text| {
        checks::one_of(&CATEGORIES, text).map(str::to_owned)
    });
    let max = section.required_integer("max", 1..=i64::from(FrequencyCap::MAX));
    let window_s = section.required_integer("window_s", 1..=i64::from(FrequencyCap::MAX_WINDOW_S));
    section.finish();
    Some(CapConfig {
        categories,
        max: u32::try_from(max?).ok()?,
        window_s: u32::try_from(window_s?).ok()?,
    })
}

fn wallets(account: &mut Section<'_>, declared: &mut Declared) -> Vec<WalletConfig> {
    let sections = account.sections("wallets");
    if sections.is_empty() {
        let id: Option<WalletId> = DEFAULT_WALLET.parse().ok();
        declared.wallets.extend(id.clone());
        let empty = |id| WalletConfig {
            id,
            overdraft_limit: Amount::ZERO,
            low_balance_thresholds: Vec::new(),
            opening_top_up: None,
        };
        return id.map(empty).into_iter().collect();
    }
    let mut seen = BTreeSet::new();
    let mut wallet = |mut section: Section<'_>| {
        section.begin();
        let id = section.required("id", checks::parsed::<WalletId>);
        unique(&section, "id", id.as_ref(), &mut seen, "wallet");
        declared.wallets.extend(id.clone());
        let overdraft_limit = section.text("overdraft_limit", "0.00", checks::amount);
        let low_balance_thresholds = section.texts("low_balance_thresholds", &[], checks::amount);
        let opening_top_up = section.optional("opening_top_up", checks::positive_amount);
        section.finish();
        Some(WalletConfig {
            id: id?,
            overdraft_limit: overdraft_limit?,
            low_balance_thresholds,
            opening_top_up,
        })
    };
    sections.into_iter().filter_map(&mut wallet).collect()
}

fn waba(
    mut section: Section<'_>,
    account_zone: &str,
    declared: &mut Declared,
) -> Option<WabaConfig> {
    section.begin();
    let id = section.required("id", checks::parsed::<WabaId>);
    if id.as_ref().is_some_and(|id| declared.wabas.contains(id)) {
        section.mistake("id", "this WABA was declared before");
    }
    declared.wabas.extend(id.clone());
    let time_zone = section.text("time_zone", account_zone, checks::time_zone);
    let portfolio = section.text("portfolio", "default", checks::parsed::<PortfolioId>);
    section.finish();
    Some(WabaConfig { id: id?, time_zone: time_zone?, portfolio: portfolio? })
}

fn channel(
    mut section: Section<'_>,
    secrets: &SecretsConfig,
    known: &Declared,
    seen: &mut Seen,
) -> Option<ChannelConfig> {
    section.begin();
    let phone_number_id = section.required("phone_number_id", checks::parsed::<ChannelId>);
    unique(
        &section,
        "phone_number_id",
        phone_number_id.as_ref(),
        &mut seen.channels,
        "phone number ID",
    );
    let wallet = section.text("wallet", DEFAULT_WALLET, checks::parsed::<WalletId>);
    declared(&section, "wallet", wallet.as_ref(), &known.wallets, "wallet");
    let billing = section.text("billing", "prepaid", |text| {
        checks::one_of(
            &[("prepaid", BillingConfig::Prepaid), ("external", BillingConfig::External)],
            text,
        )
    });
    let waba = section.optional("waba", checks::parsed::<WabaId>);
    declared(&section, "waba", waba.as_ref(), &known.wabas, "WABA");
    if !section.is_written("waba") && billing == Some(BillingConfig::Prepaid) {
        section.mistake("waba", "is required for a prepaid channel");
    }
    let token = token(&mut section, secrets);
    let throughput_limit = section.integer("throughput_limit", Some(80), 1..=1000);
    let enabled = section.boolean("enabled", true);
    let upstream_url = section.url("upstream_url", checks::upstream_url);
    let calling_code = section.optional("calling_code", checks::calling_code);
    section.finish();
    Some(ChannelConfig {
        phone_number_id: phone_number_id?,
        wallet: wallet?,
        billing: billing?,
        waba,
        token: token?,
        throughput_limit: u32::try_from(throughput_limit?).ok()?,
        enabled,
        upstream_url,
        calling_code,
    })
}

/// A variable must be set, because it cannot change while the process lives; a file may still come.
fn token(section: &mut Section<'_>, secrets: &SecretsConfig) -> Option<TokenSource> {
    let variable = section.optional("token_env", checks::variable);
    let file = section.optional("token_file", checks::inner_path);
    match (section.is_written("token_env"), section.is_written("token_file")) {
        (true, true) => section.mistake("token_file", "give token_env or token_file, not both"),
        (false, false) => section.mistake("", "needs token_env or token_file"),
        _ => {}
    }
    if let Some(variable) = &variable {
        if !secrets.allows_env(variable) {
            section.mistake(
                "token_env",
                format!("\"{variable}\" does not match secrets.env (\"{}\")", secrets.env),
            );
        } else if section.reader.environment.get(variable).is_none_or(String::is_empty) {
            section.mistake("token_env", format!("the environment variable {variable} is not set"));
        }
    }
    if file.is_some() && secrets.dir.is_none() {
        section.mistake("token_file", "secrets.dir is not set");
    }
    variable.map(TokenSource::Environment).or(file.map(TokenSource::File))
}

fn templates(account: &mut Section<'_>, known: &Declared) -> Vec<TemplateConfig> {
    let mut seen = BTreeSet::new();
    let mut template = |mut section: Section<'_>| {
        section.begin();
        let waba = section.required("waba", checks::parsed::<WabaId>);
        declared(&section, "waba", waba.as_ref(), &known.wabas, "WABA");
        let name = section.required("name", checks::template_name);
        let language = section.required("language", checks::template_language);
        let category = section.required("category", |text| checks::one_of(&CATEGORIES[..3], text));
        let identity = (waba.clone(), name.clone(), language.clone());
        if matches!(identity, (Some(_), Some(_), Some(_))) && !seen.insert(identity) {
            section.mistake("name", "this template was declared before");
        }
        section.finish();
        Some(TemplateConfig {
            waba: waba?,
            name: name?,
            language: language?,
            category: category?.to_owned(),
        })
    };
    account.sections("templates").into_iter().filter_map(&mut template).collect()
}

fn key(mut section: Section<'_>, ids: &mut BTreeSet<KeyId>, seen: &mut Seen) -> Option<KeyConfig> {
    section.begin();
    let id = section.required("id", checks::parsed::<KeyId>);
    unique(&section, "id", id.as_ref(), ids, "key");
    let secret = key_secret(&mut section);
    if let Some(secret) = &secret {
        if seen.keys.contains(secret) {
            section.mistake("", "the same key was declared before");
        }
        seen.keys.push(secret.clone());
    }
    let scopes = section.texts("scopes", &["send"], |text| {
        checks::one_of(
            &[
                ("send", ScopeConfig::Send),
                ("read", ScopeConfig::Read),
                ("manage", ScopeConfig::Manage),
            ],
            text,
        )
    });
    let campaign = section.optional("campaign", checks::parsed::<CampaignId>);
    section.finish();
    Some(KeyConfig { id: id?, key: secret?, scopes, campaign })
}

/// The key itself, from the one of its three sources that is given.
fn key_secret(section: &mut Section<'_>) -> Option<Secret> {
    let in_place = section.secret("key");
    let from_file = section.secret_file("key_file");
    let variable = section.optional("key_env", checks::variable);
    let from_environment =
        variable.as_ref().and_then(|name| section.reader.environment.get(name)).map(Secret::new);
    if let Some(name) = variable.as_ref().filter(|_| from_environment.is_none()) {
        section.mistake("key_env", format!("the environment variable {name} is not set"));
    }
    let given: Vec<&str> =
        ["key", "key_file", "key_env"].into_iter().filter(|key| section.is_written(key)).collect();
    match given[..] {
        [] => section.mistake("", "needs key, key_file or key_env"),
        [_] => {}
        [.., last] => section.mistake(last, "give one of key, key_file and key_env"),
    }
    let secret = in_place.or(from_file).or(from_environment)?;
    if let (Err(message), Some(source)) = (checks::key(&secret), given.first()) {
        section.mistake(source, message);
    }
    Some(secret)
}

fn campaign(
    mut section: Section<'_>,
    ids: &mut BTreeSet<CampaignId>,
    known: &Declared,
) -> Option<CampaignConfig> {
    section.begin();
    let id = section.required("id", checks::parsed::<CampaignId>);
    unique(&section, "id", id.as_ref(), ids, "campaign");
    let name = section.optional("name", checks::present);
    let wallet = section.optional("wallet", checks::parsed::<WalletId>);
    declared(&section, "wallet", wallet.as_ref(), &known.wallets, "wallet");
    let budget = section.optional("budget", checks::positive_amount);
    let dedupe = section.optional("dedupe", |text| checks::one_of(&[("recipient", ())], text));
    let exempt_from_caps = section.boolean("exempt_from_caps", false);
    section.finish();
    let id = id?;
    let name = name.unwrap_or_else(|| id.to_string());
    Some(CampaignConfig {
        id,
        name,
        wallet,
        budget,
        dedupe_recipients: dedupe.is_some(),
        exempt_from_caps,
    })
}
