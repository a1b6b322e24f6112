//! SIGTERM: sends in flight are finished, and nothing new is taken.

use std::time::Duration;

use crate::support::{
    Backend, Deployment, MARKETING_INDIA, Process, Setup, indian, marketing, on_every_ledger,
};

on_every_ledger!(
    a_send_in_work_is_finished_and_charged,
    a_send_whose_client_hung_up_is_finished_too,
    a_drain_has_an_end
);

fn slow(backend: Backend, latency: Duration) -> Deployment {
    Deployment::prepare(
        Setup::on(backend).own_server().simulator(|options| options.latency = latency),
    )
}

async fn a_send_in_work_is_finished_and_charged(backend: Backend) {
    let deployment = slow(backend, Duration::from_millis(800));
    let process = Process::serve(&deployment, &[]);
    let send = process.client.send(marketing(&indian(1)));
    let signal = async {
        arrived(&deployment, 1).await;
        process.terminate();
        tokio::time::sleep(Duration::from_millis(200)).await;
        process.client.send(marketing(&indian(2))).attempt().await
    };
    let (reply, late) = tokio::join!(send, signal);
    assert_eq!(reply.summary(), "200 0.0118 USD marketing India");
    assert!(late.is_err(), "a send after the signal was taken: {late:?}");
    assert_eq!(process.ended(Duration::from_secs(10)).await.code(), Some(0), "{}", process.log());
    let again = Process::serve(&deployment, &[]);
    let books = again.client.books().await;
    assert_eq!((books.settled, books.held), (100_000_000 - MARKETING_INDIA, 0));
    assert_eq!(deployment.simulator.accepted_count(), 1);
}

async fn a_send_whose_client_hung_up_is_finished_too(backend: Backend) {
    let deployment = slow(backend, Duration::from_millis(800));
    let process = Process::serve(&deployment, &[]);
    assert!(
        process
            .client
            .send(marketing(&indian(1)))
            .within(Duration::from_millis(300))
            .await
            .is_none()
    );
    arrived(&deployment, 1).await;
    process.terminate();
    assert_eq!(process.ended(Duration::from_secs(10)).await.code(), Some(0), "{}", process.log());
    let again = Process::serve(&deployment, &[]);
    let books = again.client.books().await;
    assert_eq!((books.settled, books.held), (100_000_000 - MARKETING_INDIA, 0));
}

async fn a_drain_has_an_end(backend: Backend) {
    let deployment = slow(backend, Duration::from_secs(60));
    let process = Process::serve(
        &deployment,
        &[("shutdown.drain_s", "1"), ("upstream.answer_timeout_ms", "20000")],
    );
    let send = process.client.send(marketing(&indian(1))).attempt();
    let signal = async {
        arrived(&deployment, 1).await;
        process.terminate();
    };
    let (cut, ()) = tokio::join!(send, signal);
    assert!(cut.is_err(), "{cut:?}");
    let status = process.ended(Duration::from_secs(10)).await;
    assert!(!status.success(), "an end that left work behind was called good");
    let again = Process::serve(&deployment, &[]);
    assert_eq!(again.client.books().await.held, MARKETING_INDIA, "nobody knows what became of it");
}

/// Waits until the Cloud API has this many messages.
async fn arrived(deployment: &Deployment, count: u64) {
    let waited = tokio::time::timeout(Duration::from_secs(10), async {
        while deployment.simulator.accepted_count() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.expect("the send does not arrive");
}
