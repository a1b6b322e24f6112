//! `loadtest smoke`: one gateway process from nothing, a wallet spent through it, a kill, and its
//! books audited.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Args;
use http::Method;
use serde_json::json;
use tollgate_simulator::{Simulator, SimulatorOptions, SimulatorTemplate};

use crate::admin::{Answer, JsonClient};
use crate::audit::{self, AuditOptions};
use crate::duration;
use crate::gateway::{Gateway, GatewayOptions, OPERATOR_KEY, TOKEN};
use crate::process::Directory;

const ACCOUNT: &str = "smoke";
const CAMPAIGN: &str = "smoke-campaign";
const PHONE_NUMBER_ID: &str = "106540352242922";
const WABA: &str = "102290129340398";
const TEMPLATE: &str = "spring_offer";

/// More sends than one credit can buy in any market.
const SENDS_MAX: u64 = 2_000;

/// The gateway that is started and audited.
#[derive(Args)]
pub struct SmokeOptions {
    /// The gateway binary
    #[arg(long, default_value = "target/release/tollgate")]
    gateway: PathBuf,
    /// Ledger URL to give it (default: embedded, in a temporary directory)
    #[arg(long)]
    ledger: Option<String>,
    /// How long the gateway may take to get ready
    #[arg(long, default_value = "20s", value_parser = duration::parse)]
    ready_within: Duration,
}

/// Creates an account, funds it, sends until the credits run out, tops it up, restarts the
/// campaign, kills the gateway and audits the books.
pub async fn smoke(options: SmokeOptions) -> anyhow::Result<()> {
    let simulator = Simulator::start(SimulatorOptions {
        tokens: Some(vec![TOKEN.1.to_owned()]),
        templates: vec![SimulatorTemplate::approved(TEMPLATE, "en_US", "MARKETING")],
        ..SimulatorOptions::default()
    })
    .context("cannot start the simulator")?;
    let directory = Directory::make("smoke")?;
    let embedded = || format!("embedded:{}", directory.path().join("ledger").display());
    let gateway = GatewayOptions {
        binary: &options.gateway,
        home: directory.path().to_owned(),
        ledger_url: options.ledger.clone().unwrap_or_else(embedded),
        upstream_url: simulator.url(),
        configuration: String::new(),
        ready_within: options.ready_within,
    };
    let result = scenario(&gateway, &simulator).await;
    if result.is_err() {
        eprintln!("--- what the gateway wrote ---\n{}", gateway.printed());
    }
    simulator.shutdown().await;
    result
}

async fn scenario(options: &GatewayOptions<'_>, simulator: &Simulator) -> anyhow::Result<()> {
    let mut gateway = Gateway::start(options).await?;
    run_out_and_restart(&gateway, simulator).await?;
    report("killing the gateway and starting it again");
    gateway.kill().await?;
    gateway = Gateway::start(options).await?;
    audit::audit(AuditOptions {
        admin: gateway.admin_url(),
        operator_key: OPERATOR_KEY.to_owned(),
        account: ACCOUNT.to_owned(),
        wallet: "main".to_owned(),
        topped_up: 2_000_000,
        simulator: simulator.url(),
        phone_number_id: Vec::new(),
        within: Duration::from_secs(5),
    })
    .await?;
    gateway.kill().await
}

fn report(line: &str) {
    eprintln!("smoke: {line}");
}

