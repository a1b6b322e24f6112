//! `loadtest simulate`: the simulated Cloud API as a process of its own.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use tollgate_simulator::{Fault, Simulator, SimulatorOptions, SimulatorTemplate};

/// How the simulated upstream behaves.
#[derive(Args)]
pub struct SimulateOptions {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:9090")]
    listen: SocketAddr,
    /// How long every good answer takes, in milliseconds
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// A bearer token that is good (repeatable); without one, any token is
    #[arg(long)]
    token: Vec<String>,
    /// A phone number ID that exists (repeatable); without one, every number does
    #[arg(long)]
    phone_number_id: Vec<String>,
    /// A template as `NAME:LANGUAGE:CATEGORY[:STATUS]` (repeatable); without one, sends may name
    /// any
    #[arg(long, value_parser = parse_template)]
    template: Vec<SimulatorTemplate>,
    /// Messages a second per phone number ID before error 130429
    #[arg(long)]
    throughput_limit: Option<u32>,
    /// Accepted messages to keep for GET /_simulator/accepted; 0 keeps none and costs least
    #[arg(long, default_value_t = 1_000)]
    keep: usize,
    /// A fault as JSON (repeatable), e.g.
    /// '{"action":{"refuse":{"code":131026}},"when":{"every":100}}'
    #[arg(long, value_parser = parse_fault)]
    fault: Vec<Fault>,
}

/// Serves until Ctrl-C, then prints the counters.
pub async fn simulate(options: SimulateOptions) -> anyhow::Result<()> {
    let given = |list: Vec<String>| (!list.is_empty()).then_some(list);
    let simulator = Simulator::start(SimulatorOptions {
        tls: None,
        listen: options.listen,
        latency: Duration::from_millis(options.latency_ms),
        tokens: given(options.token),
        phone_number_ids: given(options.phone_number_id),
        templates: options.template,
        throughput_limit: options.throughput_limit,
        keep: options.keep,
        seed: None,
    })
    .with_context(|| format!("cannot listen on {}", options.listen))?;
    for fault in options.fault {
        simulator.fault(fault);
    }
    println!("{}", simulator.url());
    eprintln!(
        "simulated Cloud API on {0}; counters at {0}/_simulator/stats; Ctrl-C ends it",
        simulator.url()
    );
    tokio::signal::ctrl_c().await.context("cannot wait for Ctrl-C")?;
    eprintln!("{}", serde_json::to_string_pretty(&simulator.stats())?);
    simulator.shutdown().await;
    Ok(())
}

fn parse_template(text: &str) -> Result<SimulatorTemplate, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let (name, language, category, status) = match parts[..] {
        [name, language, category] => (name, language, category, "APPROVED"),
        [name, language, category, status] => (name, language, category, status),
        _ => return Err("give NAME:LANGUAGE:CATEGORY or NAME:LANGUAGE:CATEGORY:STATUS".to_owned()),
    };
    let category = category.to_ascii_uppercase();
    if !matches!(category.as_str(), "MARKETING" | "UTILITY" | "AUTHENTICATION") {
        return Err("the category must be marketing, utility or authentication".to_owned());
    }
    Ok(SimulatorTemplate {
        status: status.to_ascii_uppercase(),
        ..SimulatorTemplate::approved(name, language, &category)
    })
}

fn parse_fault(text: &str) -> Result<Fault, String> {
    Fault::from_json(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_and_faults() {
        let template = parse_template("spring_offer:en_US:marketing").unwrap();
        assert_eq!(template, SimulatorTemplate::approved("spring_offer", "en_US", "MARKETING"));
        assert_eq!(parse_template("a:b:utility:paused").unwrap().status, "PAUSED");
        assert!(parse_template("a:b").is_err());
        assert!(parse_template("a:b:service").is_err());
        assert!(parse_fault(r#"{"action":"reset"}"#).is_ok());
        assert!(parse_fault(r#"{"action":"reset","when":{"every":0}}"#).is_err());
    }
}
