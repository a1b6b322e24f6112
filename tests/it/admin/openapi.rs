//! The OpenAPI document names every call, and a response that is not in it is noticed.

use std::collections::BTreeSet;

use serde_json::Value;
use tollgate::admin::routes::ROUTES;

use crate::support::AdminApi;
use crate::support::openapi_check::{DOCUMENT, compare};

#[tokio::test]
async fn the_document_is_served_without_a_key_and_names_every_call() {
    let answer = AdminApi::open().await.ask_as("", "GET", "/v1/openapi.json", "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json, *DOCUMENT);
    let mut documented = BTreeSet::new();
    for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
        documented.extend(
            item.as_object().unwrap().keys().map(|method| (path.clone(), method.to_uppercase())),
        );
    }
    let routed: BTreeSet<_> =
        ROUTES.iter().map(|route| (route.path.to_owned(), route.method.to_string())).collect();
    assert_eq!(documented, routed);
    assert_eq!(routed.len(), ROUTES.len(), "no call stands in the table twice");
}

#[test]
fn every_reference_in_the_document_resolves() {
    fn names<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|member| names(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| names(item, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    names(&DOCUMENT, &mut found);
    for name in &found {
        assert!(DOCUMENT.pointer(name.trim_start_matches('#')).is_some(), "{name}");
    }
    for group in ["schemas", "parameters"] {
        for name in DOCUMENT["components"][group].as_object().unwrap().keys() {
            assert!(
                found.contains(format!("#/components/{group}/{name}").as_str()),
                "{group}/{name} is not used"
            );
        }
    }
}

#[test]
fn a_wrong_response_is_noticed() {
    let schema = serde_json::json!({"$ref": "#/components/schemas/Limits"});
    for (text, wrong) in [
        (
            concat!(
                r#"{"messaging_limit":null,"caps":[],"#,
                r#""portfolios":[{"portfolio":"default","used":0,"left":null}]}"#
            ),
            0,
        ),
        (r#"{"messaging_limit":"1","portfolios":[],"caps":[]}"#, 1),
        (r#"{"messaging_limit":1,"portfolios":[{"portfolio":"default","used":0}],"extra":1}"#, 3),
    ] {
        let mut mistakes = Vec::new();
        compare(&serde_json::from_str(text).unwrap(), &schema, "", &mut mistakes);
        assert_eq!(mistakes.len(), wrong, "{text}: {mistakes:?}");
    }
}
