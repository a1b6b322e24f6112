//! Rate cards: shown with their rates, and new versions that are checked as a whole, kept on disk
//! and never touch the past.

use axum::body::Body;
use http::Request;
use serde_json::json;
use tollgate::catalog::rate_cards::load;

use crate::support::{AdminApi, ApiReply, OPERATOR_KEY};

const CARD: &str = include_str!("../../../config/rates/meta-usd-2026-10-01.csv");

async fn put(api: &AdminApi, card: &str, date: &str, csv: impl Into<Body>) -> ApiReply {
    let request = Request::put(format!("/v1/rate-cards/{card}/versions/{date}"))
        .header("authorization", format!("Bearer {OPERATOR_KEY}"))
        .header("content-type", "text/csv");
    api.send(request.body(csv.into()).unwrap()).await
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
    let book = load(Some(&api.directory.path().join("cards")), None).unwrap().book;
    assert_eq!(book.card("meta-usd").unwrap().versions().len(), 3);
    assert!(book.card("own").is_some());
}

#[tokio::test]
async fn a_wrong_file_is_refused_with_all_its_mistakes() {
    let api = AdminApi::open().await;
    let wrong = CARD.replace("India,", "Indiana,").replace("USD", "EUR");
    let answer = put(&api, "meta-usd", "2027-01-01", wrong).await;
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
    assert_eq!(put(&api, "own", "2027-01-01", " ".repeat((1 << 20) + 1)).await.code(), "too_large");
    assert_eq!(
        api.ask("PUT", "/v1/rate-cards/own/versions/2027-01-01", "{}").await.code(),
        "unsupported_media_type"
    );
    assert!(!api.directory.path().join("cards").exists(), "nothing was kept");
    assert_eq!(api.get("/v1/rate-cards").await["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_large_change_needs_a_word() {
    let api = AdminApi::open().await;
    let dear = CARD.replace("India,USD,0.0118,", "India,USD,1.18,");
    let date = "2027-01-01";
    let refused = put(&api, "meta-usd", date, dear.clone()).await;
    assert_eq!((refused.status, refused.code()), (422, "invalid"));
    assert!(refused.text.contains("?confirm=large_change"), "{}", refused.text);
    let line = refused.json["detail"].as_str().unwrap().split('"').nth(1).unwrap().to_owned();
    let errors = refused.json["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{}", refused.text);
    let detail = errors[0]["detail"].as_str().unwrap();
    assert_eq!(detail, "the marketing rate of India moves from 0.0118 to 1.18, more than tenfold");
    let other = put(&api, "meta-usd", "2027-01-01?confirm=yes", dear.clone()).await;
    assert_eq!((other.status, other.code()), (400, "malformed"), "{}", other.text);
    let confirmed = put(&api, "meta-usd", "2027-01-01?confirm=large_change", dear).await;
    assert_eq!(confirmed.status, 201, "{}", confirmed.text);
    let path = api.directory.path().join("cards/meta-usd-2027-01-01.csv");
    let kept = std::fs::read_to_string(path).unwrap();
    assert!(kept.starts_with(&format!("{line}\n")), "{line}");
    // The line confirms these rates alone: with others of later it is none.
    let dearer = kept.replace("India,USD,1.18,", "India,USD,99,");
    assert_eq!(put(&api, "meta-usd", date, dearer).await.status, 422);
    assert_eq!(put(&api, "meta-usd", date, kept).await.status, 200);
    // It is kept as confirmed: the next start takes it as well.
    let found = load(Some(&api.directory.path().join("cards")), None).unwrap();
    assert_eq!(found.skipped, []);
    assert_eq!(found.book.card("meta-usd").unwrap().versions().len(), 3);

    let free = CARD.lines().map(|line| match line.split_once(",USD,") {
        Some((market, _)) => format!("{market},USD,0,0,0,,\n"),
        None => format!("{line}\n"),
    });
    let refused = put(&api, "own", date, free.collect::<String>()).await;
    assert!(refused.text.contains("every rate is zero"), "{}", refused.text);
}

#[tokio::test]
async fn what_is_no_csv_is_named() {
    let api = AdminApi::open().await;
    let utf16: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(CARD.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    for (content, word) in [
        (b"PK\x03\x04\x14\0".to_vec(), "Excel workbook"),
        (utf16, "UTF-16"),
        (b"market,currency\nC\xf4te,USD\n".to_vec(), "not UTF-8"),
        (CARD.replace(',', ";").into_bytes(), "separated by"),
        (CARD.replace("0.", "0,").into_bytes(), "decimals"),
    ] {
        let refused = put(&api, "own", "2027-01-01", content).await;
        assert_eq!((refused.status, refused.code()), (422, "invalid"), "{word}");
        assert!(refused.text.contains(word), "{word}: {}", refused.text);
    }
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
