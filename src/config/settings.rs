//! What a configuration holds: one struct for each section of the file. Settings that another room
//! uses have that room's type.
#![allow(
    missing_docs,
    reason = "config/default.toml explains every key in a sentence; the fields repeat their names"
)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::declared::DeclaredAccount;
use super::secret::Secret;
use crate::catalog::VariablePattern;
use crate::http::peer::TrustedProxies;
use crate::http::tls::TlsFiles;
use crate::ledger::{InDoubtPolicies, Retention, StoreTlsFiles};
use crate::pricing::recipient::WithoutPlus;
use crate::upstream::media_hosts::MediaHost;
use crate::upstream::pass_through::Allowed;
use crate::upstream::target::BaseUrl;

/// A configuration without mistakes; `config/default.toml` explains each key.
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
    pub media: MediaConfig,
    pub log: LogConfig,
    pub metrics: MetricsConfig,
    pub shutdown: ShutdownConfig,
    pub process: ProcessConfig,
    pub accounts: Vec<DeclaredAccount>,
    /// The text that `--print` shows.
    pub(super) printed: String,
}

/// `[listen]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenConfig {
    pub data: SocketAddr,
    pub admin: SocketAddr,
    pub ops: Option<SocketAddr>,
    pub admin_allow_plaintext: bool,
    pub proxies: TrustedProxies,
    pub tls: Option<TlsFiles>,
    pub admin_tls: Option<TlsFiles>,
    pub ops_tls: Option<TlsFiles>,
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    pub max_connections: usize,
    pub max_connections_per_address: usize,
    pub max_requests_per_connection: usize,
    pub max_connection_age: Duration,
    pub max_streams: u32,
    pub header_timeout: Duration,
    pub idle_timeout: Duration,
    pub write_timeout: Duration,
    pub max_head_bytes: usize,
    pub max_headers: usize,
    pub failed_keys_per_minute: u32,
}

/// `[upstream]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamConfig {
    pub url: BaseUrl,
    pub ca_file: Option<PathBuf>,
    pub http2: bool,
    pub allow_plaintext: bool,
    pub connect_timeout: Duration,
    pub answer_timeout: Duration,
}

/// `[ledger]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerConfig {
    /// `embedded:DIR` or a store's URL, which may carry a password.
    pub url: Secret,
    /// Only used with `rediss://`.
    pub tls: StoreTlsFiles,
    pub deadline: Duration,
    pub key_prefix: String,
    /// The ledger's own name; a store with another name, or an empty one, is refused.
    pub id: Option<String>,
    pub allow_unsafe: bool,
    pub sweep_interval: Duration,
    pub in_doubt_deadline: Duration,
    /// `in_doubt_policy` and `[ledger.in_doubt_policy_by_reason]` together.
    pub in_doubt_policies: InDoubtPolicies,
    /// `usage_days`, `events_days`, `campaign_days`, `reference_days`.
    pub retention: Retention,
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
    pub env: VariablePattern,
}

/// `[send]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendConfig {
    pub max_body_bytes: usize,
    pub max_body_memory_bytes: usize,
    pub body_timeout: Duration,
    pub abandoned_replay_s: u32,
    pub max_requests_per_key_s: u32,
    pub max_in_flight: usize,
    pub max_in_flight_per_account: usize,
}

/// `[pricing]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricingConfig {
    /// The directory of rate card versions beside the compiled-in ones; it need not exist yet.
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

/// `[pass_through]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassThroughConfig {
    pub allow: Vec<Allowed>,
    pub max_in_flight: usize,
    pub max_in_flight_per_account: usize,
    pub max_memory_bytes: usize,
    pub stall_timeout: Duration,
}

/// `[media]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaConfig {
    /// Without a trailing slash.
    pub public_url: Option<String>,
    pub hosts: Vec<MediaHost>,
    pub url_lifetime: Duration,
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

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// Text for people.
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
    /// Threads that serve connections; `None` means one for each core but one.
    pub worker_threads: Option<usize>,
}
