//! The scenario: every step is sent, shown, and checked.
#![allow(clippy::print_stdout, reason = "the scenario is shown on the terminal")]

use anyhow::{Context, ensure};
use http::Method;
use serde_json::{Value, json};
use tollgate_simulator::Simulator;

use super::client::{Client, send_body};
use super::names::{ACCOUNT, CAMPAIGN, NUMBER, OPERATOR_KEY, SEND_KEY};
use crate::amount::Amount;
use crate::commands::call::Reply;

/// Recipients of the campaign, by country; the numbers are made up.
const AUDIENCE: [(&str, &str); 8] = [
    ("+919812300001", "India"),
    ("+5511987650001", "Brazil"),
    ("+16505550144", "United States"),
    ("+14165550123", "Canada"),
    ("+447700900123", "United Kingdom"),
    ("+971501230001", "United Arab Emirates"),
    ("+525512340001", "Mexico"),
    ("+77011230001", "Kazakhstan"),
];

/// Top-ups of the scenario.
const FIRST: &str = "0.50";
const TOO_LITTLE: &str = "0.01";
const SECOND: &str = "2.00";

fn title(number: usize, text: &str) {
    println!("\n{number}. {text}");
}

/// Runs the scenario and checks each step.
pub(super) async fn run(client: &Client, simulator: &Simulator) -> anyhow::Result<()> {
    println!(
        "Tollgate demo: a campaign spends prepaid credits on WhatsApp messages, and stops when \
         they are gone."
    );
    println!(
        "   campaign engine --> tollgate at http://{} --> simulated Cloud API at {}",
        client.data,
        simulator.url()
    );
    println!(
        "   (in production the last one is Meta; prices are the October 2026 rate card in USD)"
    );
    spend_until_stopped(client, simulator).await?;
    restart_is_refused(client).await?;
    restart(client).await?;
    repeat_a_send(client, simulator).await?;
    title(7, "The books: what was used, by country and category, and what is left.");
    books(client, simulator).await
}

async fn spend_until_stopped(client: &Client, simulator: &Simulator) -> anyhow::Result<()> {
    title(1, &format!("The account pays in {FIRST} USD."));
    top_up(client, FIRST, "payment-1").await?;

    title(
        2,
        &format!(
            "Campaign `{CAMPAIGN}` sends a marketing template to one recipient after the other."
        ),
    );
    let stopped_at = run_until_stopped(client).await?;
    let accepted = simulator.accepted_count();
    ensure!(
        accepted == stopped_at,
        "the simulated Cloud API took {accepted} messages, the gateway let {stopped_at} through"
    );

    title(3, "From now on the campaign is stopped; nothing is forwarded.");
    let reply = client.send(AUDIENCE[0].0, "festival_offer", None).await?;
    show_rejection(&reply, 409, "campaign_stopped")?;
    let campaign = client.operate(Method::GET, &format!("/campaigns/{CAMPAIGN}"), None).await?;
    println!("   GET /v1/accounts/{ACCOUNT}/campaigns/{CAMPAIGN} -> {}", campaign.body);
    ensure!(
        campaign.text("/state") == "stopped" && campaign.text("/reason") == "credits_exhausted",
        "the campaign should be stopped"
    );
    ensure!(simulator.accepted_count() == accepted, "a stopped campaign must not send");
    Ok(())
}

async fn restart_is_refused(client: &Client) -> anyhow::Result<()> {
    title(
        4,
        &format!(
            "A restart is refused while the credits do not cover a message, also after paying in \
             {TOO_LITTLE} USD."
        ),
    );
    top_up(client, TOO_LITTLE, "payment-2").await?;
    let refused =
        client.operate(Method::POST, &format!("/campaigns/{CAMPAIGN}/restart"), None).await?;
    println!("   POST .../campaigns/{CAMPAIGN}/restart -> {} {}", refused.status, refused.body);
    ensure!(refused.status == 409, "the restart should be refused");
    let part = |name: &str| {
        let text = refused.text(&format!("/{name}"));
        text.parse::<Amount>().with_context(|| format!("`{name}` of the refusal"))
    };
    let shortfall = part("needed")?.checked_sub(part("available")?);
    ensure!(shortfall == Some(part("shortfall")?), "needed - available should be the shortfall");
    Ok(())
}

