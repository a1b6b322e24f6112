//! The SDK `pywa`, whose HTTP client is given a base URL: over plain HTTP and over TLS.

use tokio::process::Command;

use super::engine::{SecureWorld, Steps, environment, installed, path};
use crate::support::{
    Backend, KEY, MARKETING_US, NUMBER, Setup, UTILITY_US, World, on_every_ledger,
};

on_every_ledger!(pywa_sends_and_reads_a_rejection, pywa_does_so_over_tls);

async fn pywa_sends_and_reads_a_rejection(backend: Backend) {
    let world = World::of(setup(backend)).await;
    let steps = run(&format!("http://{}", world.data), None).await;
    check(&world, &steps).await;
}

async fn pywa_does_so_over_tls(backend: Backend) {
    let secure = SecureWorld::of(setup(backend)).await;
    let base = format!("https://{}", secure.world.data);
    let steps = run(&base, Some(&secure.ca())).await;
    check(&secure.world, &steps).await;
}

/// What arrives, in order.
const KINDS: &str = "text template image interactive document audio audio video sticker location \
                     contacts reaction reaction interactive interactive interactive interactive \
                     interactive interactive interactive interactive interactive interactive text \
                     text template";

/// Enough for one template of each category that is sent, and half another.
fn setup(backend: Backend) -> Setup {
    Setup::on(backend).credits(MARKETING_US + UTILITY_US + MARKETING_US / 2)
}

async fn run(base: &str, authority: Option<&std::path::Path>) -> Steps {
    let mut command = Command::new(installed("target/python/bin/python", ".ci/setup"));
    command.arg("-B").arg(path("tests/it/sdk/pywa_sends.py"));
    // This SDK sets no headers of ours, so the base URL carries the campaign.
    command.arg(format!("{base}/campaigns/from-python/v24.0")).args([NUMBER, KEY]);
    environment(&mut command, authority);
    Steps::of(command, "").await
}

async fn check(world: &World, steps: &Steps) {
    let accepted = world.simulator.accepted();
    let arrived: Vec<&str> = accepted.iter().map(|accepted| accepted.kind.as_str()).collect();
    assert_eq!(arrived.join(" "), KINDS, "{steps:#?}");
    let ids: Vec<&str> = accepted.iter().map(|one| one.message_id.as_str()).collect();
    assert_eq!(steps.message_ids(), ids);
    assert!(accepted[0].headers["user-agent"].to_str().unwrap().starts_with("PyWa/"));
    assert_eq!(steps.step("download")["id"], true, "{steps:#?}");
    assert_eq!(steps.step("read receipt")["id"], true);
    let refused = steps.step("no credits left");
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
    let stopped = steps.step("campaign stopped");
    assert_eq!(
        (&stopped["status"], &stopped["rejection"]),
        (&409.into(), &"campaign_stopped".into())
    );
    assert_eq!(world.campaign("from-python").await, "stopped credits_exhausted");
    assert_eq!(world.simulator.accepted_count(), u64::try_from(ids.len()).unwrap());
    assert_eq!(world.simulator.stats().read_receipts, 2);
}
