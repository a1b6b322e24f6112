//! The OpenAPI document names every call, and every answer of every test is what it says.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value;
use tollgate::admin::openapi;
use tollgate::admin::routes::ROUTES;

use crate::support::admin_api::{Answer, Desk};

static DOCUMENT: LazyLock<Value> = LazyLock::new(openapi::document);

/// Fails where an answer is not one that the document promises for this call.
pub fn check_answer(method: &str, path: &str, answer: &Answer) {
    // HEAD is GET without its body, so there is nothing to compare.
    let Some(operation) = operation(method, path) else { return };
    let responses = &operation["responses"];
    let listed = &responses[answer.status.to_string()];
    let response = if listed.is_null() { &responses["default"] } else { listed };
    assert!(
        !listed.is_null() || answer.status >= 400,
        "{method} {path}: {} is not in the document",
        answer.status
    );
    let kind = answer.header("content-type").split(';').next().unwrap_or_default();
    if kind.is_empty() {
        assert!(
            response["content"].is_null() && answer.text.is_empty(),
            "{method} {path}: no body"
        );
        return;
    }
    let content = &response["content"][kind];
    assert!(content.is_object(), "{method} {path}: {kind} is not in the document");
    if kind.ends_with("json") {
        let mut mistakes = Vec::new();
        compare(&answer.json, &content["schema"], "", &mut mistakes);
        assert!(mistakes.is_empty(), "{method} {path}: {mistakes:#?}\n{}", answer.text);
    }
}

/// The operation of a path: literal parts match themselves, braces anything.
fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let path: Vec<&str> = path.split('?').next().unwrap_or_default().split('/').collect();
    let fits = |template: &str| {
        let parts: Vec<&str> = template.split('/').collect();
        parts.len() == path.len()
            && parts.iter().zip(&path).all(|(part, given)| part.starts_with('{') || part == given)
    };
    let paths = DOCUMENT["paths"].as_object()?;
    let item = paths.iter().find(|(template, _)| fits(template)).map(|(_, item)| item)?;
    Some(&item[method.to_lowercase()]).filter(|operation| operation.is_object())
}

/// The parts of JSON Schema that the document uses.
fn compare(value: &Value, schema: &Value, at: &str, mistakes: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let target = DOCUMENT.pointer(name.trim_start_matches('#'));
        match target {
            Some(target) => compare(value, target, at, mistakes),
            None => mistakes.push(format!("{at}: no {name}")),
        }
        return;
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let fits = |choice: &Value| {
            let mut wrong = Vec::new();
            compare(value, choice, at, &mut wrong);
            wrong.is_empty()
        };
        if !choices.iter().any(fits) {
            mistakes.push(format!("{at}: {value} fits no choice"));
        }
        return;
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let kinds: Vec<&str> = schema["type"].as_array().map_or_else(
        || schema["type"].as_str().into_iter().collect(),
        |kinds| kinds.iter().filter_map(Value::as_str).collect(),
    );
    if !kinds.contains(&kind) {
        mistakes.push(format!("{at}: {value} is no {kinds:?}"));
    }
    if let Some(choices) = schema["enum"].as_array()
        && !choices.contains(value)
    {
        mistakes.push(format!("{at}: {value} is not one of {choices:?}"));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        compare(item, &schema["items"], &format!("{at}[{index}]"), mistakes);
    }
    let Some(members) = value.as_object() else { return };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !members.contains_key(name) {
            mistakes.push(format!("{at}.{name} is missing"));
        }
    }
    for (name, member) in members {
        match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Value::Null, Value::Bool(false)) => {
                mistakes.push(format!("{at}.{name} is not in the document"))
            }
            (Value::Null, Value::Null) => {}
            (Value::Null, other) => compare(member, other, &format!("{at}.{name}"), mistakes),
            (known, _) => compare(member, known, &format!("{at}.{name}"), mistakes),
        }
    }
}

#[tokio::test]
async fn the_document_is_served_without_a_key_and_names_every_call() {
    let answer = Desk::open().await.ask_as("", "GET", "/v1/openapi.json", "").await;
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
fn every_name_in_the_document_leads_somewhere() {
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
fn a_wrong_answer_is_noticed() {
    let schema = serde_json::json!({"$ref": "#/components/schemas/Limits"});
    for (text, wrong) in [
        (
            r#"{"messaging_limit":null,"portfolios":[{"portfolio":"default","used":0,"left":null}],"caps":[]}"#,
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
