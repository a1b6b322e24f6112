//! The settings documents as they stand in the ledger and on the admin API.

use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::ids::{CampaignId, PortfolioId, WabaId, WalletId};
use crate::ledger::CapRule;
use crate::ledger::rules::MAX_CAP_WINDOW_S;
use crate::pricing::{Category, Markup};

/// An account's own settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// Frequency caps, off where empty.
    #[serde(default)]
    pub caps: Vec<FrequencyCap>,
    /// What happens to a template the catalog does not know.
    #[serde(default)]
    pub unknown_template: UnknownTemplate,
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

/// When a message is charged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChargeOn {
    /// When Meta accepts it. The only choice until webhooks are received.
    #[default]
    Accepted,
}

/// Whether limits stop sends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Enforcement {
    /// They do.
    #[default]
    Enforce,
}

/// What happens to a template the catalog does not know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownTemplate {
    /// It is priced at the dearest template category of its market.
    #[default]
    Ceiling,
    /// It is rejected as `unclassified`.
    Refuse,
}

/// A frequency cap as people write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrequencyCap {
    /// Which categories it counts.
    pub categories: Vec<Category>,
    /// Messages in the window at most, 1 to 100.
    pub max: u32,
    /// Length of the window in seconds, at most 30 days.
    pub window_s: u32,
}

impl FrequencyCap {
    /// Messages in a window at most.
    pub const MAX: u32 = 100;

    /// Seconds of a window at most: 30 days.
    pub const MAX_WINDOW_S: u32 = MAX_CAP_WINDOW_S;

    /// Caps of one account at most.
    pub const MAX_PER_ACCOUNT: usize = 16;

    /// As the ledger counts it.
    pub fn rule(&self) -> CapRule {
        let bits =
            self.categories.iter().fold(0u8, |bits, category| bits | (1 << category.index()));
        CapRule { categories: bits, max: self.max, window_s: self.window_s }
    }

    /// Says what is wrong with it, if anything.
    pub fn mistake(&self) -> Option<&'static str> {
        if self.categories.is_empty() {
            Some("a cap names at least one category")
        } else if !(1..=FrequencyCap::MAX).contains(&self.max) {
            Some("a cap's max is 1 to 100")
        } else if !(1..=FrequencyCap::MAX_WINDOW_S).contains(&self.window_s) {
            Some("a cap's window_s is 1 to 2592000 (30 days)")
        } else {
            None
        }
    }
}

/// Who pays for a channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Billing {
    /// Its wallet.
    #[default]
    Prepaid,
    /// Its own provider: forwarded, never charged nor stopped for money.
    External,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelSettings {
    /// The wallet that pays.
    #[serde(default = "main_wallet")]
    pub wallet: WalletId,
    /// Who pays.
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
    /// Messages per second.
    #[serde(default = "standard_throughput")]
    pub throughput_limit: u32,
    /// A disabled channel sends nothing.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Where it is forwarded to, instead of the gateway's upstream.
    #[serde(default)]
    pub upstream_url: Option<String>,
    /// Calling code of its own number, which Meta puts before a recipient without a plus; digits.
    #[serde(default)]
    pub calling_code: Option<String>,
}

fn main_wallet() -> WalletId {
    #[expect(clippy::expect_used, reason = "a constant that is a valid id")]
    "main".parse().expect("`main` is an id")
}

/// The portfolio of a WABA that names none.
pub fn default_portfolio() -> PortfolioId {
    #[expect(clippy::expect_used, reason = "a constant that is a valid id")]
    "default".parse().expect("`default` is an id")
}

const fn standard_throughput() -> u32 {
    80
}

const fn yes() -> bool {
    true
}

/// A WABA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WabaSettings {
    /// Zone in which Meta's days, months and card versions begin.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// The portfolio whose messaging limit it shares.
    #[serde(default = "default_portfolio")]
    pub portfolio: PortfolioId,
}

/// A template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateSettings {
    /// What it costs as.
    pub category: Category,
}

/// What a key may do.
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

/// A gateway key: never the key itself, only its keyed hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySettings {
    /// Keyed hash, in hexadecimal digits.
    pub hash: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The campaign all its sends belong to.
    #[serde(default)]
    pub campaign: Option<CampaignId>,
    /// The last four characters, so that people can tell keys apart.
    #[serde(default)]
    pub ends_with: String,
    /// When it was made, Unix milliseconds.
    #[serde(default)]
    pub created_ms: i64,
}

/// A wallet's settings as people write them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WalletSettings {
    /// How far below zero settled - held may go.
    #[serde(default)]
    pub overdraft_limit: Option<Amount>,
    /// Available balances below which an event is due.
    #[serde(default)]
    pub low_balance_thresholds: Option<Vec<Amount>>,
}
