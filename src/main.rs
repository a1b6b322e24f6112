//! The `tollgate` program: reads its arguments, starts the runtime, runs one command.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tollgate::clock::Clock;
use tollgate::commands::{check, demo, quote, serve, templates};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A send gateway in front of the WhatsApp Business Cloud API: it prices every message, reserves
/// the credits, forwards, settles, and stops campaigns when the credits are gone.
#[derive(Parser)]
#[command(name = "tollgate", version, about, long_about = None)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the whole scenario on this machine, nothing to install: a campaign spends its credits,
    /// stops, and is restarted.
    Demo(demo::DemoArgs),
    /// Run the gateway.
    Serve(serve::ServeArgs),
    /// Validate a configuration and list every error.
    Check(check::CheckArgs),
    /// Print what a message costs.
    Quote(quote::QuoteArgs),
    /// Read templates from Meta into the catalog.
    Templates(templates::TemplatesArgs),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Demo(args) => demo::main(&args),
        Command::Serve(args) => serve::main(&args, environment()),
        Command::Check(args) => {
            check::run(&args, environment(), &mut io::stdout().lock(), &mut io::stderr().lock())
                .map_err(Into::into)
        }
        Command::Templates(args) => {
            templates::main(&args, &environment(), &mut io::stdout().lock())
        }
        Command::Quote(args) => {
            quote::run(&args, Clock::system().now_ms(), &mut io::stdout().lock()).map(|()| 0)
        }
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let _ = writeln!(io::stderr().lock(), "tollgate: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The environment's readable variables.
fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
