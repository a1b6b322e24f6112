//! The load generator as a person runs it: the binary against a simulator, its JSON and its exit
//! status.
#![allow(
    clippy::unwrap_used,
    reason = "a helper of a test fails by panicking, like the test itself"
)]

mod audit;
mod compare;
mod run;
mod simulate;

use std::process::Output;
use std::time::Duration;

use tokio::process::Command;

/// Runs the binary to its end.
async fn loadtest(arguments: &[&str]) -> Output {
    let output =
        Command::new(env!("CARGO_BIN_EXE_loadtest")).args(arguments).kill_on_drop(true).output();
    tokio::time::timeout(Duration::from_secs(30), output)
        .await
        .expect("an end within 30 seconds")
        .unwrap()
}
