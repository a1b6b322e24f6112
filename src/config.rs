//! Configuration: the compiled-in defaults, the user's file over them, the environment over both,
//! read so that every mistake is reported at once and no secret is printed.
#![allow(
    missing_docs,
    reason = "config/default.toml explains every key in a sentence; the fields repeat their names"
)]

mod accounts;
mod checks;
mod mistake;
mod reader;
mod secret;
mod sections;
mod tree;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use accounts::{
    AccountConfig, BillingConfig, CampaignConfig, CapConfig, ChannelConfig, KeyConfig,
    MarkupConfig, ScopeConfig, TemplateConfig, TokenSource, UnknownTemplate, WabaConfig,
    WalletConfig,
};
pub use mistake::{ConfigError, Place};
pub use secret::{Secret, redact_url};

use reader::Reader;

/// Every key with its default and a sentence.
pub const DEFAULTS: &str = include_str!("../config/default.toml");

/// What a command ends with when the configuration is wrong (`EX_USAGE` of sysexits.h).
pub const EXIT_BAD_CONFIG: u8 = 64;

/// A checked configuration; `config/default.toml` says what each key means.
#[derive(Debug, Clone)]
pub struct Config {
    pub listen: ListenConfig,
    pub server: ServerConfig,
    pub upstream: UpstreamConfig,
    pub ledger: LedgerConfig,
    pub admin: AdminConfig,
    pub secrets: SecretsConfig,
    pub send: SendConfig,
    pub pricing: PricingConfig,
    pub throttle: ThrottleConfig,
    pub campaigns: CampaignsConfig,
    pub recipients: RecipientsConfig,
    pub pass_through: PassThroughConfig,
    pub log: LogConfig,
    pub metrics: MetricsConfig,
    pub shutdown: ShutdownConfig,
    pub process: ProcessConfig,
    pub accounts: Vec<AccountConfig>,
    printed: String,
}

/// `[listen]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenConfig {
    pub data: SocketAddr,
    pub admin: SocketAddr,
    pub ops: Option<SocketAddr>,
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    pub max_connections: usize,
    pub header_timeout: Duration,
}

/// `[upstream]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamConfig {
    /// `http://HOST:PORT`, without a trailing slash.
    pub url: String,
    pub connect_timeout: Duration,
    pub answer_timeout: Duration,
}

/// `[ledger]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerConfig {
    /// `embedded:DIR` or a store's URL, which may carry a password; [`redact_url`] makes it fit for
    /// logs.
    pub url: Secret,
    pub deadline: Duration,
    pub key_prefix: String,
    /// The store's own name, so that an empty or another store is not taken for it.
    pub id: Option<String>,
    pub allow_unsafe: bool,
    pub sweep_interval: Duration,
    pub in_doubt_deadline: Duration,
    pub in_doubt_policy: InDoubtPolicy,
}

/// What becomes of a hold in doubt after its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InDoubtPolicy {
    /// It is settled.
    Charge,
    /// It is released.
    Release,
}

/// `[admin]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminConfig {
    /// 16 to 255 visible ASCII characters, from the key or from its file.
    pub bootstrap_key: Option<Secret>,
}

/// `[secrets]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretsConfig {
    pub dir: Option<PathBuf>,
    /// A variable's name, with an optional star at its end.
    pub env: String,
}

impl SecretsConfig {
    /// Whether `token_env` may name `variable`.
    pub fn allows_env(&self, variable: &str) -> bool {
        match self.env.strip_suffix('*') {
            Some(beginning) => variable.starts_with(beginning),
            None => variable == self.env,
        }
    }
}

/// `[send]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendConfig {
    pub max_body_bytes: usize,
    pub body_timeout: Duration,
    pub max_in_flight: usize,
}

/// `[pricing]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricingConfig {
    /// Where rate card versions are kept beside the compiled-in ones; it need not exist yet.
    pub rate_card_dir: Option<PathBuf>,
    pub rate_card_interval: Duration,
}

/// `[throttle]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThrottleConfig {
    pub max_wait: Duration,
}

/// `[campaigns]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignsConfig {
    pub auto_create: bool,
}

/// `[recipients]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientsConfig {
    pub without_plus: WithoutPlus,
}

/// What a recipient without a plus means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutPlus {
    /// International digits.
    AsIs,
    /// International digits, and the plus is put before them when forwarding.
    Plus,
    /// Refused.
    Refuse,
    /// A national number of the channel's country.
    ChannelCountry,
}

/// `[pass_through]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassThroughConfig {
    pub allow: Vec<PassThrough>,
}

/// A kind of Graph path that may be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassThrough {
    /// Up- and download of media.
    Media,
    /// The channel's business profile.
    BusinessProfile,
    /// Reading the channel's own phone number.
    PhoneNumber,
    /// Reading its WABA's templates.
    Templates,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    pub level: LogLevel,
    pub format: LogFormat,
}

/// The least severe lines that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// `[metrics]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsConfig {
    pub wallets: usize,
}

/// `[shutdown]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShutdownConfig {
    pub drain: Duration,
}

/// `[process]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessConfig {
    /// `None` is one for each core.
    pub worker_threads: Option<usize>,
}

impl Config {
    /// Reads `file`, or only the defaults, with `environment` over it; also reads the secret files
    /// it names.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, Vec<ConfigError>> {
        let Some(path) = file else { return Config::from_parts("", "defaults", environment) };
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Config::from_parts(&text, &name, environment),
            Err(error) => {
                let place = Place::File { name: name.into(), line: 0 };
                Err(vec![ConfigError {
                    place,
                    key: String::new(),
                    message: format!("cannot read the file: {error}"),
                }])
            }
        }
    }

    /// Reads `text`, whose mistakes are reported under `name`, with `environment` over it.
    pub fn from_parts(
        text: &str,
        name: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, Vec<ConfigError>> {
        read(text, name, environment.into_iter().collect(), &|path| std::fs::read_to_string(path))
    }

    /// The configuration in force as TOML, each value with where it came from, secrets redacted.
    pub fn print(&self) -> &str {
        &self.printed
    }
}

fn read(
    text: &str,
    name: &str,
    environment: BTreeMap<String, String>,
    read_file: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<Config, Vec<ConfigError>> {
    let name: Arc<str> = name.into();
    let mut mistakes = Vec::new();
    let mut tree = tree::parse(DEFAULTS, None)?;
    tree::lay_over(&mut tree, tree::parse(text, Some(&name))?, &mut mistakes);
    tree::lay_environment_over(&mut tree, &environment, &mut mistakes);
    sections::read(tree, Reader::new(&environment, read_file, mistakes))
}
