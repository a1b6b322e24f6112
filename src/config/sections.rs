//! Reads the fixed sections. Their defaults are in `config/default.toml`, into which every file is
//! merged, so none is repeated here.

use std::path::PathBuf;

use super::mistake::ConfigError;
use super::reader::Reader;
use super::section::Section;
use super::settings::{
    AdminConfig, CampaignsConfig, Config, LedgerConfig, ListenConfig, LogConfig, LogFormat,
    LogLevel, MediaConfig, MetricsConfig, PassThroughConfig, PricingConfig, ProcessConfig,
    RecipientsConfig, SecretsConfig, SendConfig, ServerConfig, ShutdownConfig, ThrottleConfig,
    UpstreamConfig,
};
use super::tree::Table;
use super::{accounts, parse};
use crate::catalog::VariablePattern;
use crate::http::peer::TrustedProxies;
use crate::http::tls::TlsFiles;
use crate::ledger::{DoubtReason, InDoubtPolicies, InDoubtPolicy, Retention, StoreTlsFiles};
use crate::pricing::recipient::WithoutPlus;
use crate::upstream::media_hosts::MediaHost;
use crate::upstream::pass_through::Allowed;
use crate::upstream::target::BaseUrl;

/// The longest wait that can be configured, in milliseconds: ten minutes.
const WAIT_MAX_MS: i64 = 600_000;

/// Reads the whole tree.
///
/// # Errors
/// Every mistake, those that `reader` began with included.
pub(super) fn read(tree: Table, reader: Reader<'_>) -> Result<Config, Vec<ConfigError>> {
    let config = read_all(tree, &reader);
    let printed = reader.into_printed()?;
    let config = config.expect("a section is missing only if a mistake was reported, and none was");
    Ok(Config { printed, ..config })
}

/// The configuration without its printed form; `None` if a mistake was reported.
fn read_all<'r>(tree: Table, reader: &'r Reader<'r>) -> Option<Config> {
    let mut root = Section::root(reader, tree);
    let listen = listen(root.section("listen"));
    let server = server(root.section("server"));
    let upstream = upstream(root.section("upstream"));
    let ledger = ledger(root.section("ledger"));
    let admin = admin(root.section("admin"));
    let secrets = secrets(root.section("secrets"));
    let send = send(root.section("send"));
    let pricing = pricing(root.section("pricing"));
    let throttle = throttle(root.section("throttle"));
    let campaigns = campaigns(root.section("campaigns"));
    let recipients = recipients(root.section("recipients"));
    let pass_through = pass_through(root.section("pass_through"));
    let media = media(root.section("media"));
    let log = log(root.section("log"));
    let metrics = metrics(root.section("metrics"));
    let shutdown = shutdown(root.section("shutdown"));
    let process = process(root.section("process"));
    let allow_plaintext = upstream.as_ref().is_some_and(|upstream| upstream.allow_plaintext);
    let accounts = accounts::read(&mut root, &secrets, allow_plaintext);
    root.finish();
    Some(Config {
        listen: listen?,
        server: server?,
        upstream: upstream?,
        ledger: ledger?,
        admin,
        secrets,
        send: send?,
        pricing: pricing?,
        throttle: throttle?,
        campaigns,
        recipients: recipients?,
        pass_through: pass_through?,
        media: media?,
        log: log?,
        metrics: metrics?,
        shutdown: shutdown?,
        process: process?,
        accounts,
        printed: String::new(),
    })
}

/// Every key the reader asks for in `tree`.
#[cfg(test)]
pub(super) fn keys_asked<'r>(
    tree: Table,
    reader: &'r Reader<'r>,
) -> std::collections::BTreeSet<String> {
    read_all(tree, reader).expect("the tree has no mistake");
    reader.asked.borrow().clone()
}

fn listen(mut section: Section<'_>) -> Option<ListenConfig> {
    let data = section.required("data", parse::address);
    let admin = section.required("admin", parse::address);
    let ops = section.optional("ops", parse::address);
    let named = [("data", data), ("admin", admin), ("ops", ops)];
    for (index, (key, address)) in named
        .iter()
        .enumerate()
        .filter(|(_, (_, address))| address.is_some_and(|one| one.port() != 0))
    {
        if let Some((other, _)) = named[..index].iter().find(|(_, earlier)| earlier == address) {
            section.mistake(
                if section.is_written(key) { key } else { other },
                "two listeners cannot share an address",
            );
        }
    }
    let admin_allow_plaintext = section.boolean("admin_allow_plaintext", false);
    let proxies = proxies(&mut section);
    let tls = tls_files(section.section("tls"));
    let admin_tls = tls_files(section.section("admin_tls"));
    let ops_tls = tls_files(section.section("ops_tls"));
    let exposed = admin.is_some_and(|address| !address.ip().is_loopback());
    if exposed && admin_tls.is_none() && !admin_allow_plaintext {
        section.mistake(
            "admin",
            "other machines can reach this address and it moves money: set listen.admin_tls, or \
             listen.admin_allow_plaintext if something in front of it encrypts",
        );
    }
    if ops_tls.is_some() && ops.is_none() {
        section.mistake("ops_tls", "is set without listen.ops");
    }
    section.finish();
    Some(ListenConfig {
        data: data?,
        admin: admin?,
        ops,
        admin_allow_plaintext,
        proxies,
        tls,
        admin_tls,
        ops_tls,
    })
}

