//! What a world is made of: the accounts, channels, keys and templates that every world has, and
//! what a test adds to them.

use std::fmt::Write as _;

use tollgate_simulator::SimulatorOptions;

use super::ledgers::Backend;
use super::time::NOON_MS;

/// The account every world has, and what it is set up with.
pub const ACCOUNT: &str = "acme";
pub const WABA: &str = "102290129340398";
/// The channel that pays in advance.
pub const NUMBER: &str = "106540352242922";
/// A channel that is billed elsewhere, with an upstream of its own.
pub const EXTERNAL: &str = "106540352242923";
/// A channel that is switched off.
pub const DISABLED: &str = "106540352242924";
/// Another account's channel and WABA.
pub const RIVAL_NUMBER: &str = "206540352242922";
pub const RIVAL_WABA: &str = "202290129340398";

/// Opens sends of the account.
pub const KEY: &str = "engine-key-0123456789";
/// The same, for the campaign `of-the-key` alone.
pub const CAMPAIGN_KEY: &str = "campaign-key-0123456789";
/// May read and manage, not send.
pub const READING_KEY: &str = "reading-key-0123456789";
/// Opens sends of the other account.
pub const RIVAL_KEY: &str = "rival-key-0123456789";
pub const OPERATOR_KEY: &str = "operator-key-0123456789";

/// What the Cloud API is given instead of a gateway key, by channel.
pub const META_TOKEN: &str = "EAAmeta0token0of0acme";
pub const RIVAL_META_TOKEN: &str = "EAAmeta0token0of0rival";

/// Prices of the October 2026 card in micro-credits.
pub const MARKETING_INDIA: i64 = 11_800;
pub const MARKETING_US: i64 = 25_000;
pub const UTILITY_US: i64 = 3_400;

/// What a world is made of; see [`World::of`]. The ledger has time enough for a busy machine: what
/// its deadline does is shown by the tests that set it.
pub struct Setup {
    pub backend: Backend,
    pub own_server: bool,
    credits: String,
    account: String,
    channel: String,
    campaigns: String,
    sections: String,
    pub media_host: Option<String>,
    pub environment: Vec<(String, String)>,
    pub simulator: SimulatorOptions,
    pub now_ms: i64,
}

impl Setup {
    /// On this ledger, with 100 credits and nothing special.
    pub fn on(backend: Backend) -> Setup {
        Setup {
            backend,
            own_server: false,
            credits: "opening_top_up = \"100.00\"".into(),
            account: String::new(),
            channel: String::new(),
            campaigns: String::new(),
            sections: String::new(),
            media_host: None,
            environment: Vec::new(),
            simulator: SimulatorOptions::default(),
            now_ms: NOON_MS,
        }
    }

    /// A redis-server that no other test uses, so that it can be stopped and killed.
    pub fn own_server(mut self) -> Setup {
        self.own_server = true;
        self
    }

    /// What the wallet has at the beginning, in micro-credits.
    pub fn credits(mut self, micros: i64) -> Setup {
        self.credits =
            format!("opening_top_up = \"{}.{:06}\"", micros / 1_000_000, micros % 1_000_000);
        if micros == 0 {
            self.credits.clear();
        }
        self
    }

    /// A line of the account's table, such as `messaging_limit = 5`.
    pub fn account(mut self, line: &str) -> Setup {
        writeln!(self.account, "{line}").unwrap();
        self
    }

    /// A line of the prepaid channel's table, such as `throughput_limit = 5`.
    pub fn channel(mut self, line: &str) -> Setup {
        writeln!(self.channel, "{line}").unwrap();
        self
    }

    /// A declared campaign with its further lines.
    pub fn campaign(mut self, id: &str, lines: &str) -> Setup {
        writeln!(self.campaigns, "[[accounts.campaigns]]\nid = \"{id}\"\n{lines}").unwrap();
        self
    }

    /// A section of the file, for lists, which the environment cannot carry.
    pub fn section(mut self, lines: &str) -> Setup {
        writeln!(self.sections, "{lines}").unwrap();
        self
    }

