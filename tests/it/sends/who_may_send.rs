//! Who may send, over which channel, for which campaign, and which template counts as what.

use http::Method;
use serde_json::{Value, json};

use crate::support::{
    ACCOUNT, Backend, CAMPAIGN_KEY, DISABLED, KEY, MARKETING_US, NUMBER, OPERATOR_KEY,
    READ_RECEIPT, READING_KEY, RIVAL_KEY, RIVAL_NUMBER, Setup, World, indian, marketing,
    on_every_ledger, template, text,
};

on_every_ledger!(
    a_key_opens_its_own_account_alone,
    another_accounts_channel_looks_like_none,
    a_campaign_comes_by_header_path_or_key,
    campaigns_that_differ_are_refused,
    campaigns_are_created_by_their_first_send_if_the_operator_wants,
    unknown_templates_cost_the_ceiling_or_are_refused,
    settings_changed_by_an_operator_count_at_once,
    a_token_file_is_read_again_when_it_changes,
    a_read_receipt_is_free,
);

const SENT: &str = "200 0.0118 USD marketing India";

async fn a_key_opens_its_own_account_alone(backend: Backend) {
    let world = World::on(backend).await;
    let send = || world.send(marketing(&indian(1)));
    for key in [
        "",
        "x",
        "tg_live_0000000000000000",
        KEY.to_uppercase().as_str(),
        READING_KEY,
        OPERATOR_KEY,
        crate::support::META_TOKEN,
    ] {
        assert_eq!(send().key(key).await.summary(), "401 unauthorized", "{key}");
    }
    assert_eq!(send().without("authorization").await.summary(), "401 unauthorized");
    assert_eq!(
        send().header("authorization", "Basic Zm9vOmJhcg==").await.summary(),
        "401 unauthorized"
    );
    assert_eq!(
        send().and_header("authorization", &format!("Bearer {RIVAL_KEY}")).await.summary(),
        "401 unauthorized"
    );
    // A body is not read before its key is known.
    assert_eq!(world.send("{").key("x").await.summary(), "401 unauthorized");
    assert_eq!(world.simulator.requests_count(), 0);
    assert_eq!(send().header("authorization", &format!("bearer {KEY}")).await.summary(), SENT);
    // A revoked key may do nothing.
    let made = world.operate(Method::POST, "/keys", json!({"scopes": ["send"]})).await;
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert!(key.starts_with("tg_live_"), "{key}");
    assert_eq!(send().key(key).await.summary(), SENT);
    world.operate(Method::DELETE, &format!("/keys/{id}"), Value::Null).await;
    assert_eq!(send().key(key).await.summary(), "401 unauthorized");
}

async fn another_accounts_channel_looks_like_none(backend: Backend) {
    let world = World::on(backend).await;
    let post = async |number: &str, key: &str| {
        let reply = world
            .post(&format!("/v24.0/{number}/messages"), marketing(&indian(1)))
            .key(key)
            .header("x-request-id", "r")
            .await;
        (reply.summary(), reply.json)
    };
    let (summary, rivals) = post(RIVAL_NUMBER, KEY).await;
    let (_, nobodys) = post("999999999999999", KEY).await;
    assert_eq!(summary, "403 channel_unknown");
    assert_eq!(rivals, nobodys, "the replies reveal which channels exist");
    assert_eq!(post(NUMBER, RIVAL_KEY).await.0, "403 channel_unknown");
    assert_eq!(post(DISABLED, KEY).await.0, "403 channel_disabled");
    assert_eq!(post(DISABLED, RIVAL_KEY).await.0, "403 channel_unknown");
    assert_eq!(world.simulator.requests_count(), 0);
    assert_eq!(post(RIVAL_NUMBER, RIVAL_KEY).await.0, "200 0.0118 USD marketing India");
    let token = &world.simulator.accepted()[0].headers["authorization"];
    assert_eq!(token, &format!("Bearer {}", crate::support::RIVAL_META_TOKEN));
}

async fn a_campaign_comes_by_header_path_or_key(backend: Backend) {
    let world = World::on(backend).await;
    let path = |campaign: &str| format!("/campaigns/{campaign}/v24.0/{NUMBER}/messages");
    let body = |n| marketing(&indian(n));
    let sends = [
        ("a", world.send(body(1)).campaign("a")),
        ("b", world.post(&path("b"), body(2))),
        ("of-the-key", world.send(body(3)).key(CAMPAIGN_KEY)),
        ("c", world.post(&path("c"), body(4)).campaign("c")),
        (
            "of-the-key",
            world.post(&path("of-the-key"), body(5)).campaign("of-the-key").key(CAMPAIGN_KEY),
        ),
        (
            "of-the-key",
            world
                .send(body(6))
                .campaign("of-the-key")
                .and_header("tollgate-campaign", "of-the-key"),
        ),
    ];
    for (campaign, send) in sends {
        assert_eq!(send.await.summary(), SENT, "{campaign}");
    }
    for (campaign, count) in [("a", 1), ("b", 1), ("c", 1), ("of-the-key", 3)] {
        let shown =
            world.operate(Method::GET, &format!("/campaigns/{campaign}"), Value::Null).await;
        assert_eq!(
            (&shown["counts"]["accepted"], &shown["state"]),
            (&count.into(), &"active".into()),
            "{shown}"
        );
    }
    // The prefix is not forwarded.
    assert!(
        world
            .simulator
            .accepted()
            .iter()
            .all(|accepted| accepted.path == format!("/v24.0/{NUMBER}/messages"))
    );
}

