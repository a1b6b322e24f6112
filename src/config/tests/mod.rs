//! What a configuration may contain, and how each mistake is reported.

mod mistakes;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::time::Duration;

use super::tree::{self, Table, Value};
use super::{Config, ConfigError, DEFAULTS, LogFormat, Secret};
use crate::catalog::documents::UnknownTemplate;
use crate::ledger::{InDoubtPolicies, InDoubtPolicy};

fn pairs(environment: &[(&str, &str)]) -> Vec<(String, String)> {
    environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, Vec<ConfigError>> {
    Config::from_parts(text, "t.toml", pairs(environment))
}

fn good(text: &str, environment: &[(&str, &str)]) -> Config {
    load(text, environment).unwrap_or_else(|mistakes| panic!("{text}\n{mistakes:#?}"))
}

/// The mistakes of `text`, a line each, must be `expected`.
fn check(text: &str, environment: &[(&str, &str)], expected: &[&str]) {
    let mistakes = load(text, environment).err().unwrap_or_default();
    let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(lines, expected, "\n{text}");
}

const ACCOUNT: &str =
    "[[accounts]]\nid = \"acme\"\ncurrency = \"USD\"\n[[accounts.wabas]]\nid = \"1\"\n";

/// The example account of the defaults with its comment signs taken away.
fn example() -> String {
    let line = |line: &'static str| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with(' ') => setting,
        _ => line,
    };
    DEFAULTS.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_defaults_are_complete() {
    let config = good("", &[]);
    assert_eq!(config.listen.data.to_string(), "0.0.0.0:8080");
    assert_eq!(config.listen.admin.to_string(), "127.0.0.1:8081");
    assert_eq!(config.listen.ops, None);
    assert_eq!(config.upstream.answer_timeout, Duration::from_secs(8));
    assert_eq!(config.ledger.url.expose(), "embedded:./data");
    let charge = InDoubtPolicies::always(InDoubtPolicy::Charge);
    assert_eq!(config.ledger.in_doubt_policies, charge);
    assert_eq!(config.admin.bootstrap_key, None);
    assert_eq!(config.process.worker_threads, None);
    assert_eq!(config.pass_through.allow.len(), 4);
    assert!(config.accounts.is_empty());
}

/// Every key of a table as `section.key`, lists of tables included.
fn keys(table: &Table, path: &str, found: &mut BTreeSet<String>) {
    for (key, node) in table {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match &node.value {
            Value::Table(inner) => keys(inner, &path, found),
            Value::List(items) => {
                for item in items {
                    if let Value::Table(inner) = &item.value {
                        keys(inner, &path, found);
                    }
                }
            }
            _ => {}
        }
        found.insert(path);
    }
}

#[test]
fn the_defaults_name_every_key_the_reader_knows_and_no_other() {
    let tree = tree::parse(&example(), None).expect("the example is TOML");
    let mut written = BTreeSet::new();
    keys(&tree, "", &mut written);
    let environment =
        pairs(&[("META_TOKEN", "t"), ("ENGINE_KEY", "0123456789abcdef")]).into_iter().collect();
    let reader =
        super::Reader::new(&environment, &|_| Err(io::ErrorKind::NotFound.into()), Vec::new());
    let asked = super::sections::keys_asked(tree, &reader);
    assert_eq!(
        written.difference(&asked).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "in the file, unknown to the reader"
    );
    assert_eq!(
        asked.difference(&written).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "known to the reader, not in the file"
    );
}

#[test]
fn every_key_of_the_defaults_has_a_sentence() {
    let mut before = "";
    for line in DEFAULTS.lines() {
        let setting = line.trim_start_matches('#');
        if setting.starts_with(|first: char| first.is_ascii_lowercase()) && setting.contains(" = ")
        {
            assert!(before.starts_with("# ") && before.ends_with(['.', ')']), "{line}: {before}");
        }
        before = line;
    }
}

#[test]
fn the_example_account_works_as_it_stands() {
    let config = good(&example(), &[("META_TOKEN", "t"), ("ENGINE_KEY", "0123456789abcdef")]);
    let account = &config.accounts[0];
    assert_eq!(account.settings.unknown_template, UnknownTemplate::Ceiling);
    assert_eq!(account.settings.messaging_limit, Some(100_000));
    assert_eq!(
        account.wallets[0].opening_top_up.map(|amount| amount.to_string()).as_deref(),
        Some("10.00")
    );
    assert_eq!(account.channels[0].1.token_env.as_deref(), Some("META_TOKEN"));
    assert_eq!(account.channels[0].1.token_file, None);
    assert_eq!(account.keys[0].key, Secret::new("0123456789abcdef"));
    assert!(account.campaigns[0].dedupe_recipients);
}

#[test]
fn an_account_needs_little() {
    let config = good("[[accounts]]\nid = \"acme\"\ncurrency = \"INR\"", &[]);
    let account = &config.accounts[0];
    assert_eq!(
        (account.settings.rate_card.as_str(), account.settings.time_zone.as_str()),
        ("meta-inr", "UTC")
    );
    assert_eq!(account.wallets[0].id.as_str(), "main");
    assert_eq!(account.settings.messaging_limit, None);
    assert_eq!(
        good(
            "[[accounts]]\nid = \"acme\"\ncurrency = \
              \"message\"",
            &[]
        )
        .accounts[0]
            .settings
            .rate_card,
        "message"
    );
}

#[test]
fn the_production_example_is_right() {
    let environment: BTreeMap<String, String> =
        pairs(&[("META_TOKEN_ACME_ALERTS", "t")]).into_iter().collect();
    let secret_files = |path: &Path| match path.to_str() {
        Some("/run/secrets/tollgate/ledger_url") => {
            Ok("redis://:hunter2@redis.internal:6379/0\n".to_owned())
        }
        Some("/run/secrets/tollgate/bootstrap_key") => Ok("bootstrap-0123456789".to_owned()),
        Some("/run/secrets/tollgate/acme_engine_key") => Ok("engine-0123456789".to_owned()),
        _ => Err(io::ErrorKind::NotFound.into()),
    };
    let text = include_str!("../../../config/production.toml");
    let config = super::read(text, "production.toml", environment, &secret_files)
        .expect("the example has no mistake");
    assert_eq!(config.ledger.url.expose(), "redis://:hunter2@redis.internal:6379/0");
    assert_eq!(config.accounts[0].wallets.len(), 2);
    for secret in ["hunter2", "bootstrap-0", "engine-0"] {
        assert!(
            !config.print().contains(secret) && !format!("{config:?}").contains(secret),
            "{secret}"
        );
    }
}

#[test]
fn file_over_defaults_and_environment_over_both() {
    let text =
        "[listen]\ndata = \"127.0.0.1:1\"\nadmin = \"127.0.0.1:2\"\n[log]\nformat = \"text\"";
    let environment = [
        ("TOLLGATE__LISTEN__DATA", "127.0.0.1:3"),
        ("TOLLGATE__LISTEN__OPS", "127.0.0.1:4"),
        ("TOLLGATE__LISTEN__OPS_TLS__CERT_FILE", "ops.pem"),
        ("TOLLGATE__LISTEN__OPS_TLS__KEY_FILE", "ops.key"),
        ("TOLLGATE__UPSTREAM__URL", "http://127.0.0.1:5/"),
        ("TOLLGATE__LEDGER__URL", "redis://:hunter2@localhost:6379/0"),
        ("TOLLGATE__LEDGER__ALLOW_UNSAFE", "true"),
        ("TOLLGATE__LEDGER__DEADLINE_MS", "250"),
        ("TOLLGATE__ADMIN__BOOTSTRAP_KEY", "0123456789abcdef"),
        ("TOLLGATE_PORT", "tcp://10.0.0.1:80"),
        ("PATH", "/bin"),
    ];
    let config = good(text, &environment);
    assert_eq!(config.listen.data.port(), 3);
    assert_eq!(config.listen.admin.port(), 2);
    assert_eq!(config.listen.ops.map(|address| address.port()), Some(4));
    assert_eq!(config.upstream.url.to_string(), "http://127.0.0.1:5");
    assert!(config.listen.ops_tls.is_some() && config.listen.tls.is_none());
    assert_eq!(config.log.format, LogFormat::Text);
    assert!(config.ledger.allow_unsafe);
    assert_eq!(config.ledger.deadline, Duration::from_millis(250));
    assert_eq!(config.admin.bootstrap_key.as_ref().map(Secret::expose), Some("0123456789abcdef"));
    for line in [
        "data = \"127.0.0.1:3\" # TOLLGATE__LISTEN__DATA",
        "admin = \"127.0.0.1:2\" # t.toml:3",
        "url = \"redis://***@localhost:6379/0\" # TOLLGATE__LEDGER__URL",
        "deadline_ms = 250 # TOLLGATE__LEDGER__DEADLINE_MS",
        "bootstrap_key = \"<redacted>\" # TOLLGATE__ADMIN__BOOTSTRAP_KEY",
        "drain_s = 30 # default",
    ] {
        assert!(
            config.print().lines().any(|printed| printed == line),
            "{line}\n{}",
            config.print()
        );
    }
}

#[test]
fn what_is_printed_can_be_read_again() {
    let environment = [
        ("META_TOKEN", "t"),
        ("ENGINE_KEY", "0123456789abcdef"),
        ("TOLLGATE__SHUTDOWN__DRAIN_S", "5"),
    ];
    let values = |config: &Config| {
        let line = |line: &str| line.rsplit_once(" # ").map_or(line, |(value, _)| value).to_owned();
        config.print().lines().map(line).collect::<Vec<_>>()
    };
    let first = good(&example(), &environment);
    assert_eq!(values(&good(first.print(), &environment)), values(&first));
}
