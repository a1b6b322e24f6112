//! An SDK as it is installed from its registry, with only base URL and token changed: its messages
//! arrive, and it reads our rejections.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Backend, KEY, MARKETING_US, NUMBER, Setup, World, on_every_ledger};

on_every_ledger!(pywa_sends_and_reads_a_rejection);

async fn pywa_sends_and_reads_a_rejection(backend: Backend) {
    let world = World::of(Setup::on(backend).credits(MARKETING_US + MARKETING_US / 2)).await;
    let base_url = format!("http://{}/campaigns/from-python/v24.0", world.data);
    // Media has no campaign, so the SDK that cannot set headers takes the plain path for it: the
    // prefix is for sends alone.
    let plain = format!("http://{}/v24.0", world.data);
    let steps = run(&plain, &base_url).await;
    let step = |name: &str| {
        steps
            .iter()
            .find(|step| step["step"] == name)
            .unwrap_or_else(|| panic!("no step {name} in {steps:?}"))
    };
    let accepted = world.simulator.accepted();
    let arrived: Vec<&str> = accepted.iter().map(|accepted| accepted.kind.as_str()).collect();
    assert_eq!(arrived, ["text", "template", "image", "interactive"], "{steps:#?}");
    for (accepted, name) in accepted.iter().zip(arrived) {
        assert_eq!(step(name)["id"], accepted.message_id.as_str());
    }
    assert!(accepted[0].headers["user-agent"].to_str().unwrap().starts_with("PyWa/"));
    assert_eq!(step("read receipt")["id"], true);
    let refused = step("no credits left");
    assert_eq!(
        (&refused["class"], &refused["status"], &refused["code"]),
        (&"WhatsAppError".into(), &402.into(), &990_402.into())
    );
    assert_eq!(
        (&refused["rejection"], &refused["header"]),
        (&"insufficient_balance".into(), &"insufficient_balance".into())
    );
    assert_eq!(
        (&refused["type"], &refused["needed"]),
        (&"TollgateRejection".into(), &"0.025".into())
    );
    assert_eq!(refused["details"], "this message costs 0.025 USD and 0.0125 USD is available");
    assert_eq!(
        (&step("campaign stopped")["status"], &step("campaign stopped")["rejection"]),
        (&409.into(), &"campaign_stopped".into())
    );
    assert_eq!(world.campaign("from-python").await, "stopped credits_exhausted");
    assert_eq!(world.simulator.accepted_count(), 4);
}

/// Runs the script to its end; what each step gave.
async fn run(plain: &str, base_url: &str) -> Vec<Value> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/python/bin/python");
    assert!(
        python.exists(),
        "{} is missing; `make test` installs the SDK, through .ci/setup",
        python.display()
    );
    let mut command = tokio::process::Command::new(python);
    command
        .arg("-B")
        .arg(root.join("tests/it/sdk/pywa_sends.py"))
        .args([plain, base_url, NUMBER, KEY]);
    // A proxy of this machine must not come between.
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    let output = tokio::time::timeout(Duration::from_secs(60), command.kill_on_drop(true).output())
        .await
        .expect("the SDK hangs")
        .unwrap();
    let (printed, wrote) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert!(output.status.success(), "{printed}\n{wrote}");
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
