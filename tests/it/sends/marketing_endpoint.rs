//! Marketing templates go as they were sent, or to `/marketing_messages` if the account chose so;
//! what identifies a send stays what arrived.

use serde_json::json;
use tollgate_simulator::{Fault, FaultAction};

use crate::support::{
    ACCOUNT, Backend, EXTERNAL, NUMBER, OPERATOR_KEY, Reply, Setup, World, indian, marketing,
    on_every_ledger, template, text,
};

on_every_ledger!(
    marketing_templates_go_where_the_account_chose,
    nothing_else_is_moved,
    repeats_are_judged_by_the_path_they_came_on,
    a_refusal_there_costs_nothing,
);

const SENT: &str = "200 0.0118 USD marketing India";
const CHOSEN: &str = r#"marketing_endpoint = "marketing_messages""#;

fn to_marketing(world: &World, body: String) -> crate::support::Request<'_> {
    world.post(&format!("/v24.0/{NUMBER}/marketing_messages"), body)
}

/// The last part of each path that upstream accepted a message on.
fn endpoints(world: &World) -> Vec<String> {
    let last = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    world.simulator.accepted().iter().map(|accepted| last(&accepted.path)).collect()
}

async fn marketing_templates_go_where_the_account_chose(backend: Backend) {
    let world = World::on(backend).await;
    assert_eq!(world.send(marketing(&indian(1))).await.summary(), SENT);
    assert_eq!(to_marketing(&world, marketing(&indian(2))).await.summary(), SENT);
    assert_eq!(endpoints(&world), ["messages", "marketing_messages"], "as sent, by default");
    let account = format!("/v1/accounts/{ACCOUNT}");
    let choose = async |endpoint: &str| -> Reply {
        let request = world.admin(http::Method::PATCH, &account, OPERATOR_KEY);
        request.json(&json!({"marketing_endpoint": endpoint})).await
    };
    assert_eq!(choose("elsewhere").await.status, 422);
    assert_eq!(choose("marketing_messages").await.json["marketing_endpoint"], "marketing_messages");
    assert_eq!(world.send(marketing(&indian(3))).await.summary(), SENT);
    assert_eq!(to_marketing(&world, marketing(&indian(4))).await.summary(), SENT);
    let prefixed = format!("/campaigns/diwali//v23.0/{NUMBER}/messages/");
    assert_eq!(world.post(&prefixed, marketing(&indian(5))).await.summary(), SENT);
    let accepted = world.simulator.accepted();
    let paths: Vec<&str> = accepted[2..].iter().map(|accepted| accepted.path.as_str()).collect();
    let there = |version: &str| format!("/{version}/{NUMBER}/marketing_messages");
    assert_eq!(paths, [there("v24.0"), there("v24.0"), there("v23.0")]);
    assert_eq!(accepted[2].body, marketing(&indian(3)), "the same bytes");
    assert_eq!(world.books().await.available, 100_000_000 - 5 * 11_800);
    choose("as_sent").await;
    assert_eq!(world.send(marketing(&indian(6))).await.summary(), SENT);
    assert_eq!(endpoints(&world).pop().as_deref(), Some("messages"));
}

async fn nothing_else_is_moved(backend: Backend) {
    let world = World::of(Setup::on(backend).account(CHOSEN)).await;
    let to = indian(1);
    for (body, expected) in [
        (text(&to), "200 0.00 USD service India"),
        (template(&to, "order_update", "pt_BR"), "200 0.0014 USD utility India"),
        (template(&to, "login_code", "en"), "200 0.0014 USD authentication India"),
        // Priced as marketing, which is the dearest; it could be anything.
        (template(&to, "spring_offer", "de"), SENT),
        (template(&to, "unheard_of", "en_US"), SENT),
    ] {
        assert_eq!(world.send(body.clone()).await.summary(), expected, "{body}");
    }
    assert_eq!(endpoints(&world), ["messages"; 5]);
    let receipt = world.send(crate::support::READ_RECEIPT).await;
    assert_eq!(receipt.status, 200, "{}", receipt.json);
    // A channel that is billed elsewhere has its own way.
    let external = format!("/v24.0/{EXTERNAL}/messages");
    assert_eq!(world.post(&external, marketing(&to)).await.status, 200);
    let elsewhere = world.elsewhere.accepted().pop().unwrap();
    assert_eq!(elsewhere.path, external);
}

async fn repeats_are_judged_by_the_path_they_came_on(backend: Backend) {
    let world = World::of(Setup::on(backend).account(CHOSEN)).await;
    let first = world.send(marketing(&indian(1))).idempotency_key("k").await;
    assert_eq!(first.summary(), SENT);
    let again = world.send(marketing(&indian(1))).idempotency_key("k").await;
    assert_eq!((again.summary().as_str(), again.header("idempotency-replayed")), (SENT, "true"));
    assert_eq!(again.message_id(), first.message_id());
    let other_path = to_marketing(&world, marketing(&indian(1))).idempotency_key("k").await;
    assert_eq!(other_path.summary(), "422 idempotency_conflict");
    assert_eq!(world.simulator.accepted_count(), 1);

    // An unknown outcome guards the body as it arrived, whatever the account chooses meanwhile.
    world.simulator.fault(Fault::new(FaultAction::Reset).after_accepting().next(1));
    assert_eq!(world.send(marketing(&indian(2))).await.summary(), "409 outcome_unknown");
    assert_eq!(world.send(marketing(&indian(2))).await.summary(), "409 outcome_unknown");
    let account = format!("/v1/accounts/{ACCOUNT}");
    let request = world.admin(http::Method::PATCH, &account, OPERATOR_KEY);
    assert_eq!(request.json(&json!({"marketing_endpoint": "as_sent"})).await.status, 200);
    assert_eq!(world.send(marketing(&indian(2))).await.summary(), "409 outcome_unknown");
    assert_eq!(world.simulator.accepted_count(), 2);
}

async fn a_refusal_there_costs_nothing(backend: Backend) {
    let world = World::of(Setup::on(backend).account(CHOSEN)).await;
    // The business is not set up for that endpoint.
    world.simulator.fault(Fault::refuse(134_102).next(1));
    assert_eq!(world.send(marketing(&indian(1))).await.summary(), "400 #134102");
    assert_eq!(world.books().await.available, 100_000_000);
    assert_eq!(world.send(marketing(&indian(1))).await.summary(), SENT);
    assert_eq!(world.simulator.accepted_count(), 1);
}
