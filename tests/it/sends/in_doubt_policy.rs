//! Holds whose outcome nobody reports: never resolved by age alone, and in the end by the
//! operator's policy.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tollgate_simulator::{Fault, FaultAction};

use crate::support::{
    Backend, Books, MARKETING_INDIA, Setup, World, indian, marketing, on_every_ledger,
};

on_every_ledger!(
    a_day_later_the_policy_charges,
    a_day_later_the_policy_releases,
    a_reason_may_have_a_policy_of_its_own,
);

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

async fn a_reason_may_have_a_policy_of_its_own(backend: Backend) {
    let world = World::of(
        Setup::on(backend)
            .set("ledger.in_doubt_policy_by_reason.server_error", "release")
            .set("ledger.in_doubt_policy_by_reason.gave_up", "release")
            .set("ledger.sweep_interval_ms", 100),
    )
    .await;
    let mut reasons = Vec::new();
    for (n, (action, reason)) in [
        (FaultAction::Reset, "connection_lost"),
        (FaultAction::Status { status: 502 }, "server_error"),
        (FaultAction::Status { status: 408 }, "gave_up"),
        (FaultAction::Portal, "no_message_id"),
    ]
    .into_iter()
    .enumerate()
    {
        world.simulator.fault(Fault::new(action).next(1));
        let reply = world.send(marketing(&indian(n))).campaign(reason).await;
        assert_eq!(reply.summary(), "409 outcome_unknown");
        reasons.push(json!([reason, reason]).to_string());
    }
    // Made in one millisecond of the fixed clock, holds are in no order.
    let shown = |hold: &Value| json!([hold["campaign"], hold["in_doubt_reason"]]).to_string();
    let mut holds: Vec<String> = world.holds("in_doubt").await.iter().map(shown).collect();
    holds.sort_unstable();
    reasons.sort_unstable();
    assert_eq!(holds, reasons);
    world.pass(Duration::from_secs(25 * 3600));
    for _ in 0..200 {
        if world.books().await.held == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let left = 100_000_000 - 2 * MARKETING_INDIA;
    assert_eq!(world.books().await, Books { settled: left, held: 0, available: left });
    for (campaign, spent) in [
        ("connection_lost", "0.0118"),
        ("server_error", "0.00"),
        ("gave_up", "0.00"),
        ("no_message_id", "0.0118"),
    ] {
        let path = format!("/campaigns/{campaign}");
        let found = world.operate(Method::GET, &path, Value::Null).await;
        assert_eq!(found["spent"], spent, "{campaign}");
    }
}
