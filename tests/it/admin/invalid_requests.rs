//! Every mistake has its answer, names the field and changes nothing.

use axum::body::Body;
use http::Request;

use crate::support::admin_api::{Desk, OPERATOR};

/// Method, path, body; status, code and the fields named.
type Row = (&'static str, &'static str, &'static str, u16, &'static str, &'static [&'static str]);

const ACCOUNTS: &[Row] = &[
    ("POST", "/v1/accounts", r#"{}"#, 422, "invalid", &["id", "currency"]),
    ("POST", "/v1/accounts", r#"{"id":"a b","currency":"USD"}"#, 422, "invalid", &["id"]),
    (
        "POST",
        "/v1/accounts",
        r#"{"id":"x","currency":"usd","rate_card":"meta-usd"}"#,
        422,
        "invalid",
        &["currency", "rate_card"],
    ),
    ("POST", "/v1/accounts", r#"{"id":"x","currency":"XYZ"}"#, 422, "invalid", &["rate_card"]),
    (
        "POST",
        "/v1/accounts",
        r#"{"id":"x","currency":"USD","rate_card":"meta-eur"}"#,
        422,
        "invalid",
        &["rate_card"],
    ),
    (
        "POST",
        "/v1/accounts",
        r#"{"id":"x","currency":"USD","time_zone":"Mars/Olympus"}"#,
        422,
        "invalid",
        &["time_zone"],
    ),
    (
        "POST",
        "/v1/accounts",
        r#"{"id":"x","currency":"USD","charge_on":"delivered"}"#,
        422,
        "invalid",
        &["charge_on"],
    ),
    (
        "POST",
        "/v1/accounts",
        r#"{"id":"x","currency":"USD","enforcement":"observe"}"#,
        422,
        "invalid",
        &["enforcement"],
    ),
    (
        "POST",
        "/v1/accounts",
        r#"{"id":"x","currency":"USD","messaging_limit":0}"#,
        422,
        "invalid",
        &["messaging_limit"],
    ),
    (
        "POST",
        "/v1/accounts",
        r#"{"id":"x","currency":"USD","markup":{"percent":2}}"#,
        422,
        "invalid",
        &["markup.percent"],
    ),
    (
        "POST",
        "/v1/accounts",
        r#"{"id":"x","currency":"USD","markup":{"per_message":"-1"}}"#,
        422,
        "invalid",
        &["markup"],
    ),
    (
        "POST",
        "/v1/accounts",
        r#"{"id":"x","currency":"USD","caps":[{"categories":[],"max":1,"window_s":1}]}"#,
        422,
        "invalid",
        &["caps[0]"],
    ),
    (
        "POST",
        "/v1/accounts",
        r#"{"id":"x","currency":"USD","caps":[{"categories":["sms"],"max":1,"window_s":1}]}"#,
        422,
        "invalid",
        &["caps[0].categories[0]"],
    ),
    (
        "POST",
        "/v1/accounts",
        r#"{"id":"x","currency":"USD","caps":[{"max":1,"window_s":1}]}"#,
        422,
        "invalid",
        &["caps[0].categories"],
    ),
    (
        "POST",
        "/v1/accounts",
        r#"{"id":"x","currency":"USD","colour":"red"}"#,
        422,
        "invalid",
        &["colour"],
    ),
    (
        "POST",
        "/v1/accounts",
        r#"{"id":"x","currency":"USD","currency":"USD"}"#,
        422,
        "invalid",
        &["currency"],
    ),
    ("POST", "/v1/accounts", r#"["x","USD"]"#, 400, "malformed", &[]),
    ("POST", "/v1/accounts", r#"{"id":"x","currency":"USD"} {}"#, 400, "malformed", &[]),
    ("POST", "/v1/accounts", r#"{"id":"x","currency":"USD""#, 400, "malformed", &[]),
    (
        "POST",
        "/v1/accounts",
        r#"{"id":"acme","currency":"USD","messaging_limit":1}"#,
        409,
        "exists",
        &[],
    ),
    (
        "PATCH",
        "/v1/accounts/acme",
        r#"{"currency":"EUR","time_zone":"Asia/Kolkata"}"#,
        422,
        "invalid",
        &["currency", "time_zone"],
    ),
    ("PATCH", "/v1/accounts/acme", r#"{"rate_card":null}"#, 422, "invalid", &["rate_card"]),
    ("PATCH", "/v1/accounts/acme", r#"{"rate_card":"nothing"}"#, 422, "invalid", &["rate_card"]),
    ("PATCH", "/v1/accounts/nobody", r#"{}"#, 404, "not_found", &[]),
];

const SETTINGS: &[Row] = &[
    (
        "PUT",
        "/v1/accounts/acme/channels/12ab",
        r#"{"token_env":"META_TOKEN"}"#,
        422,
        "invalid",
        &["phone_number_id"],
    ),
    ("PUT", "/v1/accounts/acme/channels/1", r#"{}"#, 422, "invalid", &["token_env"]),
    (
        "PUT",
        "/v1/accounts/acme/channels/1",
        r#"{"token_env":"PATH"}"#,
        422,
        "invalid",
        &["token_env"],
    ),
    (
        "PUT",
        "/v1/accounts/acme/channels/1",
        r#"{"token_env":"META_TOKEN","token_file":"a"}"#,
        422,
        "invalid",
        &["token_file"],
    ),
    (
        "PUT",
        "/v1/accounts/acme/channels/1",
        r#"{"token_file":"../a"}"#,
        422,
        "invalid",
        &["token_file"],
    ),
    (
        "PUT",
        "/v1/accounts/acme/channels/1",
        r#"{"token_env":"META_TOKEN","wallet":"none","waba":"1","throughput_limit":0,"upstream_url":"ftp://x"}"#,
        422,
        "invalid",
        &["wallet", "waba", "throughput_limit", "upstream_url"],
    ),
    (
        "PUT",
        "/v1/accounts/acme/channels/1",
        r#"{"token_env":"META_TOKEN","billing":"free"}"#,
        422,
        "invalid",
        &["billing"],
    ),
    ("GET", "/v1/accounts/acme/channels/1", "", 404, "not_found", &[]),
    ("DELETE", "/v1/accounts/acme/channels/1", "", 404, "not_found", &[]),
    ("PUT", "/v1/accounts/acme/wabas/x", r#"{}"#, 422, "invalid", &["waba"]),
    (
        "PUT",
        "/v1/accounts/acme/wabas/1",
        r#"{"time_zone":"Nowhere"}"#,
        422,
        "invalid",
        &["time_zone"],
    ),
    ("PUT", "/v1/accounts/acme/wabas/1", r#"{"portfolio":"a b"}"#, 422, "invalid", &["portfolio"]),
    ("GET", "/v1/accounts/acme/wabas/1", "", 404, "not_found", &[]),
    ("GET", "/v1/accounts/acme/wabas/1/templates", "", 404, "not_found", &[]),
    (
        "PUT",
        "/v1/accounts/acme/wabas/1/templates/a/en",
        r#"{"category":"utility"}"#,
        404,
        "not_found",
        &[],
    ),
    (
        "PUT",
        "/v1/accounts/acme/wabas/102290129340398/templates/A/english",
        r#"{"category":"utility"}"#,
        422,
        "invalid",
        &["name", "language"],
    ),
    (
        "PUT",
        "/v1/accounts/acme/wabas/102290129340398/templates/a%2Fb/en",
        r#"{"category":"utility"}"#,
        422,
        "invalid",
        &["name"],
    ),
    (
        "PUT",
        "/v1/accounts/acme/wabas/102290129340398/templates/a/en",
        r#"{"category":"service"}"#,
        422,
        "invalid",
        &["category"],
    ),
    (
        "PUT",
        "/v1/accounts/acme/wabas/102290129340398/templates/a/en",
        r#"{"category":"MARKETING"}"#,
        422,
        "invalid",
        &["category"],
    ),
    ("GET", "/v1/accounts/acme/wabas/102290129340398/templates/a/en", "", 404, "not_found", &[]),
    ("POST", "/v1/accounts/acme/keys", r#"{"scopes":[]}"#, 422, "invalid", &["scopes"]),
    (
        "POST",
        "/v1/accounts/acme/keys",
        r#"{"scopes":["send","send"]}"#,
        422,
        "invalid",
        &["scopes"],
    ),
    ("POST", "/v1/accounts/acme/keys", r#"{"scopes":["admin"]}"#, 422, "invalid", &["scopes[0]"]),
    ("POST", "/v1/accounts/acme/keys", r#"{}"#, 422, "invalid", &["scopes"]),
    ("DELETE", "/v1/accounts/acme/keys/none", "", 404, "not_found", &[]),
];

const MONEY: &[Row] = &[
    ("PUT", "/v1/accounts/acme/wallets/a%20b", r#"{}"#, 422, "invalid", &["wallet"]),
    (
        "PUT",
        "/v1/accounts/acme/wallets/main",
        r#"{"overdraft_limit":"-1"}"#,
        422,
        "invalid",
        &["overdraft_limit"],
    ),
    (
        "PUT",
        "/v1/accounts/acme/wallets/main",
        r#"{"overdraft_limit":"9007199254.740991"}"#,
        422,
        "invalid",
        &["overdraft_limit"],
    ),
    ("PATCH", "/v1/accounts/acme/wallets/none", r#"{}"#, 404, "not_found", &[]),
    ("GET", "/v1/accounts/acme/wallets/none", "", 404, "not_found", &[]),
    (
        "POST",
        "/v1/accounts/acme/wallets/main/top-ups",
        r#"{"amount":100,"reference":"r"}"#,
        422,
        "invalid",
        &["amount"],
    ),
    (
        "POST",
        "/v1/accounts/acme/wallets/main/top-ups",
        r#"{"amount":"1.0000001","reference":"r"}"#,
        422,
        "invalid",
        &["amount"],
    ),
    (
        "POST",
        "/v1/accounts/acme/wallets/main/top-ups",
        r#"{"amount":"-1","reference":" "}"#,
        422,
        "invalid",
        &["amount", "reference"],
    ),
    (
        "POST",
        "/v1/accounts/acme/wallets/main/top-ups",
        r#"{"amount":"1"}"#,
        422,
        "invalid",
        &["reference"],
    ),
    (
        "POST",
        "/v1/accounts/acme/wallets/main/top-ups",
        r#"{"amount":"9007199254","reference":"r"}"#,
        422,
        "invalid",
        &["amount"],
    ),
    (
        "POST",
        "/v1/accounts/acme/wallets/none/top-ups",
        r#"{"amount":"1","reference":"r"}"#,
        404,
        "not_found",
        &[],
    ),
    (
        "POST",
        "/v1/accounts/acme/wallets/main/top-ups",
        r#"{"amount":"1.01","reference":"first"}"#,
        409,
        "reference_conflict",
        &[],
    ),
    (
        "POST",
        "/v1/accounts/acme/wallets/main/adjustments",
        r#"{"amount":"0","reference":"r","reason":""}"#,
        422,
        "invalid",
        &["amount", "reason"],
    ),
    (
        "POST",
        "/v1/accounts/acme/wallets/main/adjustments",
        r#"{"amount":"1","reference":"r"}"#,
        422,
        "invalid",
        &["reason"],
    ),
    (
        "POST",
        "/v1/accounts/acme/wallets/main/adjustments",
        r#"{"amount":"-1.5","reference":"r","reason":"x"}"#,
        409,
        "insufficient_balance",
        &[],
    ),
    (
        "POST",
        "/v1/accounts/acme/wallets/main/adjustments",
        r#"{"amount":"1","reference":"first","reason":"x"}"#,
        409,
        "reference_conflict",
        &[],
    ),
    (
        "POST",
        "/v1/accounts/acme/campaigns",
        r#"{"id":"c","wallet":"none"}"#,
        422,
        "invalid",
        &["wallet"],
    ),
    (
        "POST",
        "/v1/accounts/acme/campaigns",
        r#"{"id":"c","budget":"0"}"#,
        422,
        "invalid",
        &["budget"],
    ),
    (
        "POST",
        "/v1/accounts/acme/campaigns",
        r#"{"id":"c","dedupe":"number"}"#,
        422,
        "invalid",
        &["dedupe"],
    ),
    ("POST", "/v1/accounts/acme/campaigns", r#"{"name":"c"}"#, 422, "invalid", &["id"]),
    (
        "POST",
        "/v1/accounts/acme/campaigns",
        r#"{"id":"old","name":"another"}"#,
        409,
        "campaign_exists",
        &[],
    ),
    ("GET", "/v1/accounts/acme/campaigns/c", "", 404, "not_found", &[]),
    ("POST", "/v1/accounts/acme/campaigns/c/stop", "", 404, "not_found", &[]),
    (
        "POST",
        "/v1/accounts/acme/campaigns/c/restart",
        r#"{"force":true}"#,
        422,
        "invalid",
        &["force"],
    ),
    ("POST", "/v1/accounts/acme/campaigns/old/restart", "", 409, "campaign_finished", &[]),
    ("POST", "/v1/accounts/acme/campaigns/old/stop", "", 409, "campaign_finished", &[]),
    (
        "POST",
        "/v1/accounts/acme/holds/0198a0b0c0d0700080000000000000aa/settle",
        "",
        404,
        "not_found",
        &[],
    ),
    ("POST", "/v1/accounts/acme/holds/none/release", "", 404, "not_found", &[]),
    (
        "POST",
        "/v1/accounts/acme/holds/none/settle",
        r#"{"message_id":""}"#,
        422,
        "invalid",
        &["message_id"],
    ),
];

const QUERIES: &[Row] = &[
    ("GET", "/v1/accounts?limit=0", "", 400, "malformed", &["limit"]),
    ("GET", "/v1/accounts?limit=1001", "", 400, "malformed", &["limit"]),
    ("GET", "/v1/accounts?limit=many", "", 400, "malformed", &["limit"]),
    ("GET", "/v1/accounts?cursor=a%20b", "", 400, "malformed", &["cursor"]),
    ("GET", "/v1/accounts?offset=3", "", 400, "malformed", &["offset"]),
    ("GET", "/v1/accounts?limit=1&limit=2", "", 400, "malformed", &["limit"]),
    ("GET", "/v1/accounts/acme/events?cursor=x", "", 400, "malformed", &["cursor"]),
    ("GET", "/v1/accounts/acme/holds?cursor=x", "", 400, "malformed", &["cursor"]),
    ("GET", "/v1/accounts/acme/holds?state=settled", "", 400, "malformed", &["state"]),
    ("GET", "/v1/accounts/acme/wallets/none/statement", "", 404, "not_found", &[]),
    ("GET", "/v1/accounts/acme/wallets/main/statement?view=daily", "", 400, "not_supported", &[]),
    ("GET", "/v1/accounts/acme/wallets/main/statement?view=all", "", 400, "malformed", &["view"]),
    (
        "GET",
        "/v1/accounts/acme/wallets/main/statement?from=yesterday",
        "",
        400,
        "malformed",
        &["from"],
    ),
    (
        "GET",
        "/v1/accounts/acme/wallets/main/statement?to=2026-11-21T12:00",
        "",
        400,
        "malformed",
        &["to"],
    ),
    (
        "GET",
        "/v1/accounts/acme/wallets/main/statement?from=2026-11-22&to=2026-11-20",
        "",
        400,
        "malformed",
        &["to"],
    ),
    ("GET", "/v1/accounts/acme/wallets/main/statement?tz=Nowhere", "", 400, "malformed", &["tz"]),
    (
        "GET",
        "/v1/accounts/acme/wallets/main/statement?format=xml",
        "",
        400,
        "malformed",
        &["format"],
    ),
    ("GET", "/v1/accounts/acme/usage?group_by=colour", "", 400, "malformed", &["group_by"]),
    ("GET", "/v1/accounts/acme/usage?group_by=day,day", "", 400, "malformed", &["group_by"]),
    ("GET", "/v1/accounts/acme/usage?group_by=campaign,day", "", 400, "malformed", &["group_by"]),
    (
        "GET",
        "/v1/accounts/acme/usage?group_by=campaign&from=2026-11-01",
        "",
        400,
        "malformed",
        &["from"],
    ),
    ("GET", "/v1/accounts/acme/usage?from=2026-11-02&to=2026-11-01", "", 400, "malformed", &["to"]),
    ("GET", "/v1/accounts/acme/usage?from=2020-01-01", "", 400, "malformed", &["from"]),
    ("GET", "/v1/accounts/acme/usage?from=2026-11-01T00:00:00Z", "", 400, "malformed", &["from"]),
    ("GET", "/v1/rate-cards/none", "", 404, "not_found", &[]),
    ("GET", "/v1/nothing", "", 404, "not_found", &[]),
    ("GET", "/", "", 404, "not_found", &[]),
    ("PATCH", "/v1/accounts", "", 405, "method_not_allowed", &[]),
    ("DELETE", "/v1/accounts/acme", "", 405, "method_not_allowed", &[]),
    ("GET", "/v1/accounts", "{}", 400, "malformed", &[]),
];

/// Everything a mistake could have changed.
async fn everything(desk: &Desk) -> Vec<serde_json::Value> {
    let mut seen = Vec::new();
    for path in [
        "accounts",
        "accounts/acme/channels",
        "accounts/acme/wabas",
        "accounts/acme/keys",
        "accounts/acme/wallets",
        "accounts/acme/campaigns",
        "accounts/acme/wabas/102290129340398/templates",
        "accounts/acme/wallets/main/statement",
        "accounts/acme/events",
        "rate-cards",
    ] {
        seen.push(desk.get(&format!("/v1/{path}")).await);
    }
    seen
}

#[tokio::test]
async fn every_mistake_has_its_answer_and_changes_nothing() {
    let desk = Desk::with_acme().await;
    desk.ask("POST", "/v1/accounts/acme/campaigns", r#"{"id":"old"}"#).await;
    desk.ask("POST", "/v1/accounts/acme/campaigns/old/finish", "").await;
    let before = everything(&desk).await;
    for (method, path, body, status, code, fields) in
        ACCOUNTS.iter().chain(SETTINGS).chain(MONEY).chain(QUERIES)
    {
        let answer = desk.ask(method, path, body).await;
        assert_eq!(
            (answer.status, answer.code()),
            (*status, *code),
            "{method} {path} {body}: {}",
            answer.text
        );
        let named: Vec<&str> = answer.json["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|error| error["field"].as_str())
            .collect();
        assert_eq!(named, *fields, "{method} {path} {body}: {}", answer.text);
    }
    assert_eq!(everything(&desk).await, before);
}

#[tokio::test]
async fn what_is_not_in_this_version_is_said_so() {
    let desk = Desk::with_acme().await;
    for body in [r#"{"charge_on":"delivered"}"#, r#"{"enforcement":"observe"}"#] {
        let answer = desk.ask("PATCH", "/v1/accounts/acme", body).await;
        assert!(
            answer.json["detail"].as_str().unwrap().contains("not supported in this version"),
            "{}",
            answer.text
        );
    }
}

#[tokio::test]
async fn bodies_have_a_type_and_a_size() {
    let desk = Desk::with_acme().await;
    let post = |kind: Option<&str>, body: String| {
        let mut request =
            Request::post("/v1/accounts").header("authorization", format!("Bearer {OPERATOR}"));
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        request.body(Body::from(body)).unwrap()
    };
    let good = r#"{"id":"typed","currency":"USD"}"#;
    for kind in [None, Some("text/plain"), Some("application/jsonp")] {
        let answer = desk.send(post(kind, good.into())).await;
        assert_eq!((answer.status, answer.code()), (415, "unsupported_media_type"), "{kind:?}");
    }
    let large = format!(r#"{{"id":"typed","currency":"{}"}}"#, "x".repeat(64 << 10));
    let answer = desk.send(post(Some("application/json"), large)).await;
    assert_eq!((answer.status, answer.code()), (413, "too_large"));
    assert_eq!(
        desk.send(post(Some("Application/JSON; charset=utf-8"), good.into())).await.status,
        201
    );
}

#[tokio::test]
async fn a_request_keeps_its_id_and_405_says_what_is_allowed() {
    let desk = Desk::open().await;
    let request = Request::delete("/v1/accounts")
        .header("x-request-id", "mine-7")
        .body(Body::empty())
        .unwrap();
    let answer = desk.send(request).await;
    assert_eq!(
        (answer.status, answer.header("x-request-id"), answer.header("allow")),
        (405, "mine-7", "POST, GET")
    );
    assert_eq!(answer.json["request_id"], "mine-7");
    let head = desk.ask("HEAD", "/v1/accounts", "").await;
    assert_eq!(
        (head.status, head.header("content-type"), head.text.as_str()),
        (200, "application/json", "")
    );
}

#[tokio::test]
async fn a_ledger_that_is_away_is_503() {
    let desk = Desk::with_acme().await;
    desk.ledger.ledger.close().await.unwrap();
    for (method, path, body) in [
        ("GET", "/v1/accounts/acme", ""),
        ("POST", "/v1/accounts/acme/wallets/main/top-ups", r#"{"amount":"1","reference":"r"}"#),
        ("GET", "/v1/accounts", ""),
    ] {
        let answer = desk.ask(method, path, body).await;
        assert_eq!(
            (answer.status, answer.code(), answer.header("retry-after")),
            (503, "ledger_unavailable", "1"),
            "{}",
            answer.text
        );
    }
}