fn proxies(section: &mut Section<'_>) -> TrustedProxies {
    let networks = section.texts("trusted_proxies", &[], parse::network).unwrap_or_default();
    let proxy_protocol = section.boolean("proxy_protocol", false);
    if proxy_protocol && networks.is_empty() {
        section.mistake("proxy_protocol", "needs listen.trusted_proxies, which is empty");
    }
    TrustedProxies { networks, proxy_protocol }
}

/// The files of a listener's TLS; `None` if it speaks plain text.
fn tls_files(mut section: Section<'_>) -> Option<TlsFiles> {
    let pair = file_pair(&mut section, "cert_file", "key_file");
    section.finish();
    pair.map(|(cert_file, key_file)| TlsFiles { cert_file, key_file })
}

/// Two files of which one is of no use without the other.
fn file_pair(
    section: &mut Section<'_>,
    cert: &'static str,
    key: &'static str,
) -> Option<(PathBuf, PathBuf)> {
    match (section.optional(cert, path), section.optional(key, path)) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (Some(_), None) => {
            section.mistake(cert, format!("needs {key} beside it"));
            None
        }
        (None, Some(_)) => {
            section.mistake(key, format!("needs {cert} beside it"));
            None
        }
    }
}

fn server(mut section: Section<'_>) -> Option<ServerConfig> {
    let max_connections = section.count("max_connections", 1..=1_000_000);
    let max_connections_per_address = section.count("max_connections_per_address", 1..=1_000_000);
    let max_requests_per_connection = section.count("max_requests_per_connection", 1..=i64::MAX);
    let max_connection_age = section.seconds("max_connection_age_s", 1..=30 * 86_400);
    let max_streams = section.count("max_streams", 1..=10_000);
    let header_timeout = section.milliseconds("header_timeout_ms", 100..=WAIT_MAX_MS);
    let idle_timeout = section.milliseconds("idle_timeout_ms", 100..=3_600_000);
    let write_timeout = section.milliseconds("write_timeout_ms", 100..=WAIT_MAX_MS);
    let max_head_bytes = section.count("max_head_bytes", 8192..=1 << 20);
    let max_headers = section.count("max_headers", 16..=1000);
    let failed_keys_per_minute =
        section.required_number("failed_keys_per_minute", &(0..=1_000_000));
    section.finish();
    Some(ServerConfig {
        max_connections: max_connections?,
        max_connections_per_address: max_connections_per_address?,
        max_requests_per_connection: max_requests_per_connection?,
        max_connection_age: max_connection_age?,
        max_streams: u32::try_from(max_streams?).unwrap_or(u32::MAX),
        header_timeout: header_timeout?,
        idle_timeout: idle_timeout?,
        write_timeout: write_timeout?,
        max_head_bytes: max_head_bytes?,
        max_headers: max_headers?,
        failed_keys_per_minute: failed_keys_per_minute?,
    })
}

fn upstream(mut section: Section<'_>) -> Option<UpstreamConfig> {
    let allow_plaintext = section.boolean("allow_plaintext", false);
    let url = section.url("url", |text| parse::upstream_url(text, allow_plaintext));
    if section.is_empty("url") {
        section.mistake("url", "must not be empty");
    }
    let ca_file = section.optional("ca_file", path);
    let http2 = section.boolean("http2", true);
    let connect_timeout = section.milliseconds("connect_timeout_ms", 1..=WAIT_MAX_MS);
    let answer_timeout = section.milliseconds("answer_timeout_ms", 1..=WAIT_MAX_MS);
    section.finish();
    Some(UpstreamConfig {
        url: url?,
        ca_file,
        http2,
        allow_plaintext,
        connect_timeout: connect_timeout?,
        answer_timeout: answer_timeout?,
    })
}

