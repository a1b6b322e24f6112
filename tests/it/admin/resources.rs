//! Accounts, channels, WABAs, templates, wallets and campaigns: what is put is what is shown, and
//! names belong to one account.

use serde_json::{Value, json};
use tollgate::ids::AccountId;
use tollgate::ledger::{Document, DocumentKind, Operation};

use crate::support::AdminApi;

#[tokio::test]
async fn what_is_put_is_what_is_shown() {
    let api = AdminApi::with_acme().await;
    let account = json!({
        "id":"acme","currency":"USD","rate_card":"meta-usd","time_zone":"UTC",
        "charge_on":"accepted","enforcement":"enforce","messaging_limit":null,"caps":[],
        "unknown_template":"ceiling","marketing_endpoint":"as_sent",
        "markup":{"percent":"0","per_message":"0.00"},
        "authentication_international":false
    });
    let channel = json!({
        "phone_number_id":"106540352242922","wallet":"main","billing":"prepaid",
        "waba":"102290129340398","token_env":"META_TOKEN","token_file":null,"throughput_limit":80,
        "enabled":true,"upstream_url":null,"upstream_auth_header":null,"upstream_path":null,
        "calling_code":null
    });
    let waba = json!({"id":"102290129340398","time_zone":"Asia/Kolkata","portfolio":"default"});
    let wallet = json!({
        "id":"main","settled":"1.00","held":"0.00","overdraft_limit":"0.00","available":"1.00",
        "currency":"USD","exhausted":false,"low_balance_thresholds":[]
    });
    for (list, one, expected) in [
        ("/v1/accounts", "/v1/accounts/acme", account),
        ("/v1/accounts/acme/channels", "/v1/accounts/acme/channels/106540352242922", channel),
        ("/v1/accounts/acme/wabas", "/v1/accounts/acme/wabas/102290129340398", waba),
        ("/v1/accounts/acme/wallets", "/v1/accounts/acme/wallets/main", wallet),
    ] {
        assert_eq!(api.get(one).await, expected);
        assert_eq!(api.get(list).await, json!({"items":[expected],"next":null}));
    }
}

