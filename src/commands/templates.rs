//! `tollgate templates sync`: asks a running gateway to read a WABA's templates from Meta, and
//! shows what changed.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::Value;

use super::call::Caller;
use crate::ids::{AccountId, WabaId};

/// A large WABA has thousands of templates, read from Meta page by page.
const DEADLINE: Duration = Duration::from_secs(120);

/// Environment variables that may hold the operator key.
const KEY_VARIABLES: [&str; 2] = ["TOLLGATE_OPERATOR_KEY", "TOLLGATE__ADMIN__BOOTSTRAP_KEY"];

/// Arguments of `tollgate templates`.
#[derive(Debug, Clone, clap::Args)]
pub struct TemplatesArgs {
    #[command(subcommand)]
    command: TemplatesCommand,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum TemplatesCommand {
    /// Read a WABA's templates from Meta into the catalog, so that their sends have a price.
    Sync(SyncArgs),
}

#[derive(Debug, Clone, clap::Args)]
struct SyncArgs {
    /// The account.
    #[arg(long)]
    account: AccountId,
    /// Meta's id of the WhatsApp Business Account.
    #[arg(long)]
    waba: WabaId,
    /// The gateway's admin listener.
    #[arg(long, default_value = "http://127.0.0.1:8081")]
    admin: String,
    /// A file with the operator key; without it TOLLGATE_OPERATOR_KEY or
    /// TOLLGATE__ADMIN__BOOTSTRAP_KEY is used.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

/// Runs the command; returns the exit code.
pub fn main(
    args: &TemplatesArgs,
    environment: &[(String, String)],
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let TemplatesCommand::Sync(args) = &args.command;
    let key = operator_key(args, environment)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let url = format!(
        "{}/v1/accounts/{}/wabas/{}/templates/sync",
        args.admin.trim_end_matches('/'),
        args.account,
        args.waba
    );
    let request = Request::post(&url)
        .header("authorization", format!("Bearer {key}"))
        .body(Full::new(Bytes::new()));
    let reply = runtime.block_on(Caller::new().exchange(request.context("--admin")?, DEADLINE))?;
    ensure!(
        reply.status == 200,
        "the gateway answered {}: {} {}",
        reply.status,
        reply.text("/title"),
        reply.text("/detail")
    );
    let number = |name: &str| reply.body.get(name).and_then(Value::as_u64).unwrap_or_default();
    writeln!(
        out,
        "{} templates read, {} new or changed, {} left out",
        number("read"),
        number("changed"),
        number("skipped")
    )?;
    for skipped in
        reply.body.get("skipped_templates").and_then(Value::as_array).into_iter().flatten()
    {
        let text = |name: &str| skipped.get(name).and_then(Value::as_str).unwrap_or_default();
        writeln!(out, "left out {}: {}", text("name"), text("reason"))?;
    }
    Ok(0)
}

fn operator_key(args: &SyncArgs, environment: &[(String, String)]) -> anyhow::Result<String> {
    if let Some(file) = &args.key_file {
        let text = std::fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
        return Ok(text.trim().to_owned());
    }
    for variable in KEY_VARIABLES {
        if let Some((_, key)) = environment.iter().find(|(name, _)| name == variable) {
            return Ok(key.clone());
        }
    }
    bail!("an operator key is needed: --key-file, {} or {}", KEY_VARIABLES[0], KEY_VARIABLES[1])
}
