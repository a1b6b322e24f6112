//! The settings documents: stored in the ledger, shown by the Admin API, declared in the
//! configuration file. All three use these types. A field that they do not know is skipped, because
//! a later version may have written it; the Admin API and the configuration refuse it themselves.

use std::ops::RangeInclusive;

use http::HeaderName;
use serde::{Deserialize, Serialize};

use super::validate::{self, FieldMistake};
use crate::amount::Amount;
use crate::ids::{CampaignId, PortfolioId, WabaId, WalletId};
use crate::ledger::CapRule;
use crate::ledger::rules::MAX_CAP_WINDOW_S;
use crate::pricing::{Category, Markup};

/// An account's own settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountSettings {
    /// Unit of its wallets: a currency, or `message`.
    pub currency: String,
    /// The rate card that prices its sends.
    pub rate_card: String,
    /// Zone in which its usage days begin; fixed at creation.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// When a message is charged.
    #[serde(default)]
    pub charge_on: ChargeOn,
    /// Whether its limits stop sends.
    #[serde(default)]
    pub enforcement: Enforcement,
    /// Unique recipients in 24 hours; `None` is unlimited.
    #[serde(default)]
    pub messaging_limit: Option<u32>,
    /// Frequency caps; an empty list means none.
    #[serde(default)]
    pub caps: Vec<FrequencyCap>,
    /// What happens to a template the catalog does not know.
    #[serde(default)]
    pub unknown_template: UnknownTemplate,
    /// The endpoint that marketing templates are forwarded to.
    #[serde(default)]
    pub marketing_endpoint: MarketingEndpoint,
    /// Charged on top of the card's rates.
    #[serde(default = "no_markup")]
    pub markup: Markup,
    /// Meta bills this business at authentication-international rates.
    #[serde(default)]
    pub authentication_international: bool,
}

fn utc() -> String {
    "UTC".into()
}

const fn no_markup() -> Markup {
    Markup::NONE
}

/// The rate card of an account that names none: Meta's in its currency, or `message`.
pub fn default_card(currency: &str) -> String {
    if currency == "message" {
        currency.to_owned()
    } else {
        format!("meta-{}", currency.to_ascii_lowercase())
    }
}

/// When a message is charged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChargeOn {
    /// When Meta accepts it. The only choice until webhooks are received.
    #[default]
    Accepted,
}

impl ChargeOn {
    /// Reads the wire name.
    ///
    /// # Errors
    /// A sentence if `text` is anything but `accepted`.
    pub fn parse(text: &str) -> Result<ChargeOn, String> {
        match text {
            "accepted" => Ok(ChargeOn::Accepted),
            "delivered" => Err("\"delivered\" needs webhooks, which are not supported in this \
                                version; use \"accepted\""
                .to_owned()),
            _ => Err(validate::must_be_one_of(&["accepted"], text)),
        }
    }
}

/// Whether limits stop sends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Enforcement {
    /// Sends beyond a limit are rejected.
    #[default]
    Enforce,
    /// They are counted and let through.
    Observe,
}

impl Enforcement {
    /// Reads the wire name.
    ///
    /// # Errors
    /// A sentence if `text` is neither `enforce` nor `observe`.
    pub fn parse(text: &str) -> Result<Enforcement, String> {
        match text {
            "enforce" => Ok(Enforcement::Enforce),
            "observe" => Ok(Enforcement::Observe),
            _ => Err(validate::must_be_one_of(&["enforce", "observe"], text)),
        }
    }
}

/// What happens to a template the catalog does not know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownTemplate {
    /// It is priced at the most expensive template category of its market.
    #[default]
    Ceiling,
    /// It is rejected as `unclassified`.
    Refuse,
}

/// The endpoint that marketing templates are forwarded to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MarketingEndpoint {
    /// The one they were sent to.
    #[default]
    AsSent,
    /// `/marketing_messages`, also if they were sent to `/messages`.
    MarketingMessages,
}

