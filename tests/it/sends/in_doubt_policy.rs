//! Holds whose outcome nobody reports: never resolved by age alone, and in the end by the
//! operator's policy.

use std::time::Duration;

use tollgate_simulator::{Fault, FaultAction};

use crate::support::{
    Backend, Books, MARKETING_INDIA, Setup, World, indian, marketing, on_every_ledger,
};

on_every_ledger!(a_day_later_the_policy_charges, a_day_later_the_policy_releases);

async fn a_day_later_the_policy_charges(backend: Backend) {
    let left = 100_000_000 - MARKETING_INDIA;
    ends_by_policy(backend, "charge", Books { settled: left, held: 0, available: left }).await;
}

async fn a_day_later_the_policy_releases(backend: Backend) {
    ends_by_policy(
        backend,
        "release",
        Books { settled: 100_000_000, held: 0, available: 100_000_000 },
    )
    .await;
}

async fn ends_by_policy(backend: Backend, policy: &str, then: Books) {
    let world = World::of(
        Setup::on(backend)
            .set("ledger.in_doubt_policy", policy)
            .set("ledger.sweep_interval_ms", 100),
    )
    .await;
    world.simulator.fault(Fault::new(FaultAction::Reset).after_accepting().next(1));
    assert_eq!(world.send(marketing(&indian(1))).await.summary(), "409 outcome_unknown");
    let held = Books {
        settled: 100_000_000,
        held: MARKETING_INDIA,
        available: 100_000_000 - MARKETING_INDIA,
    };
    // An hour before the deadline several sweeps leave it alone.
    world.pass(Duration::from_secs(23 * 3600));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(world.books().await, held);
    assert_eq!(world.send(marketing(&indian(1))).await.summary(), "409 outcome_unknown");
    world.pass(Duration::from_secs(2 * 3600));
    for _ in 0..200 {
        if world.books().await.held == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(world.books().await, then);
    // Resolved, it guards its body no longer.
    assert_eq!(world.send(marketing(&indian(1))).await.summary(), "200 0.0118 USD marketing India");
}