fn ledger(mut section: Section<'_>) -> Option<LedgerConfig> {
    let in_place = section.url("url", parse::ledger_url);
    let from_file = section.secret_file("url_file");
    let url = match &from_file {
        Some(_) if section.is_written("url") => {
            section.mistake("url_file", "give url or url_file, not both");
            None
        }
        Some(content) => section.parsed("url_file", content.expose(), parse::ledger_url),
        None if section.is_empty("url") => {
            section.mistake("url", "must not be empty");
            None
        }
        None => in_place,
    };
    let ca_file = section.optional("ca_file", path);
    let client = file_pair(&mut section, "client_cert_file", "client_key_file");
    let deadline = section.milliseconds("deadline_ms", 10..=WAIT_MAX_MS);
    let key_prefix = section.required("key_prefix", parse::key_prefix);
    let id = section.optional("id", parse::ledger_id);
    let allow_unsafe = section.boolean("allow_unsafe", false);
    let sweep_interval = section.milliseconds("sweep_interval_ms", 10..=WAIT_MAX_MS);
    let retention = retention(&mut section);
    let in_doubt_deadline = section.seconds("in_doubt_deadline_s", 60..=30 * 86_400);
    let in_doubt_policy = section.required("in_doubt_policy", in_doubt_policy);
    let by_reason = section.section("in_doubt_policy_by_reason");
    let in_doubt_policies = in_doubt_policies(by_reason, in_doubt_policy);
    section.finish();
    Some(LedgerConfig {
        url: url?,
        tls: StoreTlsFiles { ca_file, client },
        deadline: deadline?,
        key_prefix: key_prefix?,
        id,
        allow_unsafe,
        sweep_interval: sweep_interval?,
        in_doubt_deadline: in_doubt_deadline?,
        in_doubt_policies: in_doubt_policies?,
        retention: retention?,
    })
}

fn retention(section: &mut Section<'_>) -> Option<Retention> {
    let mut days = |key, least| section.required_number(key, &(least..=Retention::MAX_DAYS));
    let (usage_days, events_days) = (days("usage_days", 31), days("events_days", 7));
    let campaign_days = days("campaign_days", 31);
    let reference_days = days("reference_days", 90);
    Some(Retention {
        usage_days: usage_days?,
        events_days: events_days?,
        campaign_days: campaign_days?,
        reference_days: reference_days?,
    })
}

fn in_doubt_policy(text: &str) -> Result<InDoubtPolicy, String> {
    let choices = [("charge", InDoubtPolicy::Charge), ("release", InDoubtPolicy::Release)];
    parse::one_of(&choices, text)
}

/// The common policy with those of single reasons.
fn in_doubt_policies(
    mut section: Section<'_>,
    common: Option<InDoubtPolicy>,
) -> Option<InDoubtPolicies> {
    let own: Vec<_> = DoubtReason::ALL
        .into_iter()
        .filter_map(|reason| {
            section.optional(reason.as_str(), in_doubt_policy).map(|policy| (reason, policy))
        })
        .collect();
    section.finish();
    let common = InDoubtPolicies::always(common?);
    Some(own.into_iter().fold(common, |policies, (reason, policy)| policies.with(reason, policy)))
}

fn admin(mut section: Section<'_>) -> AdminConfig {
    let in_place = section.secret("bootstrap_key");
    let from_file = section.secret_file("bootstrap_key_file");
    let source = if in_place.is_some() { "bootstrap_key" } else { "bootstrap_key_file" };
    if in_place.is_some() && from_file.is_some() {
        section.mistake("bootstrap_key_file", "give bootstrap_key or bootstrap_key_file, not both");
    }
    let bootstrap_key = in_place.or(from_file);
    if let Some(Err(message)) = bootstrap_key.as_ref().map(parse::validate_key) {
        section.mistake(source, message);
    }
    section.finish();
    AdminConfig { bootstrap_key }
}

fn path(text: &str) -> Result<PathBuf, String> {
    Ok(PathBuf::from(text))
}

fn secrets(mut section: Section<'_>) -> SecretsConfig {
    let dir = section.optional("dir", path);
    let env = section.required("env", str::parse::<VariablePattern>);
    section.finish();
    SecretsConfig { dir, env: env.unwrap_or_default() }
}

fn send(mut section: Section<'_>) -> Option<SendConfig> {
    let max_body_bytes = section.count("max_body_bytes", 1024..=16 * 1024 * 1024);
    let max_body_memory_bytes = section.count("max_body_memory_bytes", 1024 * 1024..=1 << 40);
    if let (Some(one), Some(all)) = (max_body_bytes, max_body_memory_bytes)
        && all / 4 < one
    {
        let message = "must be at least 4 times send.max_body_bytes";
        section.mistake("max_body_memory_bytes", message);
    }
    let body_timeout = section.milliseconds("body_timeout_ms", 100..=WAIT_MAX_MS);
    let abandoned_replay_s = section.required_number("abandoned_replay_s", &(0..=86_400));
    let max_requests_per_key_s =
        section.required_number("max_requests_per_key_s", &(0..=1_000_000));
    let max_in_flight = section.count("max_in_flight", 1..=1_000_000);
    let max_in_flight_per_account = section.count("max_in_flight_per_account", 1..=1_000_000);
    section.finish();
    Some(SendConfig {
        max_body_bytes: max_body_bytes?,
        max_body_memory_bytes: max_body_memory_bytes?,
        body_timeout: body_timeout?,
        abandoned_replay_s: abandoned_replay_s?,
        max_requests_per_key_s: max_requests_per_key_s?,
        max_in_flight: max_in_flight?,
        max_in_flight_per_account: max_in_flight_per_account?,
    })
}

