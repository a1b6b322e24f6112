//! A gateway process of a run's own: configured by a file, on free loopback ports, with accounts
//! that are declared in it.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use http::Method;
use tokio::process::Command;

use crate::admin::JsonClient;
use crate::generate::{self, Sender};
use crate::process::{Process, free_address};

/// The key that may read and write all accounts of a gateway started here.
pub const OPERATOR_KEY: &str = "loadtest-operator-key-0123456789";
/// Upstream's token: the name it has in the gateway's environment, and itself.
pub const TOKEN: (&str, &str) = ("META_TOKEN", "EAAloadtest");
const LOG: &str = "gateway.log";
/// Most channels of one declared account.
pub const CHANNELS_MAX: u32 = 1_000;

/// What a gateway process is started with.
pub struct GatewayOptions<'a> {
    pub binary: &'a Path,
    /// A directory of its own, for its configuration and its log.
    pub home: PathBuf,
    pub ledger_url: String,
    pub upstream_url: String,
    /// More of its configuration, in TOML.
    pub configuration: String,
    pub ready_within: Duration,
}

impl GatewayOptions<'_> {
    /// Returns all that gateways started with these options have printed.
    pub fn printed(&self) -> String {
        std::fs::read_to_string(self.home.join(LOG)).unwrap_or_default()
    }
}

/// A running gateway; killed when dropped.
pub struct Gateway {
    process: Process,
    pub data: SocketAddr,
    pub admin: SocketAddr,
}

impl Gateway {
    /// Starts it and waits until it is ready.
    pub async fn start(options: &GatewayOptions<'_>) -> anyhow::Result<Gateway> {
        let (data, admin) = (free_address()?, free_address()?);
        let file = options.home.join("tollgate.toml");
        std::fs::write(&file, configuration(options, data, admin))?;
        let mut command = Command::new(options.binary);
        command.arg("serve").arg("--config").arg(&file).env(TOKEN.0, TOKEN.1);
        let log = options.home.join(LOG);
        let process = Process::start("the gateway", &mut command, log)
            .with_context(|| format!("{}", options.binary.display()))?;
        let mut gateway = Gateway { process, data, admin };
        gateway.wait_until_ready(options.ready_within).await?;
        Ok(gateway)
    }

    /// Kills it, with no chance to finish anything.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill().await
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Returns the end of its log.
    pub fn printed(&self) -> String {
        self.process.printed()
    }

    pub fn admin_url(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// Returns how many ledger batches there were so far, and how many operations in them.
    pub async fn batches(&self) -> anyhow::Result<(f64, f64)> {
        let metrics = JsonClient::new(&self.admin_url(), None).text("/metrics").await?;
        let value = |name: &str| {
            let line = metrics.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0)
        };
        Ok((value("tollgate_ledger_batch_size_count "), value("tollgate_ledger_batch_size_sum ")))
    }

    async fn wait_until_ready(&mut self, within: Duration) -> anyhow::Result<()> {
        let admin = JsonClient::new(&self.admin_url(), None);
        let begin = Instant::now();
        while begin.elapsed() < within {
            self.process.running()?;
            match admin.call(Method::GET, "/readyz", None).await {
                Ok(answer) if answer.status == 200 => return Ok(()),
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        bail!("the gateway was not ready within {within:?}: {}", self.process.printed());
    }
}

fn configuration(options: &GatewayOptions<'_>, data: SocketAddr, admin: SocketAddr) -> String {
    format!(
        "[listen]\ndata = \"{data}\"\nadmin = \"{admin}\"\n[upstream]\nurl = \"{}\"\n\
         [ledger]\nurl = \"{}\"\n[admin]\nbootstrap_key = \"{OPERATOR_KEY}\"\n{}",
        options.upstream_url, options.ledger_url, options.configuration,
    )
}

/// Accounts that differ in nothing but their names.
#[derive(Debug, Clone)]
pub struct Accounts {
    pub count: u32,
    /// Channels of each, at most [`CHANNELS_MAX`].
    pub channels: u32,
    /// Credits in each one's wallet, as the configuration writes them.
    pub opening_top_up: String,
    /// More settings of each, in TOML.
    pub settings: String,
}

impl Accounts {
    pub fn id(account: u32) -> String {
        format!("load-{account}")
    }

    pub fn key(account: u32) -> String {
        format!("load-test-key-{account:010}")
    }

    /// Returns the phone number IDs of one account, which are numbered from 1.
    pub fn numbers(&self, account: u32) -> impl Iterator<Item = String> + use<> {
        let first = 106_540_352_000_000 + u64::from(account * CHANNELS_MAX);
        (first..first + u64::from(self.channels)).map(|number| number.to_string())
    }

    /// Returns them as the gateway's configuration declares them.
    pub fn declared(&self) -> String {
        let mut text = String::new();
        for account in 1..=self.count {
            let (id, key, settings) = (Self::id(account), Self::key(account), &self.settings);
            let _ = writeln!(
                text,
                "[[accounts]]\nid = \"{id}\"\ncurrency = \"USD\"\n{settings}\n\
                 [[accounts.wallets]]\nid = \"main\"\nopening_top_up = \"{}\"\n\
                 [[accounts.wabas]]\nid = \"{account}\"\n\
                 [[accounts.templates]]\nwaba = \"{account}\"\nname = \"spring_offer\"\n\
                 language = \"en_US\"\ncategory = \"marketing\"\n\
                 [[accounts.keys]]\nid = \"engine\"\nkey = \"{key}\"\nscopes = [\"send\"]",
                self.opening_top_up,
            );
            for number in self.numbers(account) {
                let _ = writeln!(
                    text,
                    "[[accounts.channels]]\nphone_number_id = \"{number}\"\nwaba = \"{account}\"\n\
                     token_env = \"{}\"\nthroughput_limit = 1000",
                    TOKEN.0,
                );
            }
        }
        text
    }

    /// Returns all their channels as senders through a target, accounts in turn.
    pub fn senders(&self, target: SocketAddr, campaign: &str) -> anyhow::Result<Vec<Sender>> {
        let mut senders = Vec::new();
        for channel in 0..self.channels as usize {
            for account in 1..=self.count {
                let key = Self::key(account);
                let headers = generate::headers(&target.to_string(), &key, Some(campaign))?;
                let number = self.numbers(account).nth(channel).context("no such channel")?;
                let path = format!("/v24.0/{number}/messages").parse()?;
                senders.push(Sender { path, headers });
            }
        }
        Ok(senders)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_have_numbers_of_their_own() {
        let accounts = Accounts {
            count: 3,
            channels: CHANNELS_MAX,
            opening_top_up: "1.00".to_owned(),
            settings: String::new(),
        };
        let all: Vec<String> = (1..=3).flat_map(|account| accounts.numbers(account)).collect();
        assert_eq!(all.iter().collect::<std::collections::HashSet<_>>().len(), 3_000);
        let target = SocketAddr::from(([127, 0, 0, 1], 80));
        let senders = accounts.senders(target, "spring").unwrap();
        assert_eq!(senders.len(), 3_000);
        assert_ne!(senders[0].headers["authorization"], senders[1].headers["authorization"]);
        assert_eq!(accounts.declared().matches("[[accounts.channels]]").count(), 3_000);
    }
}