async fn restart(client: &Client) -> anyhow::Result<()> {
    title(
        5,
        &format!(
            "The account pays in {SECOND} USD. Credits alone restart nothing: that is a person's \
             decision."
        ),
    );
    top_up(client, SECOND, "payment-3").await?;
    let reply = client.send(AUDIENCE[0].0, "festival_offer", None).await?;
    show_rejection(&reply, 409, "campaign_stopped")?;
    let restarted =
        client.operate(Method::POST, &format!("/campaigns/{CAMPAIGN}/restart"), None).await?;
    println!(
        "   POST .../campaigns/{CAMPAIGN}/restart -> {} state {}",
        restarted.status,
        restarted.text("/state")
    );
    ensure!(
        restarted.status == 200 && restarted.text("/state") == "active",
        "the campaign should run again"
    );
    for (to, country) in &AUDIENCE[..3] {
        show_send(&client.send(to, "order_update", None).await?, to, country)?;
    }
    Ok(())
}

async fn repeat_a_send(client: &Client, simulator: &Simulator) -> anyhow::Result<()> {
    title(
        6,
        "The engine repeats a send under its idempotency key: one message, one charge, the same \
         answer.",
    );
    let first = client.send("+919812300099", "festival_offer", Some("order-77")).await?;
    show_send(&first, "+919812300099", "India")?;
    let before = simulator.accepted_count();
    let again = client.send("+919812300099", "festival_offer", Some("order-77")).await?;
    ensure!(
        again.status == 200 && again.text("/messages/0/id") == first.text("/messages/0/id"),
        "the first answer should come again"
    );
    println!(
        "   repeated     -> {} Idempotency-Replayed: {}, the same message id",
        again.status,
        again.header("idempotency-replayed"),
    );
    ensure!(simulator.accepted_count() == before, "a repetition must not send");
    Ok(())
}

async fn top_up(client: &Client, amount: &str, reference: &str) -> anyhow::Result<()> {
    let body = json!({"amount": amount, "reference": reference});
    let reply = client.operate(Method::POST, "/wallets/main/top-ups", Some(body)).await?;
    ensure!(
        reply.status == 201 || reply.status == 200,
        "the top-up was answered {}: {}",
        reply.status,
        reply.body
    );
    let wallet = wallet(client).await?;
    println!(
        "   POST .../wallets/main/top-ups {amount} USD -> available {} USD",
        wallet.text("/available")
    );
    Ok(())
}

async fn wallet(client: &Client) -> anyhow::Result<Reply> {
    let wallet = client.operate(Method::GET, "/wallets/main", None).await?;
    ensure!(wallet.status == 200, "the wallet was answered {}: {}", wallet.status, wallet.body);
    Ok(wallet)
}

/// Sends round and round until the credits are gone; returns how many went through.
async fn run_until_stopped(client: &Client) -> anyhow::Result<u64> {
    for (sent, (to, country)) in (0u64..).zip(AUDIENCE.iter().cycle().take(100)) {
        let reply = client.send(to, "festival_offer", None).await?;
        if reply.status != 200 {
            show_rejection(&reply, 402, "insufficient_balance")?;
            ensure!(sent >= 3, "a few messages should have gone through first");
            return Ok(sent);
        }
        show_send(&reply, to, country)?;
    }
    anyhow::bail!("the credits should have run out")
}

