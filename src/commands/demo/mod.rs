//! `tollgate demo`: the whole scenario on one machine, over real HTTP through the real data path,
//! against a simulated Cloud API.
#![allow(clippy::print_stdout, reason = "the scenario is shown on the terminal")]

mod client;
mod names;
mod scenario;

use anyhow::Context;
use tollgate_simulator::{Simulator, SimulatorOptions};

use crate::clock::Clock;
use crate::config::Config;
use crate::gateway::Gateway;
use client::Client;
use names::{ACCOUNT, NUMBER, OPERATOR_KEY, SEND_KEY, WABA};

/// Arguments of `tollgate demo`.
#[derive(Debug, Clone, clap::Args)]
pub struct DemoArgs {
    /// End after the scenario instead of serving on.
    #[arg(long)]
    pub exit: bool,
}

/// Runs the scenario; returns exit code 0 only if every step did what it should.
pub fn main(args: &DemoArgs) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(args))
}

async fn run(args: &DemoArgs) -> anyhow::Result<u8> {
    let home = tempfile::tempdir().context("no temporary directory")?;
    std::fs::write(home.path().join("token"), "simulated-meta-token")?;
    let simulator = Simulator::start(SimulatorOptions {
        tokens: Some(vec!["simulated-meta-token".into()]),
        ..SimulatorOptions::default()
    })?;
    let text = configuration(&simulator.url(), &home.path().display().to_string());
    let config = Config::from_parts(&text, "the demo's configuration", []).map_err(|mistakes| {
        anyhow::anyhow!(mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })?;
    let gateway = Gateway::start(&config, Clock::system()).await?;
    let client = Client::new(gateway.data_addr(), gateway.admin_addr());
    let code = match scenario::run(&client, &simulator).await {
        Ok(()) => 0,
        Err(error) => {
            println!("\nThis step did not do what it should: {error:#}");
            1
        }
    };
    if code == 0 && !args.exit {
        scenario::invite(&client);
        tokio::signal::ctrl_c().await?;
        println!();
    }
    let shutdown = gateway.shutdown().await;
    simulator.shutdown().await;
    anyhow::ensure!(shutdown.clean, "the gateway could not end its work in time");
    Ok(code)
}

fn configuration(upstream: &str, home: &str) -> String {
    format!(
        r#"
[listen]
data = "127.0.0.1:0"
admin = "127.0.0.1:0"
[upstream]
url = "{upstream}"
[ledger]
url = "embedded:{home}/ledger"
[secrets]
dir = "{home}"
[admin]
bootstrap_key = "{OPERATOR_KEY}"
[[accounts]]
id = "{ACCOUNT}"
currency = "USD"
rate_card = "meta-usd"
[[accounts.wallets]]
id = "main"
low_balance_thresholds = ["0.10"]
[[accounts.wabas]]
id = "{WABA}"
time_zone = "Asia/Kolkata"
[[accounts.channels]]
phone_number_id = "{NUMBER}"
waba = "{WABA}"
token_file = "token"
[[accounts.templates]]
waba = "{WABA}"
name = "festival_offer"
language = "en_US"
category = "marketing"
[[accounts.templates]]
waba = "{WABA}"
name = "order_update"
language = "en_US"
category = "utility"
[[accounts.keys]]
id = "engine"
key = "{SEND_KEY}"
scopes = ["send"]
"#
    )
}
