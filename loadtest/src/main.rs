//! The command line of the load generator.
#![allow(
    clippy::print_stderr,
    reason = "results go to stdout and progress to stderr: that is this program's whole interface"
)]

use std::process::ExitCode;

use anyhow::bail;
use clap::{Parser, Subcommand};
use loadtest::{audit, compare, hold, proxy, run, simulate, smoke};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// Load generator, simulated upstream and books audit for the Tollgate gateway.
#[derive(Parser)]
#[command(
    name = "loadtest",
    version,
    after_help = "A first run against a gateway on its default ports:\n  \
        loadtest simulate --listen 127.0.0.1:9090 &        # point upstream.url at it\n  \
        loadtest run --key tg_live_... --phone-number-id 106540352242922 \
                     --rate 500 --duration 10s\n  \
        loadtest audit --operator-key ... --account acme --topped-up 100 \
                       --simulator http://127.0.0.1:9090"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the simulated WhatsApp Cloud API until Ctrl-C
    Simulate(simulate::SimulateOptions),
    /// Send messages at a fixed rate (open loop) or as fast as the target replies (closed loop)
    Run(run::RunOptions),
    /// Hold connections that are not used, or used very slowly
    Hold(hold::HoldOptions),
    /// Compare wallet, usage and holds with what the simulated upstream accepted
    Audit(audit::AuditOptions),
    /// Start a gateway binary on free ports, spend a wallet through it and audit the books
    Smoke(smoke::SmokeOptions),
    /// Measure the gateway beside other proxies, in turns within one run
    Compare(compare::CompareOptions),
    /// Pass requests on and do nothing else, on one thread
    Proxy(proxy::ProxyOptions),
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let runtime = match command {
        Command::Proxy(_) => Builder::new_current_thread().enable_all().build(),
        _ => Builder::new_multi_thread().enable_all().build(),
    };
    let result = match runtime {
        Ok(runtime) => runtime.block_on(execute(command)),
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("loadtest: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn execute(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Simulate(options) => simulate::simulate(options).await,
        Command::Run(options) => unless_interrupted(run::run(options)).await,
        Command::Hold(options) => hold::hold(options).await,
        Command::Audit(options) => audit::audit(options).await,
        Command::Smoke(options) => smoke::smoke(options).await,
        Command::Compare(options) => unless_interrupted(compare::compare(options)).await,
        Command::Proxy(options) => proxy::proxy(options).await,
    }
}

/// Drops the work at SIGINT and SIGTERM, so that the processes it started end with it.
async fn unless_interrupted(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        result = work => result,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        _ = terminated.recv() => bail!("terminated"),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