    /// The only host from which media may be fetched, instead of the simulator's.
    pub fn media_host(mut self, host: &str) -> Setup {
        self.media_host = Some(host.to_owned());
        self
    }

    /// A setting by its dotted key, such as `upstream.answer_timeout_ms`.
    pub fn set(mut self, key: &str, value: impl ToString) -> Setup {
        self.environment.push((environment_name(key), value.to_string()));
        self
    }

    /// Begins at another time than [`NOON_MS`], in Unix milliseconds.
    pub fn at(mut self, now_ms: i64) -> Setup {
        self.now_ms = now_ms;
        self
    }

    /// Templates, limits and the like of the simulated Cloud API.
    pub fn simulator(mut self, change: impl FnOnce(&mut SimulatorOptions)) -> Setup {
        change(&mut self.simulator);
        self
    }
}

/// The environment variable that overlays a key: `listen.data` is `TOLLGATE__LISTEN__DATA`.
pub fn environment_name(key: &str) -> String {
    format!("TOLLGATE__{}", key.replace('.', "__").to_uppercase())
}

/// What the configuration of one world names on this machine.
pub struct Addresses<'a> {
    /// The directory of token files.
    pub home: &'a str,
    pub upstream: &'a str,
    /// Upstream of the external channel.
    pub elsewhere: &'a str,
    /// The host of media downloads.
    pub media: &'a str,
    pub ledger: &'a str,
    pub key_prefix: &'a str,
}

/// The configuration file's text.
pub fn configuration(setup: &Setup, addresses: &Addresses<'_>) -> String {
    let Setup { credits, account, channel, campaigns, sections, .. } = setup;
    let Addresses { home, upstream, elsewhere, media, ledger, key_prefix } = addresses;
    format!(
        r#"
[listen]
data = "127.0.0.1:0"
admin = "127.0.0.1:0"
[upstream]
url = "{upstream}"
[ledger]
url = "{ledger}"
key_prefix = "{key_prefix}"
deadline_ms = 10000
[media]
hosts = ["{media}"]
[secrets]
dir = "{home}"
[admin]
bootstrap_key = "{OPERATOR_KEY}"
{sections}
[[accounts]]
id = "{ACCOUNT}"
currency = "USD"
{account}
{WALLET}
{credits}
[[accounts.wabas]]
id = "{WABA}"
time_zone = "Asia/Kolkata"
[[accounts.channels]]
phone_number_id = "{NUMBER}"
waba = "{WABA}"
token_file = "meta-token"
{channel}
[[accounts.channels]]
phone_number_id = "{EXTERNAL}"
billing = "external"
token_file = "meta-token"
upstream_url = "{elsewhere}"
[[accounts.channels]]
phone_number_id = "{DISABLED}"
waba = "{WABA}"
token_file = "meta-token"
enabled = false
{TEMPLATES}
[[accounts.keys]]
id = "engine"
key = "{KEY}"
[[accounts.keys]]
id = "campaign"
key = "{CAMPAIGN_KEY}"
campaign = "of-the-key"
[[accounts.keys]]
id = "reading"
key = "{READING_KEY}"
scopes = ["read", "manage"]
{campaigns}
{RIVAL}
"#
    )
}

/// The other account.
const RIVAL: &str = r#"
[[accounts]]
id = "rival"
currency = "USD"
[[accounts.wallets]]
id = "main"
opening_top_up = "1.00"
[[accounts.wabas]]
id = "202290129340398"
[[accounts.channels]]
phone_number_id = "206540352242922"
waba = "202290129340398"
token_file = "rival-meta-token"
[[accounts.keys]]
id = "engine"
key = "rival-key-0123456789"
"#;

const WALLET: &str = "[[accounts.wallets]]\nid = \"main\"";

const TEMPLATES: &str = r#"
[[accounts.templates]]
waba = "102290129340398"
name = "spring_offer"
language = "en_US"
category = "marketing"
[[accounts.templates]]
waba = "102290129340398"
name = "order_update"
language = "pt_BR"
category = "utility"
[[accounts.templates]]
waba = "102290129340398"
name = "login_code"
language = "en"
category = "authentication"
"#;