async fn campaigns_that_differ_are_refused(backend: Backend) {
    let world = World::on(backend).await;
    let path = |campaign: &str| format!("/campaigns/{campaign}/v24.0/{NUMBER}/messages");
    let body = || marketing(&indian(1));
    let sends = [
        world.post(&path("a"), body()).campaign("b"),
        world.post(&path("a"), body()).key(CAMPAIGN_KEY),
        world.send(body()).campaign("a").key(CAMPAIGN_KEY),
        world.send(body()).campaign("a").and_header("tollgate-campaign", "b"),
        world.send(body()).campaign(""),
        world.send(body()).campaign("no spaces"),
        world.send(body()).campaign(&"x".repeat(65)),
        world.post(&path("a%2Fb"), body()),
        world.post(&path("a.b"), body()),
    ];
    for (n, send) in sends.into_iter().enumerate() {
        assert_eq!(send.await.summary(), "400 malformed", "send {n}");
    }
    assert_eq!(world.simulator.requests_count(), 0);
}

async fn campaigns_are_created_by_their_first_send_if_the_operator_wants(backend: Backend) {
    let setup = Setup::on(backend).set("campaigns.auto_create", false).campaign("declared", "");
    let world = World::of(setup).await;
    assert_eq!(world.send(marketing(&indian(1))).campaign("declared").await.summary(), SENT);
    assert_eq!(
        world.send(marketing(&indian(1))).campaign("mistyped").await.summary(),
        "409 campaign_unknown"
    );
    let shown = world.ask_operator(Method::GET, "/campaigns/mistyped", Value::Null).await;
    assert_eq!(shown.status, 404);
    // An empty wallet creates nothing either.
    let world = World::of(Setup::on(backend).credits(0)).await;
    assert_eq!(
        world.send(marketing(&indian(1))).campaign("a").await.summary(),
        "402 insufficient_balance"
    );
    let listed = world.operate(Method::GET, "/campaigns", Value::Null).await;
    assert!(
        listed["items"]
            .as_array()
            .is_some_and(|items| items.iter().all(|item| item["state"] != "active")),
        "{listed}"
    );
}

async fn unknown_templates_cost_the_ceiling_or_are_refused(backend: Backend) {
    let world = World::on(backend).await;
    let unknown = world.send(template("+16505550144", "never_synced", "en_US")).await;
    assert_eq!((unknown.status, unknown.charge()), (200, MARKETING_US));
    let other_language = world.send(template("+16505550144", "order_update", "en_US")).await;
    assert_eq!(other_language.charge(), MARKETING_US);
    let world = World::of(Setup::on(backend).account(r#"unknown_template = "refuse""#)).await;
    for (name, language) in
        [("never_synced", "en_US"), ("order_update", "en_US"), ("Spring_offer", "en_US")]
    {
        assert_eq!(
            world.send(template("+16505550144", name, language)).await.summary(),
            "422 unclassified",
            "{name} {language}"
        );
    }
    assert_eq!(
        world.send(template("+16505550144", "order_update", "pt_BR")).await.summary(),
        "200 0.0034 USD utility North America"
    );
    assert_eq!(world.simulator.accepted_count(), 1);
}

async fn settings_changed_by_an_operator_count_at_once(backend: Backend) {
    let world = World::on(backend).await;
    let send = async || world.send(marketing(&indian(1))).await.summary();
    assert_eq!(send().await, SENT);
    let settings = format!("/wabas/{}/templates/spring_offer/en_US", crate::support::WABA);
    world.operate(Method::PUT, &settings, json!({"category": "utility"})).await;
    assert_eq!(send().await, "200 0.0014 USD utility India");
    let account = format!("/v1/accounts/{ACCOUNT}");
    let patch = json!({"markup": {"percent": "50", "per_message": "0.001"}});
    assert_eq!(world.admin(Method::PATCH, &account, OPERATOR_KEY).json(&patch).await.status, 200);
    assert_eq!(send().await, "200 0.0031 USD utility India");
}

async fn a_read_receipt_is_free(backend: Backend) {
    let world = World::of(Setup::on(backend).credits(0)).await;
    for _ in 0..3 {
        let reply = world.send(READ_RECEIPT).await;
        assert_eq!((reply.summary().as_str(), &reply.json), ("200", &json!({"success": true})));
    }
    assert_eq!(
        world.send(text(&indian(1))).await.summary(),
        "200 0.00 USD service India",
        "free flows at zero balance"
    );
    assert_eq!(world.send(marketing(&indian(1))).await.summary(), "402 insufficient_balance");
    assert_eq!((world.simulator.stats().read_receipts, world.simulator.accepted_count()), (3, 1));
}

async fn a_token_file_is_read_again_when_it_changes(backend: Backend) {
    let world = World::on(backend).await;
    let file = world.home.path().join("meta-token");
    let send = async || {
        world.pass(std::time::Duration::from_secs(2));
        world.send(marketing(&indian(1))).await.summary()
    };
    assert_eq!(send().await, SENT);
    // The file's time of change is compared; it must be another.
    let change = |token: Option<&str>| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        match token {
            Some(token) => std::fs::write(&file, token).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
    };
    change(Some("EAAof0somebody0else"));
    assert_eq!(send().await, "401 #190", "upstream sees the new token");
    change(Some(crate::support::META_TOKEN));
    assert_eq!(send().await, SENT);
    change(None);
    let without = send().await;
    assert!([SENT, "403 channel_disabled"].contains(&without.as_str()), "{without}");
    let books = world.books().await;
    assert_eq!(
        (
            books.settled + 11_800 * i64::try_from(world.simulator.accepted_count()).unwrap(),
            books.held
        ),
        (100_000_000, 0)
    );
}
