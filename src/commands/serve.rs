//! `tollgate serve`: runs the gateway until it is told to stop.
#![allow(
    clippy::print_stderr,
    reason = "start-up messages and the one-time operator key belong on the terminal, not in the \
              log"
)]

use std::path::PathBuf;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use super::check;
use crate::clock::Clock;
use crate::config::{Config, EXIT_BAD_CONFIG};
use crate::gateway::Gateway;
use crate::telemetry::Telemetry;

/// Arguments of `tollgate serve`.
#[derive(Debug, Clone, clap::Args)]
pub struct ServeArgs {
    /// The configuration file; without it the defaults and the environment (TOLLGATE__SECTION__KEY)
    /// are used.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Serves until it is stopped; returns the exit code. SIGTERM and SIGINT drain, SIGHUP reads the
/// file again.
pub fn main(args: &ServeArgs, environment: Vec<(String, String)>) -> anyhow::Result<u8> {
    let config = match Config::load(args.config.as_deref(), environment.clone()) {
        Ok(config) => config,
        Err(mistakes) => {
            check::report(&mistakes, &mut std::io::stderr().lock())?;
            return Ok(EXIT_BAD_CONFIG);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let telemetry = Telemetry::start(&config.log)?;
    runtime.block_on(serve(args, &config, &telemetry, environment))
}

async fn serve(
    args: &ServeArgs,
    config: &Config,
    telemetry: &Telemetry,
    environment: Vec<(String, String)>,
) -> anyhow::Result<u8> {
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be received")?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let gateway = Gateway::start(config, Clock::system()).await?;
    if let Some(key) = &gateway.made_operator_key {
        eprintln!(
            "No operator key was configured, so one was made. It is shown once:\n\n    {key}\n"
        );
    }
    let ops = gateway.ops_addr().map(|address| format!(", ops {address}")).unwrap_or_default();
    let (data, admin, durability) =
        (gateway.data_addr(), gateway.admin_addr(), gateway.durability());
    eprintln!(
        "tollgate {} serves: data {data}, admin {admin}{ops}, durability {durability}",
        env!("CARGO_PKG_VERSION")
    );
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => reload(args, &gateway, telemetry, &environment).await,
        }
    }
    eprintln!("stopping: no new sends, those under way have {} s", config.shutdown.drain.as_secs());
    let shutdown = gateway.shutdown().await;
    Ok(u8::from(!shutdown.clean))
}

/// Takes over what can change while running, or keeps everything and logs why.
async fn reload(
    args: &ServeArgs,
    gateway: &Gateway,
    telemetry: &Telemetry,
    environment: &[(String, String)],
) {
    let refused = |mistake: &dyn std::fmt::Display| {
        tracing::error!(%mistake, "the configuration was read again and nothing is taken over");
    };
    let config = match Config::load(args.config.as_deref(), environment.to_vec()) {
        Ok(config) => config,
        Err(mistakes) => return mistakes.iter().for_each(|mistake| refused(mistake)),
    };
    if let Err(mistake) = gateway.reload_rate_cards(config.pricing.rate_card_dir).await {
        return refused(&mistake);
    }
    for mistake in gateway.reload_certificates().await {
        tracing::error!(%mistake, "a listener's certificate stays as it was");
    }
    telemetry.set_level(config.log.level);
    tracing::info!(log_level = ?config.log.level, "the configuration was read again; the log \
            level is in force, so are the rate cards and the listeners' certificates; the rest \
            needs a restart");
}
