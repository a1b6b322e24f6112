//! Channels that are billed elsewhere: they have their own upstream, and neither a charge nor a
//! wallet; limits and repeats as for all.

use http::Method;
use serde_json::Value;
use tollgate_simulator::{Fault, FaultAction};

use crate::support::{
    Backend, Books, EXTERNAL, MARKETING_INDIA, Request, Setup, World, indian, marketing,
    on_every_ledger,
};

on_every_ledger!(
    an_empty_wallet_does_not_stop_them,
    limits_count_for_them_if_configured,
    an_unknown_outcome_there_guards_its_body_under_a_key,
);

const FREE: &str = "200 0.00 USD marketing India";

fn external(world: &World, n: usize) -> Request<'_> {
    world.post(&format!("/v24.0/{EXTERNAL}/messages"), marketing(&indian(n)))
}

async fn an_empty_wallet_does_not_stop_them(backend: Backend) {
    let world = World::of(Setup::on(backend).credits(MARKETING_INDIA)).await;
    let prepaid = async |n| world.send(marketing(&indian(n))).campaign("both").await.summary();
    assert_eq!(prepaid(1).await, "200 0.0118 USD marketing India");
    assert_eq!(external(&world, 2).campaign("both").await.summary(), FREE);
    assert_eq!(prepaid(3).await, "402 insufficient_balance");
    assert_eq!(prepaid(4).await, "409 campaign_stopped");
    for n in 5..8 {
        assert_eq!(external(&world, n).campaign("both").await.summary(), FREE);
        assert_eq!(external(&world, n).await.summary(), FREE);
    }
    assert_eq!((world.simulator.accepted_count(), world.elsewhere.accepted_count()), (1, 7));
    assert_eq!(world.books().await, Books { settled: 0, held: 0, available: 0 });
    // A person's stop counts for both.
    world.operate(Method::POST, "/campaigns/both/stop", Value::Null).await;
    world.pass(std::time::Duration::from_secs(2));
    assert_eq!(external(&world, 9).campaign("both").await.summary(), "409 campaign_stopped");
    assert_eq!(world.elsewhere.accepted_count(), 7);
}

async fn limits_count_for_them_if_configured(backend: Backend) {
    let caps = r#"caps = [{ categories = ["marketing"], max = 1, window_s = 3600 }]"#;
    let world = World::of(Setup::on(backend).account(caps).account("messaging_limit = 2")).await;
    assert_eq!(external(&world, 1).await.summary(), FREE);
    assert_eq!(external(&world, 1).await.summary(), "403 frequency_capped");
    assert_eq!(world.send(marketing(&indian(1))).await.summary(), "403 frequency_capped");
    assert_eq!(external(&world, 2).await.summary(), FREE);
    assert_eq!(external(&world, 3).await.summary(), "429 messaging_limit_reached");
    assert_eq!((world.simulator.accepted_count(), world.elsewhere.accepted_count()), (0, 2));
}

async fn an_unknown_outcome_there_guards_its_body_under_a_key(backend: Backend) {
    let world = World::on(backend).await;
    world.elsewhere.fault(Fault::new(FaultAction::Reset).after_accepting().next(1));
    for _ in 0..3 {
        assert_eq!(external(&world, 1).idempotency_key("k").await.summary(), "409 outcome_unknown");
    }
    assert_eq!(external(&world, 2).idempotency_key("l").await.summary(), FREE);
    let again = external(&world, 2).idempotency_key("l").await;
    assert_eq!((again.summary().as_str(), again.header("idempotency-replayed")), (FREE, "true"));
    assert_eq!(world.elsewhere.accepted_count(), 2);
}