#[tokio::test]
async fn the_same_again_is_the_same() {
    let api = AdminApi::with_acme().await;
    for (method, path, body, first, again) in [
        (
            "POST",
            "/v1/accounts",
            r#"{"id":"new","currency":"message","messaging_limit":250}"#,
            201,
            200,
        ),
        (
            "PUT",
            "/v1/accounts/acme/wallets/spare",
            r#"{"overdraft_limit":"20.00","low_balance_thresholds":["100.00"]}"#,
            201,
            200,
        ),
        ("PUT", "/v1/accounts/acme/wabas/7", r#"{"portfolio":"group"}"#, 201, 200),
        (
            "PUT",
            "/v1/accounts/acme/channels/8",
            r#"{"waba":"7","token_file":"acme/8","billing":"external"}"#,
            201,
            200,
        ),
        (
            "PUT",
            "/v1/accounts/acme/wabas/7/templates/spring/en-US",
            r#"{"category":"utility"}"#,
            201,
            200,
        ),
        (
            "POST",
            "/v1/accounts/acme/campaigns",
            r#"{"id":"diwali","budget":"10","dedupe":"recipient"}"#,
            201,
            200,
        ),
        ("POST", "/v1/accounts/acme/campaigns/diwali/stop", "", 200, 200),
        ("POST", "/v1/accounts/acme/campaigns/diwali/restart", "", 200, 200),
        ("POST", "/v1/accounts/acme/campaigns/diwali/finish", "", 200, 200),
    ] {
        let one = api.ask(method, path, body).await;
        let two = api.ask(method, path, body).await;
        assert_eq!((one.status, two.status), (first, again), "{path}: {}", one.text);
        assert_eq!(one.json, two.json);
    }
    assert_eq!(api.get("/v1/accounts/new/wallets/main").await["currency"], "message");
    assert_eq!(api.get("/v1/accounts/new").await["rate_card"], "message");
}

#[tokio::test]
async fn a_patch_changes_what_it_names() {
    let api = AdminApi::with_acme().await;
    let patch = concat!(
        r#"{"messaging_limit":100000,"markup":{"percent":"2.5"},"unknown_template":"refuse","#,
        r#""marketing_endpoint":"marketing_messages","#,
        r#""caps":[{"categories":["marketing"],"max":2,"window_s":86400}]}"#
    );
    let changed = api.ask("PATCH", "/v1/accounts/acme", patch).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(changed.json["messaging_limit"], 100_000);
    let cleared = api
        .ask("PATCH", "/v1/accounts/acme", r#"{"messaging_limit":null,"currency":"USD"}"#)
        .await
        .json;
    assert_eq!(
        (&cleared["messaging_limit"], &cleared["unknown_template"]),
        (&json!(null), &json!("refuse"))
    );
    assert_eq!(cleared["marketing_endpoint"], "marketing_messages");
    assert_eq!(cleared["markup"], json!({"percent":"2.5","per_message":"0.00"}));
    assert_eq!(api.get("/v1/accounts/acme").await, cleared);

    let wallet = api
        .ask("PATCH", "/v1/accounts/acme/wallets/main", r#"{"overdraft_limit":"20.00"}"#)
        .await
        .json;
    assert_eq!((&wallet["available"], &wallet["settled"]), (&json!("21.00"), &json!("1.00")));
    let wallet = api
        .ask("PATCH", "/v1/accounts/acme/wallets/main", r#"{"low_balance_thresholds":["0.50"]}"#)
        .await
        .json;
    assert_eq!(
        (&wallet["overdraft_limit"], &wallet["low_balance_thresholds"]),
        (&json!("20.00"), &json!(["0.50"]))
    );
    let wallet = api.ask("PUT", "/v1/accounts/acme/wallets/main", "{}").await.json;
    assert_eq!(
        (&wallet["overdraft_limit"], &wallet["low_balance_thresholds"]),
        (&json!("0.00"), &json!([]))
    );
}

#[tokio::test]
async fn what_a_later_version_wrote_is_read_and_kept() {
    let api = AdminApi::with_acme().await;
    let key = api.key("acme", r#"["read"]"#).await;
    let account: AccountId = "acme".parse().unwrap();
    let stored = async || api.ledger.reads.documents(&account).await.unwrap().documents;
    for mut document in stored().await {
        let mut body: Value = serde_json::from_str(&document.body).unwrap();
        body["later"] = json!({"any": [1]});
        if document.kind == DocumentKind::Account {
            body["caps"] = json!([{"categories":["marketing"],"max":2,"window_s":60,"later":1}]);
            body["markup"] = json!({"percent":"0","later":1});
        }
        document.body = body.to_string().into();
        let Document { kind, id, body } = document;
        let put = Operation::PutDocument { kind, id, body, only_if_absent: false, replaces: None };
        api.control.services.batcher.call(&account, put).await.unwrap();
    }
    api.clock.advance(2_000);
    assert_eq!(api.ask_as(&key, "GET", "/v1/accounts/acme", "").await.json["caps"][0]["max"], 2);
    let patch = r#"{"enforcement":"observe"}"#;
    let patched = api.ask("PATCH", "/v1/accounts/acme", patch).await;
    assert_eq!((patched.status, &patched.json["enforcement"]), (200, &json!("observe")));
    let channel = r#"{"waba":"102290129340398","token_env":"META_TOKEN","enabled":false}"#;
    let path = "/v1/accounts/acme/channels/106540352242922";
    assert_eq!(api.ask("PUT", path, channel).await.status, 200);
    for document in stored().await {
        assert!(document.body.contains("\"later\":{\"any\":[1]}"), "{document:?}");
    }
}

#[tokio::test]
async fn unknown_fields_are_refused_wherever_they_are() {
    let api = AdminApi::with_acme().await;
    for (method, path, body, field) in [
        ("PUT", "/channels/1", r#"{"token_env":"META_TOKEN","enabeld":false}"#, "enabeld"),
        ("PUT", "/wabas/1", r#"{"timezone":"UTC"}"#, "timezone"),
        (
            "PUT",
            "/wabas/102290129340398/templates/spring/en",
            r#"{"category":"utility","later":1}"#,
            "later",
        ),
        ("PATCH", "", r#"{"markup":{"percent":"1","percnt":"2"}}"#, "markup.percnt"),
        (
            "PATCH",
            "",
            r#"{"caps":[{"categories":["service"],"max":1,"window_s":1,"windows":1}]}"#,
            "caps[0].windows",
        ),
    ] {
        let reply = api.ask(method, &format!("/v1/accounts/acme{path}"), body).await;
        assert_eq!((reply.status, reply.code()), (422, "invalid"), "{body}: {}", reply.text);
        assert_eq!(reply.json["errors"][0]["field"], field, "{body}");
        assert!(reply.json["errors"][0]["detail"].as_str().unwrap().contains("unknown field"));
    }
}

#[tokio::test]
async fn a_channel_that_does_not_fit_changes_nothing_and_repeats_no_secret() {
    let api = AdminApi::with_acme().await;
    let path = "/v1/accounts/acme/channels/106540352242922";
    let before = api.get(path).await;
    for (field, body) in [
        ("calling_code", r#"{"token_env":"META_TOKEN","calling_code":"+91"}"#),
        ("calling_code", r#"{"token_env":"META_TOKEN","calling_code":"091"}"#),
        ("calling_code", r#"{"token_env":"META_TOKEN","calling_code":""}"#),
        ("token_env", r#"{"token_env":"EAAG0123456789"}"#),
        ("token_env", r#"{"token_env":"META_TOKEN=EAAG0123456789"}"#),
    ] {
        let reply = api.ask("PUT", path, body).await;
        assert_eq!((reply.status, reply.code()), (422, "invalid"), "{body}");
        assert_eq!(reply.json["errors"][0]["field"], field, "{body}");
        assert!(!reply.text.contains("EAAG"), "{}", reply.text);
    }
    assert_eq!(api.get(path).await, before);
    let fits = r#"{"token_env":"META_TOKEN","calling_code":"91"}"#;
    assert_eq!(api.ask("PUT", path, fits).await.status, 200);
}

#[tokio::test]
async fn numbers_and_portfolios_belong_to_one_account() {
    let api = AdminApi::with_acme().await;
    api.ask("POST", "/v1/accounts", r#"{"id":"rival","currency":"USD"}"#).await;
    let channel = r#"{"token_env":"META_TOKEN_RIVAL"}"#;
    let taken = api.ask("PUT", "/v1/accounts/rival/channels/106540352242922", channel).await;
    assert_eq!((taken.status, taken.code()), (409, "claimed"));
    assert!(!taken.text.contains("acme"), "nobody learns whose it is");
    assert_eq!(api.ask("GET", "/v1/accounts/rival/channels/106540352242922", "").await.status, 404);
    assert_eq!(
        api.ask("DELETE", "/v1/accounts/rival/channels/106540352242922", "").await.status,
        404
    );
    assert_eq!(
        api.ask("DELETE", "/v1/accounts/acme/channels/106540352242922", "").await.status,
        204
    );
    assert_eq!(
        api.ask("PUT", "/v1/accounts/rival/channels/106540352242922", channel).await.status,
        201
    );

    let waba = |portfolio: &str| format!(r#"{{"portfolio":"{portfolio}"}}"#);
    assert_eq!(api.ask("PUT", "/v1/accounts/acme/wabas/1", &waba("group")).await.status, 201);
    assert_eq!(api.ask("PUT", "/v1/accounts/acme/wabas/2", &waba("group")).await.status, 201);
    assert_eq!(
        api.ask("PUT", "/v1/accounts/rival/wabas/3", &waba("group")).await.code(),
        "claimed"
    );
    assert_eq!(
        api.ask("PUT", "/v1/accounts/rival/wabas/3", &waba("default")).await.status,
        201,
        "everybody has a default"
    );
    assert_eq!(api.ask("PUT", "/v1/accounts/acme/wabas/1", &waba("default")).await.status, 200);
    assert_eq!(
        api.ask("PUT", "/v1/accounts/rival/wabas/3", &waba("group")).await.code(),
        "claimed",
        "WABA 2 still names it"
    );
    assert_eq!(api.ask("PUT", "/v1/accounts/acme/wabas/2", &waba("default")).await.status, 200);
    assert_eq!(api.ask("PUT", "/v1/accounts/rival/wabas/3", &waba("group")).await.status, 200);
}

#[tokio::test]
async fn a_template_has_one_spelling() {
    let api = AdminApi::with_acme().await;
    let base = "/v1/accounts/acme/wabas/102290129340398/templates";
    let put =
        api.ask("PUT", &format!("{base}/spring%5Fsale/en-US"), r#"{"category":"marketing"}"#).await;
    assert_eq!(
        put.json,
        json!({"name":"spring_sale","language":"en_US","category":"marketing"}),
        "{}",
        put.text
    );
    assert_eq!(api.get(&format!("{base}/spring_sale/en_US")).await, put.json);
    let snapshot =
        api.control.services.catalog.reload(&"acme".parse().unwrap()).await.unwrap().unwrap();
    assert!(
        snapshot.template(&"102290129340398".parse().unwrap(), "spring_sale", "en_US").is_some()
    );
    assert_eq!(api.get(base).await["items"], json!([put.json]));
    assert_eq!(api.ask("DELETE", &format!("{base}/spring_sale/en-US"), "").await.status, 204);
    assert_eq!(api.ask("DELETE", &format!("{base}/spring_sale/en-US"), "").await.status, 404);
    assert_eq!(api.get(base).await["items"], json!([]));
}

#[tokio::test]
async fn lists_page_to_their_end() {
    let api = AdminApi::with_acme().await;
    let base = "/v1/accounts/acme";
    for at in 1..=5 {
        api.ask("POST", "/v1/accounts", &format!(r#"{{"id":"b{at}","currency":"USD"}}"#)).await;
        api.ask("PUT", &format!("{base}/wabas/{at}"), "{}").await;
        api.ask("PUT", &format!("{base}/wabas/1/templates/t{at}/en"), r#"{"category":"utility"}"#)
            .await;
        api.ask("PUT", &format!("{base}/channels/{at}"), r#"{"token_env":"META_TOKEN"}"#).await;
        api.ask("PUT", &format!("{base}/wallets/w{at}"), "{}").await;
        api.ask("POST", &format!("{base}/campaigns"), &format!(r#"{{"id":"c{at}"}}"#)).await;
        api.ask("POST", &format!("{base}/keys"), &format!(r#"{{"id":"k{at}","scopes":["send"]}}"#))
            .await;
        api.ask(
            "POST",
            &format!("{base}/wallets/main/top-ups"),
            &format!(r#"{{"amount":"1","reference":"r{at}"}}"#),
        )
        .await;
    }
    for (path, count) in [
        ("/v1/accounts".to_owned(), 6),
        ("/v1/rate-cards".to_owned(), 3),
        (format!("{base}/wabas"), 6),
        (format!("{base}/wabas/1/templates"), 5),
        (format!("{base}/channels"), 6),
        (format!("{base}/wallets"), 6),
        (format!("{base}/campaigns"), 5),
        (format!("{base}/keys"), 5),
        (format!("{base}/wallets/main/statement"), 6),
    ] {
        let whole = api.get(&path).await["items"].clone();
        let (mut paged, mut next) = (Vec::new(), String::new());
        loop {
            let page = api.get(&format!("{path}?limit=2{next}")).await;
            paged.extend(page["items"].as_array().unwrap().clone());
            let Some(cursor) = page["next"].as_str() else { break };
            next = format!("&cursor={cursor}");
        }
        assert_eq!(paged.len(), count, "{path}");
        assert_eq!(json!(paged), whole, "{path}");
    }
}