/// A frequency cap: at most `max` messages of `categories` to one recipient in `window_s` seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrequencyCap {
    /// Which categories it counts.
    pub categories: Vec<Category>,
    /// Most messages to one recipient in the window, 1 to 100.
    pub max: u32,
    /// Length of the window in seconds, up to 30 days.
    pub window_s: u32,
}

impl FrequencyCap {
    /// How many messages a cap may allow in its window.
    pub const MAX: RangeInclusive<u32> = 1..=100;

    /// How long a window may be, in seconds: up to 30 days.
    pub const WINDOW_S: RangeInclusive<u32> = 1..=MAX_CAP_WINDOW_S;

    /// The most caps that one account may have.
    pub const MAX_PER_ACCOUNT: usize = 16;

    /// The cap in the form the ledger counts by: categories as bits.
    pub fn rule(&self) -> CapRule {
        let bits =
            self.categories.iter().fold(0u8, |bits, category| bits | (1 << category.index()));
        CapRule { categories: bits, max: self.max, window_s: self.window_s }
    }

    /// Checks one cap.
    ///
    /// # Errors
    /// The first field that does not fit.
    pub fn validate(&self) -> Result<(), FieldMistake> {
        let at = |field| move |message| FieldMistake { field, message };
        if self.categories.is_empty() {
            return Err(at("categories")("must name at least one category".to_owned()));
        }
        validate::within(&FrequencyCap::MAX, &self.max).map_err(at("max"))?;
        validate::within(&FrequencyCap::WINDOW_S, &self.window_s).map_err(at("window_s"))
    }

    /// Checks how many caps an account has.
    ///
    /// # Errors
    /// A sentence if there are more than [`FrequencyCap::MAX_PER_ACCOUNT`].
    pub fn validate_count(count: usize) -> Result<(), String> {
        if count <= FrequencyCap::MAX_PER_ACCOUNT {
            Ok(())
        } else {
            Err(format!("an account has at most {} caps", FrequencyCap::MAX_PER_ACCOUNT))
        }
    }
}

/// Who pays for a channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Billing {
    /// Its wallet pays for each message.
    #[default]
    Prepaid,
    /// Its own provider: forwarded, never charged nor stopped for money.
    External,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelSettings {
    /// The wallet that pays.
    #[serde(default = "main_wallet")]
    pub wallet: WalletId,
    /// Whether its wallet or its own provider pays.
    #[serde(default)]
    pub billing: Billing,
    /// Its WABA, which holds its templates and zone.
    #[serde(default)]
    pub waba: Option<WabaId>,
    /// Environment variable that holds its Meta token.
    #[serde(default)]
    pub token_env: Option<String>,
    /// File below the secrets directory that holds its Meta token.
    #[serde(default)]
    pub token_file: Option<String>,
    /// Messages per second, divided by the gateways alive.
    #[serde(default = "standard_throughput")]
    pub throughput_limit: u32,
    /// A disabled channel sends nothing.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// The base URL its sends are forwarded to, instead of the gateway's upstream.
    #[serde(default)]
    pub upstream_url: Option<String>,
    /// The header in which its own upstream wants the token, instead of `Authorization: Bearer`.
    #[serde(default)]
    pub upstream_auth_header: Option<String>,
    /// The path at its own upstream to which messages go, instead of
    /// `/{version}/{phone_number_id}/messages`.
    #[serde(default)]
    pub upstream_path: Option<String>,
    /// Calling code of its own number, 1 to 4 digits. Meta adds it to a recipient without a plus.
    #[serde(default)]
    pub calling_code: Option<String>,
}

impl ChannelSettings {
    /// Messages per second that a channel may have; Meta allows 1,000.
    pub const THROUGHPUT: RangeInclusive<u32> = 1..=1_000;

