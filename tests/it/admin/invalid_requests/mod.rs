//! Every invalid request is refused by its name, with the fields that are wrong, and changes
//! nothing.

mod accounts;
mod money;
mod queries;
mod row;

use axum::body::Body;
use http::Request;

use crate::support::{AdminApi, OPERATOR_KEY};

/// Everything a mistake could have changed.
async fn everything(api: &AdminApi) -> Vec<serde_json::Value> {
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
        seen.push(api.get(&format!("/v1/{path}")).await);
    }
    seen
}

#[tokio::test]
async fn every_mistake_is_named_and_changes_nothing() {
    let api = AdminApi::with_acme().await;
    api.ask("POST", "/v1/accounts/acme/campaigns", r#"{"id":"old"}"#).await;
    api.ask("POST", "/v1/accounts/acme/campaigns/old/finish", "").await;
    let before = everything(&api).await;
    for (method, path, body, status, code, fields) in accounts::ACCOUNTS
        .iter()
        .chain(accounts::SETTINGS)
        .chain(money::MONEY)
        .chain(queries::QUERIES)
    {
        let answer = api.ask(method, path, body).await;
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
    assert_eq!(everything(&api).await, before);
}

#[tokio::test]
async fn what_is_not_in_this_version_is_named() {
    let api = AdminApi::with_acme().await;
    let answer = api.ask("PATCH", "/v1/accounts/acme", r#"{"charge_on":"delivered"}"#).await;
    assert!(
        answer.json["detail"].as_str().unwrap().contains("not supported in this version"),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn bodies_have_a_type_and_a_size() {
    let api = AdminApi::with_acme().await;
    let post = |kind: Option<&str>, body: String| {
        let mut request =
            Request::post("/v1/accounts").header("authorization", format!("Bearer {OPERATOR_KEY}"));
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        request.body(Body::from(body)).unwrap()
    };
    let good = r#"{"id":"typed","currency":"USD"}"#;
    for kind in [None, Some("text/plain"), Some("application/jsonp")] {
        let answer = api.send(post(kind, good.into())).await;
        assert_eq!((answer.status, answer.code()), (415, "unsupported_media_type"), "{kind:?}");
    }
    let large = format!(r#"{{"id":"typed","currency":"{}"}}"#, "x".repeat(64 << 10));
    let answer = api.send(post(Some("application/json"), large)).await;
    assert_eq!((answer.status, answer.code()), (413, "too_large"));
    assert_eq!(
        api.send(post(Some("Application/JSON; charset=utf-8"), good.into())).await.status,
        201
    );
}

#[tokio::test]
async fn a_request_keeps_its_id_and_405_lists_what_is_allowed() {
    let api = AdminApi::open().await;
    let request = Request::delete("/v1/accounts")
        .header("x-request-id", "mine-7")
        .body(Body::empty())
        .unwrap();
    let answer = api.send(request).await;
    assert_eq!(
        (answer.status, answer.header("x-request-id"), answer.header("allow")),
        (405, "mine-7", "POST, GET")
    );
    assert_eq!(answer.json["request_id"], "mine-7");
    let head = api.ask("HEAD", "/v1/accounts", "").await;
    assert_eq!(
        (head.status, head.header("content-type"), head.text.as_str()),
        (200, "application/json", "")
    );
}

#[tokio::test]
async fn an_unavailable_ledger_is_503() {
    let api = AdminApi::with_acme().await;
    api.ledger.ledger.close().await.unwrap();
    for (method, path, body) in [
        ("GET", "/v1/accounts/acme", ""),
        ("POST", "/v1/accounts/acme/wallets/main/top-ups", r#"{"amount":"1","reference":"r"}"#),
        ("GET", "/v1/accounts", ""),
    ] {
        let answer = api.ask(method, path, body).await;
        assert_eq!(
            (answer.status, answer.code(), answer.header("retry-after")),
            (503, "ledger_unavailable", "1"),
            "{}",
            answer.text
        );
    }
}
