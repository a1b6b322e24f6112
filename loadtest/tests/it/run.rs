//! `loadtest run`: rates, counts and honest latencies.

use serde_json::Value;
use tollgate_simulator::{Fault, FaultAction, Simulator, SimulatorOptions};

use super::*;

async fn run(simulator: &Simulator, more: &[&str]) -> Value {
    let url = simulator.url();
    let mut arguments =
        vec!["run", "--target", &url, "--key", "tg_test_k", "--phone-number-id", "7"];
    arguments.extend(more);
    let output = loadtest(&arguments).await;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn an_open_loop_sends_what_was_asked_for() {
    let simulator = Simulator::start(SimulatorOptions::default()).unwrap();
    let more = ["--rate", "200", "--duration", "1s", "--campaign", "spring", "--idempotency-keys"];
    let summary = run(&simulator, &more).await;
    assert_eq!(summary["answered"], 200);
    assert_eq!(summary["statuses"]["200"], 200);
    assert_eq!(summary["unsent"], 0);
    assert_eq!(simulator.accepted_count(), 200);
    let accepted = simulator.accepted();
    assert!(accepted.iter().all(|message| message.headers["tollgate-campaign"] == "spring"));
    assert_eq!(accepted[0].template, Some(("spring_offer".to_owned(), "en_US".to_owned())));
    let distinct =
        |values: Vec<String>| values.into_iter().collect::<std::collections::HashSet<_>>().len();
    let recipients = accepted.iter().map(|message| message.recipient.clone());
    assert_eq!(distinct(recipients.collect()), 200);
    let key = |message: &tollgate_simulator::Accepted| {
        message.headers["idempotency-key"].to_str().unwrap().to_owned()
    };
    assert_eq!(distinct(accepted.iter().map(key).collect()), 200);
}

#[tokio::test]
async fn a_slow_target_shows_in_the_latency_of_an_open_loop() {
    let simulator = Simulator::start(SimulatorOptions::default()).unwrap();
    simulator.set_latency(Duration::from_millis(100));
    // One connection can answer 10 a second; 40 a second are due: the backlog must show.
    let more = ["--rate", "40", "--duration", "1s", "--connections", "1", "--text"];
    let summary = run(&simulator, &more).await;
    assert_eq!(summary["answered"], 40);
    assert!(summary["latency_us"]["max"].as_u64().unwrap() > 2_000_000, "{summary}");
    assert!(simulator.accepted().iter().all(|message| message.kind == "text"));
}

#[tokio::test]
async fn a_closed_loop_counts_statuses_and_errors_apart() {
    let simulator = Simulator::start(SimulatorOptions::default()).unwrap();
    simulator.fault(Fault::refuse(131026).next(5));
    simulator.fault(Fault::new(FaultAction::Reset).next(3));
    simulator.fault(Fault::new(FaultAction::Hang).next(1));
    let more = ["--connections", "4", "--duration", "500ms", "--deadline", "2s"];
    let summary = run(&simulator, &more).await;
    assert_eq!(summary["statuses"]["400"], 5);
    assert_eq!(summary["errors"]["broken"], 3);
    assert_eq!(summary["errors"]["timeout"], 1);
    let succeeded = summary["statuses"]["200"].as_u64().unwrap();
    assert_eq!(succeeded, simulator.accepted_count());
    assert!(succeeded > 10);
}

#[tokio::test]
async fn mistakes_and_absent_targets_fail() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let basic = ["run", "--key", "k", "--phone-number-id", "7", "--duration", "100ms"];
    let with = |more: &[&'static str]| [&basic[..], more].concat();
    let output = loadtest(&[&basic[..], &["--target", &target]].concat()).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing was answered"));
    for (wrong, code) in [
        (with(&["--target", "https://example.com"]), 1),
        (with(&["--rate", "0"]), 2),
        (with(&["--recipient-prefix", "x"]), 2),
        (with(&["--duration", "10"]), 2),
    ] {
        assert_eq!(loadtest(&wrong).await.status.code(), Some(code), "{wrong:?}");
    }
}