fn pricing(mut section: Section<'_>) -> Option<PricingConfig> {
    let rate_card_dir = section.optional("rate_card_dir", path);
    let rate_card_interval = section.seconds("rate_card_interval_s", 1..=3600);
    section.finish();
    Some(PricingConfig { rate_card_dir, rate_card_interval: rate_card_interval? })
}

fn throttle(mut section: Section<'_>) -> Option<ThrottleConfig> {
    let max_wait = section.milliseconds("max_wait_ms", 0..=60_000);
    section.finish();
    Some(ThrottleConfig { max_wait: max_wait? })
}

fn campaigns(mut section: Section<'_>) -> CampaignsConfig {
    let auto_create = section.boolean("auto_create", true);
    section.finish();
    CampaignsConfig { auto_create }
}

fn recipients(mut section: Section<'_>) -> Option<RecipientsConfig> {
    let choices = [
        ("as_is", WithoutPlus::AsIs),
        ("plus", WithoutPlus::Plus),
        ("refuse", WithoutPlus::Refuse),
        ("channel_country", WithoutPlus::ChannelCountry),
    ];
    let without_plus = section.required("without_plus", |text| parse::one_of(&choices, text));
    section.finish();
    Some(RecipientsConfig { without_plus: without_plus? })
}

fn pass_through(mut section: Section<'_>) -> Option<PassThroughConfig> {
    let choices = [
        ("media", Allowed::Media),
        ("business_profile", Allowed::BusinessProfile),
        ("phone_number", Allowed::PhoneNumber),
        ("templates", Allowed::Templates),
    ];
    let allow = section.texts("allow", &[], |text| parse::one_of(&choices, text));
    let max_in_flight = section.count("max_in_flight", 1..=1_000_000);
    let max_in_flight_per_account = section.count("max_in_flight_per_account", 1..=1_000_000);
    let max_memory_bytes = section.count("max_memory_bytes", 32 * 1024 * 1024..=1 << 40);
    let stall_timeout = section.milliseconds("stall_timeout_ms", 100..=WAIT_MAX_MS);
    section.finish();
    Some(PassThroughConfig {
        allow: allow?,
        max_in_flight: max_in_flight?,
        max_in_flight_per_account: max_in_flight_per_account?,
        max_memory_bytes: max_memory_bytes?,
        stall_timeout: stall_timeout?,
    })
}

fn media(mut section: Section<'_>) -> Option<MediaConfig> {
    let public_url = section.url("public_url", |text| {
        text.parse::<BaseUrl>().map(|url| url.to_string()).map_err(|error| error.to_string())
    });
    let hosts = section
        .texts("hosts", &[], |text| text.parse::<MediaHost>().map_err(|error| error.to_string()));
    let url_lifetime = section.seconds("url_lifetime_s", 10..=86_400);
    section.finish();
    Some(MediaConfig { public_url, hosts: hosts?, url_lifetime: url_lifetime? })
}

fn log(mut section: Section<'_>) -> Option<LogConfig> {
    let levels = [
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("trace", LogLevel::Trace),
    ];
    let level = section.required("level", |text| parse::one_of(&levels, text));
    let format = section.required("format", |text| {
        parse::one_of(&[("json", LogFormat::Json), ("text", LogFormat::Text)], text)
    });
    section.finish();
    Some(LogConfig { level: level?, format: format? })
}

fn metrics(mut section: Section<'_>) -> Option<MetricsConfig> {
    let wallets = section.count("wallets", 0..=10_000);
    section.finish();
    Some(MetricsConfig { wallets: wallets? })
}

fn shutdown(mut section: Section<'_>) -> Option<ShutdownConfig> {
    let drain = section.seconds("drain_s", 0..=3600);
    section.finish();
    Some(ShutdownConfig { drain: drain? })
}

fn process(mut section: Section<'_>) -> Option<ProcessConfig> {
    let worker_threads = section.count("worker_threads", 0..=1024);
    section.finish();
    Some(ProcessConfig {
        worker_threads: worker_threads.map(|threads| (threads > 0).then_some(threads))?,
    })
}
