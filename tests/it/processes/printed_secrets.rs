//! What gateways print anywhere in this suite is searched for secrets: their lines arrive at the
//! search, and the search finds what is in them.

use std::time::Duration;

use crate::support::printed::{Secrets, WITNESS, witnessed};
use crate::support::{Backend, Deployment, Process, Setup, World, indian, marketing};

/// A send through a gateway in this process and through one in its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_of_gateways_in_and_out_of_this_process_are_searched() {
    let world = World::of(Setup::on(Backend::Embedded)).await;
    let sent = world.send(marketing(&indian(1))).header("x-request-id", WITNESS).await;
    assert_eq!(sent.status, 200);
    let deployment = Deployment::prepare(Setup::on(Backend::Embedded));
    let process = Process::serve(&deployment, &[]);
    let sent = process.client.send(marketing(&indian(1))).header("x-request-id", WITNESS).await;
    assert_eq!(sent.status, 200);
    process.terminate();
    process.ended(Duration::from_secs(10)).await;
    drop(process);
    let lines = witnessed();
    let count = |outcome: &str| lines.iter().filter(|line| line.contains(outcome)).count();
    assert_eq!(count(r#"outcome="accepted""#), 1, "as text, in this process: {lines:?}");
    assert_eq!(count(r#""outcome":"accepted""#), 1, "as JSON, in its own: {lines:?}");
    let mut secrets = Secrets::default();
    assert!(lines.iter().all(|line| secrets.find(line).is_none()), "{lines:?}");
    secrets.learn_text("accepted");
    assert!(lines.iter().all(|line| secrets.find(line).is_some()), "{lines:?}");
}