/// The recipient is shown as the log shows one, and never the message id, which has the number in
/// it.
fn show_send(reply: &Reply, to: &str, country: &str) -> anyhow::Result<()> {
    ensure!(reply.status == 200, "a send to {to} was answered {}: {}", reply.status, reply.body);
    let (charge, available) = (reply.header("tollgate-charge"), reply.header("tollgate-available"));
    let to = format!("{}...", to.get(..5).unwrap_or_default());
    println!(
        "   {to:<9} {country:<21} {:<10} market {:<21} charged {charge:>10}, {available:>10} left",
        reply.header("tollgate-category"),
        reply.header("tollgate-market"),
    );
    ensure!(
        charge.ends_with(" USD") && !reply.text("/messages/0/id").is_empty(),
        "a charge and a message id should come back"
    );
    Ok(())
}

fn show_rejection(reply: &Reply, status: u16, name: &str) -> anyhow::Result<()> {
    let details = reply.text("/error/error_data/details");
    println!("   -> {} {}: {details}", reply.status, reply.header("tollgate-rejection"));
    ensure!(
        reply.status == status && reply.header("tollgate-rejection") == name,
        "this should be {status} {name}: {}",
        reply.body
    );
    Ok(())
}

async fn books(client: &Client, simulator: &Simulator) -> anyhow::Result<()> {
    let usage = client.operate(Method::GET, "/usage?group_by=country,category", None).await?;
    let rows =
        usage.body.pointer("/rows").and_then(Value::as_array).context("usage has no rows")?;
    println!("   country  category    messages  credits (USD)");
    let field = |row: &Value, name: &str| {
        row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    for row in rows {
        let messages = row.get("messages").and_then(Value::as_u64).unwrap_or_default();
        println!(
            "   {:<8} {:<11} {messages:>8}  {:>13}",
            field(row, "country"),
            field(row, "category"),
            field(row, "credits")
        );
    }
    let messages = usage
        .body
        .pointer("/total/messages")
        .and_then(Value::as_u64)
        .context("usage has no total")?;
    let credits: Amount = usage.text("/total/credits").parse().context("usage total")?;
    let wallet = wallet(client).await?;
    let settled: Amount = wallet.text("/settled").parse().context("settled")?;
    println!("   total    {messages:>20}  {credits:>13}", credits = credits.to_string());
    println!(
        "   wallet: settled {settled} USD, held {} USD, available {} USD",
        wallet.text("/held"),
        wallet.text("/available")
    );
    let paid_in = [FIRST, TOO_LITTLE, SECOND]
        .iter()
        .try_fold(Amount::ZERO, |sum, amount| sum.checked_add(amount.parse().ok()?))
        .context("top-ups")?;
    ensure!(
        messages == simulator.accepted_count(),
        "usage counts {messages} messages, the simulated Cloud API {}",
        simulator.accepted_count()
    );
    ensure!(
        paid_in.checked_sub(credits) == Some(settled),
        "paid in {paid_in} - used {credits} should be settled {settled}"
    );
    println!(
        "   paid in {paid_in} - used {credits} = settled {settled}, and the simulated Cloud API \
         took {messages} messages: the books add up."
    );
    Ok(())
}

/// Prints how to go on by hand.
pub(super) fn invite(client: &Client) {
    println!("\nThe demo serves on; try it from another terminal (Ctrl-C ends it):\n");
    println!(
        "  curl -si http://{}/v24.0/{NUMBER}/messages -H 'Authorization: Bearer {SEND_KEY}' \\",
        client.data
    );
    println!("    -H 'Content-Type: application/json' -H 'Tollgate-Campaign: {CAMPAIGN}' \\");
    println!("    -d '{}'\n", send_body("+919812300001", "festival_offer"));
    for path in [
        "wallets/main",
        "campaigns",
        "usage?group_by=country,category",
        "wallets/main/statement",
        "events",
    ] {
        println!(
            "  curl -s 'http://{}/v1/accounts/{ACCOUNT}/{path}' -H 'Authorization: Bearer \
             {OPERATOR_KEY}'",
            client.admin
        );
    }
    println!("  curl -s http://{}/metrics\n", client.admin);
}
