//! Compares responses of the Admin API with the OpenAPI document.

use std::sync::LazyLock;

use serde_json::Value;
use tollgate::admin::routes;

use super::api_reply::ApiReply;

/// The document as the gateway serves it.
pub static DOCUMENT: LazyLock<Value> = LazyLock::new(routes::document);

/// Fails if a response is not one that the document promises for this call.
pub fn check_response(method: &str, path: &str, reply: &ApiReply) {
    // HEAD is GET without its body, so there is nothing to compare.
    let Some(operation) = operation(method, path) else { return };
    let responses = &operation["responses"];
    let listed = &responses[reply.status.to_string()];
    let response = if listed.is_null() { &responses["default"] } else { listed };
    assert!(
        !listed.is_null() || reply.status >= 400,
        "{method} {path}: {} is not in the document",
        reply.status
    );
    let kind = reply.header("content-type").split(';').next().unwrap_or_default();
    if kind.is_empty() {
        assert!(response["content"].is_null() && reply.text.is_empty(), "{method} {path}: no body");
        return;
    }
    let content = &response["content"][kind];
    assert!(content.is_object(), "{method} {path}: {kind} is not in the document");
    if kind.ends_with("json") {
        let mut mistakes = Vec::new();
        compare(&reply.json, &content["schema"], "", &mut mistakes);
        assert!(mistakes.is_empty(), "{method} {path}: {mistakes:#?}\n{}", reply.text);
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

/// Adds what makes `value` break `schema`, with its path; knows the parts of JSON Schema that the
/// document uses.
pub fn compare(value: &Value, schema: &Value, at: &str, mistakes: &mut Vec<String>) {
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