/// Sends until the campaign is stopped for lack of credits, then tops up and restarts it.
async fn run_out_and_restart(gateway: &Gateway, simulator: &Simulator) -> anyhow::Result<()> {
    let admin = JsonClient::new(&gateway.admin_url(), Some(OPERATOR_KEY));
    let key = set_up(&admin).await?;
    let engine = JsonClient::new(&format!("http://{}", gateway.data), Some(&key));
    top_up(&admin, "1.00", "smoke-1").await?;
    let sent = send_until_refused(&engine).await?;
    report(&format!("one credit paid for {sent} messages"));
    ensure!(
        simulator.accepted_count() == sent,
        "{sent} sends were answered 200, but {} messages reached the upstream",
        simulator.accepted_count()
    );
    let path = format!("/v1/accounts/{ACCOUNT}/campaigns/{CAMPAIGN}");
    let campaign = admin.get(&path).await?;
    ensure!(
        campaign["state"] == "stopped" && campaign["reason"] == "credits_exhausted",
        "the campaign should be stopped: {campaign}"
    );
    expect_rejection(&send(&engine, sent + 1).await?, 409, "campaign_stopped")?;
    let restart = format!("{path}/restart");
    let refused = admin.call(Method::POST, &restart, None).await?;
    ensure!(
        refused.status.is_client_error(),
        "a restart without credits should be refused, not {}",
        refused.status
    );
    top_up(&admin, "1.00", "smoke-2").await?;
    expect_rejection(&send(&engine, sent + 2).await?, 409, "campaign_stopped")?;
    admin.expect(Method::POST, &restart, None).await?;
    let answer = send(&engine, sent + 3).await?;
    ensure!(answer.status == 200, "after the restart: {} {}", answer.status, answer.body);
    report("stopped, refused to restart, topped up, restarted");
    Ok(())
}

/// Creates everything a send needs; returns a key to send with.
async fn set_up(admin: &JsonClient) -> anyhow::Result<String> {
    let account = format!("/v1/accounts/{ACCOUNT}");
    let steps = [
        (
            Method::POST,
            "/v1/accounts".to_owned(),
            json!({
                "id": ACCOUNT, "currency": "USD", "rate_card": "meta-usd", "time_zone": "UTC",
            }),
        ),
        (
            Method::PUT,
            format!("{account}/wabas/{WABA}"),
            json!({ "time_zone": "UTC", "portfolio": "default" }),
        ),
        (
            Method::PUT,
            format!("{account}/wabas/{WABA}/templates/{TEMPLATE}/en_US"),
            json!({ "category": "marketing" }),
        ),
        (Method::PUT, format!("{account}/wallets/main"), json!({})),
        (
            Method::PUT,
            format!("{account}/channels/{PHONE_NUMBER_ID}"),
            json!({ "wallet": "main", "billing": "prepaid", "waba": WABA,
                    "token_env": TOKEN.0, "throughput_limit": 1_000 }),
        ),
    ];
    for (method, path, body) in steps {
        admin.expect(method, &path, Some(&body)).await?;
    }
    let path = format!("{account}/keys");
    let key = admin.expect(Method::POST, &path, Some(&json!({ "scopes": ["send"] }))).await?;
    let key = key["key"].as_str().context("the new key is not shown")?;
    Ok(key.to_owned())
}

async fn top_up(admin: &JsonClient, amount: &str, reference: &str) -> anyhow::Result<()> {
    let path = format!("/v1/accounts/{ACCOUNT}/wallets/main/top-ups");
    let body = json!({ "amount": amount, "reference": reference });
    admin.expect(Method::POST, &path, Some(&body)).await?;
    Ok(())
}

async fn send(engine: &JsonClient, index: u64) -> anyhow::Result<Answer> {
    let body = json!({
        "messaging_product": "whatsapp", "recipient_type": "individual",
        "to": format!("+9198{index:08}"), "type": "template",
        "template": { "name": TEMPLATE, "language": { "code": "en_US" } },
    });
    let path = format!("/campaigns/{CAMPAIGN}/v24.0/{PHONE_NUMBER_ID}/messages");
    engine.call(Method::POST, &path, Some(&body)).await
}

/// Sends until the first refusal, which must be for lack of credits; returns how many sends were
/// accepted.
async fn send_until_refused(engine: &JsonClient) -> anyhow::Result<u64> {
    for index in 0..SENDS_MAX {
        let answer = send(engine, index).await?;
        if answer.status != 200 {
            expect_rejection(&answer, 402, "insufficient_balance")?;
            ensure!(index > 0, "nothing was accepted");
            return Ok(index);
        }
    }
    bail!("one credit should not pay for {SENDS_MAX} messages");
}

fn expect_rejection(answer: &Answer, status: u16, name: &str) -> anyhow::Result<()> {
    let rejection = &answer.body["error"]["error_data"]["rejection"];
    ensure!(
        answer.status == status && *rejection == *name,
        "expected {status} {name}, got {} {}",
        answer.status,
        answer.body
    );
    Ok(())
}