    /// Whether its upstream has the paths and the authorization of the Graph API, so that requests
    /// other than sends can be made there.
    pub fn is_graph_shaped(&self) -> bool {
        self.upstream_auth_header.is_none() && self.upstream_path.is_none()
    }

    /// What is wrong with how its own upstream is spoken to. `own` is whether it has one,
    /// `may_carry_token` which headers a token may be sent in.
    pub fn upstream_mistakes(
        own: bool,
        header: Option<&str>,
        path: Option<&str>,
        may_carry_token: fn(&HeaderName) -> bool,
    ) -> Vec<FieldMistake> {
        let header = header.map(|text| validate::auth_header(text, may_carry_token));
        let path = path.map(validate::upstream_path);
        let mut mistakes = Vec::new();
        for (field, verdict) in [("upstream_auth_header", header), ("upstream_path", path)] {
            let Some(verdict) = verdict else { continue };
            let elsewhere = "is only for an external channel with an upstream_url".to_owned();
            let messages = [(!own).then_some(elsewhere), verdict.err()];
            let mistake = |message| FieldMistake { field, message };
            mistakes.extend(messages.into_iter().flatten().map(mistake));
        }
        mistakes
    }
}

/// The wallet that every account has: `main`.
pub fn main_wallet() -> WalletId {
    #[expect(clippy::expect_used, reason = "a constant that is a valid id")]
    "main".parse().expect("`main` is an id")
}

/// The portfolio of a WABA that names none: `default`.
pub fn default_portfolio() -> PortfolioId {
    #[expect(clippy::expect_used, reason = "a constant that is a valid id")]
    "default".parse().expect("`default` is an id")
}

/// Messages per second of a channel that names no limit.
pub const fn standard_throughput() -> u32 {
    80
}

const fn yes() -> bool {
    true
}

/// A WhatsApp Business Account: its time zone and its portfolio.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WabaSettings {
    /// Zone in which Meta's days, months and card versions begin.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// The portfolio whose messaging limit it shares.
    #[serde(default = "default_portfolio")]
    pub portfolio: PortfolioId,
}

/// A template's category; its name is the document's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateSettings {
    /// The category it is priced as.
    pub category: Category,
}

impl TemplateSettings {
    /// The categories that Meta gives to templates.
    pub const CATEGORIES: [Category; 3] =
        [Category::Marketing, Category::Utility, Category::Authentication];

    /// Checks the category.
    ///
    /// # Errors
    /// A sentence if a template cannot have this category.
    pub fn validate(&self) -> Result<(), String> {
        if TemplateSettings::CATEGORIES.contains(&self.category) {
            return Ok(());
        }
        let names = TemplateSettings::CATEGORIES.map(Category::as_str);
        Err(validate::must_be_one_of(&names, self.category.as_str()))
    }
}

/// One thing a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Send messages.
    Send,
    /// Read everything of the account.
    Read,
    /// Manage its campaigns and keys.
    Manage,
}

/// What a key may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// At least one, each once.
    pub scopes: Vec<Scope>,
    /// The campaign all its sends belong to.
    pub campaign: Option<CampaignId>,
}

/// A gateway key: never the key itself, only its keyed hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySettings {
    /// The keyed hash, in hexadecimal digits.
    pub hash: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The campaign all its sends belong to.
    #[serde(default)]
    pub campaign: Option<CampaignId>,
    /// The last four characters, by which people distinguish keys.
    #[serde(default)]
    pub ends_with: String,
    /// When the key was created, in Unix milliseconds.
    #[serde(default)]
    pub created_ms: i64,
    /// When it ends, in Unix milliseconds, if it was replaced by another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<i64>,
}

/// A wallet's settings; `None` leaves a setting as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WalletSettings {
    /// Credits that may be spent beyond what was paid in.
    #[serde(default)]
    pub overdraft_limit: Option<Amount>,
    /// Available balances below which an event is due.
    #[serde(default)]
    pub low_balance_thresholds: Option<Vec<Amount>>,
}
