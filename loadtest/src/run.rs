//! `loadtest run`: plans a run from the command line, shows its progress and prints its summary.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, ensure};
use clap::Args;
use http::Uri;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::body::{self, BodyMaker, Content};
use crate::duration;
use crate::generate::{self, Load, Pace, Plan, Sender};
use crate::pick::Pick;
use crate::report::Report;
use crate::scenario::{self, ScenarioOptions};
use crate::schedule::Schedule;
use crate::timeline;

/// Connections without `--connections`: few for a closed loop, room for a backlog in an open one.
const CONNECTIONS_CLOSED: usize = 64;
const CONNECTIONS_OPEN: usize = 256;

/// What is sent, at which rate and for how long.
#[derive(Args)]
pub struct RunOptions {
    #[command(flatten)]
    scenario: ScenarioOptions,
    /// The gateway's data listener, or the simulator itself
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    target: String,
    /// The gateway key to send with
    #[arg(long, env = "LOADTEST_KEY", hide_env_values = true, required_unless_present = "file")]
    key: Option<String>,
    /// The channel to send from (repeatable, used in turn: a channel's throughput limit is at most
    /// 1,000 a second)
    #[arg(long, required_unless_present = "file")]
    phone_number_id: Vec<String>,
    /// Graph version in the path
    #[arg(long, default_value = "v24.0")]
    graph_version: String,
    /// Campaign the sends belong to
    #[arg(long)]
    campaign: Option<String>,
    /// Sends a second, however fast the target replies (open loop); without it each connection
    /// sends when it is free
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// Connections, and so the most sends in flight (default 64, with --rate 256)
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    connections: Option<u32>,
    /// How long to send
    #[arg(long, default_value = "10s", value_parser = duration::parse)]
    duration: Duration,
    /// Distinct recipients, used in turn
    #[arg(long, default_value_t = 100_000)]
    recipients: u64,
    /// What recipients' numbers begin with (repeatable, used in turn)
    #[arg(long, default_value = "+9198", value_parser = body::parse_prefix)]
    recipient_prefix: Vec<String>,
    /// Template to send
    #[arg(long, default_value = "spring_offer", conflicts_with = "text")]
    template: String,
    /// Language of the template
    #[arg(long, default_value = "en_US")]
    language: String,
    /// Send text messages instead of a template
    #[arg(long)]
    text: bool,
    /// Give every send an idempotency key of its own
    #[arg(long)]
    idempotency_keys: bool,
    /// Append each send's number to the key, so that every send comes with another one
    #[arg(long)]
    vary_key: bool,
    /// Most one send may take
    #[arg(long, default_value = "15s", value_parser = duration::parse)]
    deadline: Duration,
}

/// Runs a scenario, or sends as the other options have it and prints the summary as JSON on stdout;
/// fails if the target answered no send at all.
pub async fn run(options: RunOptions) -> anyhow::Result<()> {
    if let Some(file) = &options.scenario.file {
        return scenario::run(file, &options.scenario).await;
    }
    let default = match options.rate {
        Some(_) => CONNECTIONS_OPEN,
        None => CONNECTIONS_CLOSED,
    };
    let connections = options.connections.map_or(default, |count| count as usize);
    let plan = Arc::new(Plan::new(load(&options, connections)?)?);
    let done = CancellationToken::new();
    let watch = tokio::spawn(timeline::watch(plan.clone(), done.clone(), true));
    let ran = generate::run(&plan).await?;
    done.cancel();
    let points = watch.await.context("the progress task failed")??;
    let seconds = ran.as_secs_f64();
    let total = plan.total()?;
    let mut summary = total.describe();
    summary["target"] = json!(options.target);
    summary["loop"] = json!(options.rate.map_or("closed", |_| "open"));
    summary["rate_wanted"] = json!(options.rate);
    summary["connections"] = json!(connections);
    summary["seconds"] = json!(seconds);
    summary["answered_per_second"] = json!((total.answered() as f64 / seconds).round());
    if let Some(directory) = &options.scenario.report {
        let mut report = Report::new(&total, ran, points);
        report.connections = connections;
        report.write(directory)?;
    }
    println!("{}", serde_json::to_string_pretty(&summary)?);
    ensure!(total.answered() > 0, "nothing was answered by {}", options.target);
    Ok(())
}

fn load(options: &RunOptions, connections: usize) -> anyhow::Result<Load> {
    let target: Uri =
        options.target.parse().with_context(|| format!("{} is not a URL", options.target))?;
    ensure!(target.scheme_str() == Some("http"), "{}: only http:// targets", options.target);
    let authority = target.authority().context("the target has no host")?;
    let host = authority.host();
    let authority = format!("{host}:{}", authority.port_u16().unwrap_or(80));
    let key = options.key.as_deref().unwrap_or_default();
    let headers = generate::headers(&authority, key, options.campaign.as_deref())
        .context("the key or the campaign is not valid in a header")?;
    let sender = |number: &String| {
        let base = target.path().trim_end_matches('/');
        let path = format!("{base}/{}/{number}/messages", options.graph_version);
        let path = path.parse().context("the path cannot be requested")?;
        anyhow::Ok(Sender { path, headers: headers.clone() })
    };
    let senders: Vec<Sender> =
        options.phone_number_id.iter().map(sender).collect::<anyhow::Result<_>>()?;
    let content = match options.text {
        true => Content::Text,
        false => {
            Content::Template { name: options.template.clone(), language: options.language.clone() }
        }
    };
    let recipients = Pick::new(options.recipients, 1, 0);
    Ok(Load {
        authority,
        sender: Pick::new(senders.len() as u64, 1, 0),
        senders,
        campaigns: None,
        bodies: BodyMaker::new(&content, options.recipient_prefix.clone(), recipients),
        varied_key: options.vary_key.then(|| key.to_owned()),
        idempotency: options.idempotency_keys.then(run_name).transpose()?,
        deadline: options.deadline,
        connections,
        pace: match options.rate {
            None => Pace::Closed(options.duration),
            Some(rate) => Pace::Open(Schedule::constant(rate, options.duration)),
        },
        first: 0,
    })
}

/// Returns a prefix of idempotency keys that differs from run to run.
fn run_name() -> anyhow::Result<String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(format!("loadtest-{:x}-", now.as_nanos()))
}
