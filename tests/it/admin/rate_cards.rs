//! Rate cards: shown with their rates, and new versions that are checked as a whole, kept on disk
//! and never touch the past.

use axum::body::Body;
use http::Request;
use serde_json::json;
use tollgate::catalog::rate_cards::load_dir;
use tollgate::pricing::PriceBook;

use crate::support::{AdminApi, ApiReply, OPERATOR_KEY};

const CARD: &str = include_str!("../../../config/rates/meta-usd-2026-10-01.csv");

async fn put(api: &AdminApi, card: &str, date: &str, csv: &str) -> ApiReply {
    let request = Request::put(format!("/v1/rate-cards/{card}/versions/{date}"))
        .header("authorization", format!("Bearer {OPERATOR_KEY}"))
        .header("content-type", "text/csv");
    api.send(request.body(Body::from(csv.to_owned())).unwrap()).await
}

#[tokio::test]
async fn a_version_is_in_use_and_kept() {
    let api = AdminApi::open().await;
    assert_eq!(put(&api, "meta-usd", "2027-01-01", CARD).await.status, 201);
    assert_eq!(put(&api, "meta-usd", "2027-01-01", CARD).await.status, 200);
    assert_eq!(
        put(&api, "own", "2026-10-01", CARD).await.status,
        201,
        "a new card may begin in the past"
    );
    let card = api.get("/v1/rate-cards/meta-usd").await;
    assert_eq!(card["versions"][2]["effective"], "2027-01-01");
    assert_eq!(
        card["versions"][2]["rates"]["India"]["marketing"],
        card["versions"][1]["rates"]["India"]["marketing"]
    );
    assert_eq!(
        api.ask("POST", "/v1/accounts", r#"{"id":"acme","currency":"USD","rate_card":"own"}"#)
            .await
            .status,
        201
    );
    let book = load_dir(&api.directory.path().join("cards"), PriceBook::builtin()).unwrap();
    assert_eq!(book.card("meta-usd").unwrap().versions().len(), 3);
    assert!(book.card("own").is_some());
}

#[tokio::test]
async fn a_wrong_file_is_refused_with_all_its_mistakes() {
    let api = AdminApi::open().await;
    let wrong = CARD.replace("India,", "Indiana,").replace("USD", "EUR");
    let answer = put(&api, "meta-usd", "2027-01-01", &wrong).await;
    assert_eq!((answer.status, answer.code()), (422, "invalid"));
    let errors = answer.json["errors"].as_array().unwrap();
    assert!(errors.len() >= 3, "{}", answer.text);
    assert!(
        errors
            .iter()
            .any(|error| error["line"].is_u64()
                && error["detail"].as_str().unwrap().contains("Indiana")),
        "{}",
        answer.text
    );
    for (card, date, status, code) in [
        ("meta-usd", "2026-10-01", 409, "version_in_force"),
        ("meta-usd", "2026-11-21", 409, "version_in_force"),
        ("meta-usd", "tomorrow", 422, "invalid"),
        ("message", "2027-01-01", 422, "invalid"),
        ("..%2Fup", "2027-01-01", 422, "invalid"),
        ("own", "2020-01-01", 422, "invalid"),
    ] {
        let answer = put(&api, card, date, CARD).await;
        assert_eq!(
            (answer.status, answer.code()),
            (status, code),
            "{card} {date}: {}",
            answer.text
        );
    }
    assert_eq!(
        put(&api, "own", "2027-01-01", &" ".repeat((1 << 20) + 1)).await.code(),
        "too_large"
    );
    assert_eq!(
        api.ask("PUT", "/v1/rate-cards/own/versions/2027-01-01", "{}").await.code(),
        "unsupported_media_type"
    );
    assert!(!api.directory.path().join("cards").exists(), "nothing was kept");
    assert_eq!(api.get("/v1/rate-cards").await["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn an_account_sees_the_card_it_is_priced_by() {
    let api = AdminApi::with_acme().await;
    let key = api.key("acme", r#"["read"]"#).await;
    let list = api.ask_as(&key, "GET", "/v1/rate-cards", "").await;
    let versions = json!(["2026-07-01", "2026-10-01"]);
    assert_eq!(
        list.json,
        json!({"items":[{"id":"meta-usd","currency":"USD","versions":versions}],"next":null})
    );
    assert_eq!(api.ask_as(&key, "GET", "/v1/rate-cards/meta-usd", "").await.status, 200);
    assert_eq!(api.ask_as(&key, "GET", "/v1/rate-cards/meta-eur", "").await.status, 404);
}
