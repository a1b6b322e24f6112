//! A scenario's file: who sends how much to whom, what happens meanwhile, and what must and may
//! come of it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::ValueEnum;
use serde::Deserialize;
use tollgate_simulator::Fault;

use crate::gateway::{Accounts, CHANNELS_MAX};
use crate::schedule::{Schedule, Stretch};

/// The ledger of the gateway that is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum LedgerKind {
    /// In the gateway's own process
    Embedded,
    /// In a Redis server
    Redis,
}

impl LedgerKind {
    /// Returns its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            LedgerKind::Embedded => "embedded",
            LedgerKind::Redis => "Redis",
        }
    }
}

/// One file of `loadtest/scenarios`, which has the meaning of each field.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// One sentence for the report.
    pub about: String,
    /// Used unless the command line names another one.
    #[serde(default = "embedded")]
    pub ledger: LedgerKind,
    /// The most sends in flight.
    #[serde(default = "connections")]
    pub connections: usize,
    /// Milliseconds that a send may take.
    #[serde(default = "deadline_ms")]
    pub deadline_ms: u64,
    /// Seconds that the books may take to agree after the last send.
    #[serde(default = "audit_within_s")]
    pub audit_within_s: u64,
    #[serde(default)]
    pub accounts: AccountsSection,
    #[serde(default)]
    pub recipients: RecipientsSection,
    #[serde(default)]
    pub upstream: UpstreamSection,
    pub phases: Vec<Phase>,
    #[serde(default)]
    pub events: Vec<Event>,
    #[serde(default)]
    pub expect: Expect,
}

/// Accounts that are alike but for how much each sends.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccountsSection {
    pub count: u32,
    /// Channels of each account.
    pub channels: u32,
    /// Credits in each wallet.
    pub opening_top_up: String,
    /// 1: all send alike; with `k` the first `x` of all channels make `x^(1/k)` of the sends.
    pub skew: u32,
    /// More settings of each account, in the gateway's own TOML.
    pub settings: String,
}

impl Default for AccountsSection {
    fn default() -> AccountsSection {
        AccountsSection {
            count: 1,
            channels: 10,
            opening_top_up: "100000.00".to_owned(),
            skew: 1,
            settings: String::new(),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecipientsSection {
    pub count: u64,
    /// As that of the accounts.
    pub skew: u32,
}

impl Default for RecipientsSection {
    fn default() -> RecipientsSection {
        RecipientsSection { count: 100_000, skew: 1 }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamSection {
    pub latency_ms: u64,
    /// As the simulator takes them.
    pub faults: Vec<Fault>,
}

/// Some seconds of sends.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    pub seconds: f64,
    /// Sends a second, at its beginning.
    pub rate: f64,
    /// At its end; without it the rate stays.
    pub to: Option<f64>,
}

/// Something that happens while sends go on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Seconds after the first send.
    pub at_s: f64,
    pub change: Change,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// How long upstream takes from now on.
    UpstreamLatencyMs(u64),
    /// Redis is killed, and started again on its files after this pause.
    RestartRedisAfterMs(u64),
}

/// What a good run has beside books that agree. Whatever is not named here must not happen.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// Rejections without which the run did not show what it is for.
    pub must_reject: Vec<String>,
    /// Rejections that may happen as well.
    pub may_reject: Vec<String>,
    /// Sends may go unanswered or, after the last second, unsent.
    pub may_fail: bool,
    /// Upstream's own refusals may be passed back.
    pub may_be_refused: bool,
}

fn embedded() -> LedgerKind {
    LedgerKind::Embedded
}

fn connections() -> usize {
    256
}

fn deadline_ms() -> u64 {
    15_000
}

fn audit_within_s() -> u64 {
    20
}

impl Scenario {
    pub fn read(path: &Path) -> anyhow::Result<Scenario> {
        let name = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
        let scenario: Scenario = toml::from_str(&text).with_context(|| name.to_string())?;
        scenario.check().with_context(|| name.to_string())?;
        Ok(scenario)
    }

    fn check(&self) -> anyhow::Result<()> {
        let good = |number: f64, most: f64| number.is_finite() && (0.0..=most).contains(&number);
        for phase in &self.phases {
            ensure!(phase.seconds > 0.0 && good(phase.seconds, 86_400.0), "a phase's seconds");
            ensure!(good(phase.rate, 1e6) && good(phase.to.unwrap_or(0.0), 1e6), "a phase's rate");
        }
        ensure!(!self.phases.is_empty(), "there are no phases");
        let seconds = self.schedule().duration().as_secs_f64();
        ensure!(self.events.iter().all(|event| good(event.at_s, seconds)), "an event's time");
        let channels = 1..=CHANNELS_MAX;
        ensure!(channels.contains(&self.accounts.channels), "channels are {channels:?}");
        ensure!(self.accounts.count > 0 && self.connections > 0, "a count is 0");
        Ok(())
    }

    pub fn schedule(&self) -> Schedule {
        let stretch = |phase: &Phase| Stretch {
            duration: Duration::from_secs_f64(phase.seconds),
            from: phase.rate,
            to: phase.to.unwrap_or(phase.rate),
        };
        Schedule::new(&self.phases.iter().map(stretch).collect::<Vec<_>>())
    }

    pub fn declared(&self) -> Accounts {
        Accounts {
            count: self.accounts.count,
            channels: self.accounts.channels,
            opening_top_up: self.accounts.opening_top_up.clone(),
            settings: self.accounts.settings.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_of_the_repository_is_read() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
        let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let names: std::collections::BTreeSet<String> = files
            .map(|path| {
                let scenario = Scenario::read(&path).unwrap();
                assert!(scenario.about.ends_with('.'), "{}", path.display());
                path.file_stem().unwrap().to_str().unwrap().to_owned()
            })
            .collect();
        let expected = [
            "balance-runs-out",
            "burst",
            "many-accounts",
            "one-hot-wallet",
            "ramp-to-saturation",
            "redis-restart",
            "skewed",
            "steady",
            "upstream-slow",
        ];
        assert!(names.iter().eq(expected), "{names:?}");
    }

    #[test]
    fn mistakes_are_refused() {
        let read = |text: &str| {
            let scenario: Result<Scenario, _> = toml::from_str(text);
            scenario.map_err(anyhow::Error::from).and_then(|scenario| scenario.check())
        };
        let good = "about = \"x.\"\n[[phases]]\nseconds = 1\nrate = 5\n";
        read(good).unwrap();
        for wrong in [
            "about = \"x.\"\nphases = []",
            "about = \"x.\"\n[[phases]]\nseconds = 0\nrate = 5",
            "about = \"x.\"\n[[phases]]\nseconds = 1\nrate = -5",
            "about = \"x.\"\n[[phases]]\nseconds = 1\nrate = 5\nrates = 6",
            &format!("{good}[[events]]\nat_s = 2\nchange = {{ upstream_latency_ms = 5 }}"),
            &format!("{good}[[events]]\nat_s = 0.5\nchange = {{ nothing = 5 }}"),
            &format!("{good}[accounts]\nchannels = 1001"),
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
