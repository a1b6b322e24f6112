//! Direct Send: a message without a template that names its category is priced, limited and capped
//! as a template of that category, never as service.

use serde_json::{Value, json};

use crate::support::{Backend, Setup, World, indian, marketing, on_every_ledger, text};

on_every_ledger!(
    it_is_priced_as_its_category,
    it_is_limited_and_capped_as_its_category,
    an_empty_wallet_stops_it,
    what_does_not_belong_together_is_refused,
    an_integer_recipient_is_one_person,
);

const UTILITY: &str = "200 0.0014 USD utility India";
const SERVICE: &str = "200 0.00 USD service India";

/// A text with this `category`, and `more` members.
fn direct(to: &str, category: &str, more: &Value) -> String {
    let mut body: Value = serde_json::from_str(&text(to)).unwrap();
    body["category"] = category.into();
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body.to_string()
}

fn utility(n: usize) -> String {
    direct(&indian(n), "utility", &json!({}))
}

async fn it_is_priced_as_its_category(backend: Backend) {
    let world = World::on(backend).await;
    let bodies = [
        utility(1),
        direct(&indian(1), "authentication", &json!({"ttl_seconds": 600})),
        direct(&indian(1), "utility", &json!({"ttl_seconds": 2_592_000, "preview_url": false})),
    ];
    assert_eq!(world.send(bodies[0].clone()).await.summary(), UTILITY);
    let authentication = world.send(bodies[1].clone()).await.summary();
    assert_eq!(authentication, "200 0.0014 USD authentication India");
    assert_eq!(world.send(bodies[2].clone()).await.summary(), UTILITY);
    assert_eq!(world.accepted_bodies(), bodies, "forwarded as they came");
    // The channel's free service messages are untouched.
    assert_eq!(world.send(text(&indian(1))).await.summary(), SERVICE);
    assert_eq!(world.books().await.available, 100_000_000 - 3 * 1_400);

    let international = Setup::on(backend).account("authentication_international = true");
    let world = World::of(international).await;
    let reply = world.send(direct(&indian(1), "authentication", &json!({}))).await;
    assert_eq!(reply.summary(), "200 0.0304 USD authentication_international India");
    assert_eq!(world.send(utility(1)).await.summary(), UTILITY);
}

async fn it_is_limited_and_capped_as_its_category(backend: Backend) {
    let caps = r#"caps = [{ categories = ["utility"], max = 1, window_s = 3600 }]"#;
    let world = World::of(Setup::on(backend).account(caps).account("messaging_limit = 2")).await;
    assert_eq!(world.send(utility(1)).await.summary(), UTILITY);
    assert_eq!(world.send(utility(1)).await.summary(), "403 frequency_capped");
    // Service messages are neither capped nor counted.
    for n in 3..6 {
        assert_eq!(world.send(text(&indian(n))).await.summary(), SERVICE);
    }
    assert_eq!(world.send(utility(2)).await.summary(), UTILITY);
    assert_eq!(world.send(utility(7)).await.summary(), "429 messaging_limit_reached");
    let template = world.send(marketing(&indian(8))).await.summary();
    assert_eq!(template, "429 messaging_limit_reached", "one limit with templates");
}

async fn an_empty_wallet_stops_it(backend: Backend) {
    let world = World::of(Setup::on(backend).credits(1_400)).await;
    assert_eq!(world.send(utility(1)).campaign("orders").await.summary(), UTILITY);
    let reply = world.send(utility(2)).campaign("orders").await;
    assert_eq!(reply.summary(), "402 insufficient_balance");
    assert_eq!(reply.text("/error/error_data/needed"), "0.0014");
    assert_eq!(world.send(text(&indian(2))).await.summary(), SERVICE, "free flows at zero");
    assert_eq!(world.simulator.accepted_count(), 2);
}

async fn what_does_not_belong_together_is_refused(backend: Backend) {
    let world = World::on(backend).await;
    let none = json!({});
    let mut template: Value = serde_json::from_str(&marketing(&indian(1))).unwrap();
    template["category"] = "utility".into();
    let mut ttl_alone: Value = serde_json::from_str(&text(&indian(1))).unwrap();
    ttl_alone["ttl_seconds"] = 60.into();
    for (body, names) in [
        (direct(&indian(1), "marketing", &none), "`category`"),
        (direct(&indian(1), "service", &none), "`category`"),
        (direct(&indian(1), "Utility", &none), "`category`"),
        (direct(&indian(1), "utility", &json!({"ttl_seconds": 29})), "`ttl_seconds`"),
        (direct(&indian(1), "authentication", &json!({"ttl_seconds": 901})), "`ttl_seconds`"),
        (direct(&indian(1), "utility", &json!({"ttl_seconds": "60"})), "`ttl_seconds`"),
        (ttl_alone.to_string(), "`ttl_seconds`"),
        (template.to_string(), "`category`"),
    ] {
        let reply = world.send(body.clone()).await;
        assert_eq!(reply.summary(), "400 malformed", "{body}");
        assert!(reply.text("/error/error_data/details").contains(names), "{body}: {}", reply.json);
    }
    assert_eq!(world.simulator.requests_count(), 0);
    assert_eq!(world.books().await.available, 100_000_000);
}

async fn an_integer_recipient_is_one_person(backend: Backend) {
    let caps = r#"caps = [{ categories = ["marketing"], max = 1, window_s = 3600 }]"#;
    let world = World::of(Setup::on(backend).account(caps)).await;
    let number = marketing("919810000001").replace("\"919810000001\"", "919810000001");
    let sent = world.send(number.clone()).await;
    assert_eq!(sent.summary(), "200 0.0118 USD marketing India");
    assert_eq!(world.accepted_bodies(), [number], "forwarded as it came");
    let text = world.send(marketing("+91 98100 00001")).await.summary();
    assert_eq!(text, "403 frequency_capped", "the same person");
    for to in ["0", "12345", "91981000000"] {
        let summary =
            world.send(marketing("919810000001").replace("\"919810000001\"", to)).await.summary();
        let priced = to.len() > 6;
        let expected =
            if priced { "200 0.0118 USD marketing India" } else { "422 recipient_unsupported" };
        assert_eq!(summary, expected, "{to}");
    }
    // Where a plus is to be put before numbers, none can be put before this one.
    let world = World::of(Setup::on(backend).set("recipients.without_plus", "plus")).await;
    let body = marketing("919810000001").replace("\"919810000001\"", "919810000001");
    let reply = world.send(body).await;
    assert_eq!(reply.summary(), "422 recipient_unsupported");
    let details = reply.text("/error/error_data/details");
    assert!(details.contains("is a number") && details.contains("as a text"), "{details}");
    assert_eq!(world.simulator.requests_count(), 0);
}
