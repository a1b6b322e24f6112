//! A body is read as one message only if an ordinary JSON reader sees exactly the same one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tollgate::send::message::{Endpoint, Message, parse};

const KINDS: [&str; 12] = [
    "text",
    "image",
    "audio",
    "video",
    "document",
    "sticker",
    "location",
    "contacts",
    "interactive",
    "reaction",
    "template",
    "pin",
];

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// The value, or what it is a string of.
fn decoded(value: &Value) -> Value {
    let inside = value.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    inside.filter(|inside| inside.is_object() || inside.is_array()).unwrap_or(value.clone())
}

fuzz_target!(|body: &[u8]| {
    for endpoint in [Endpoint::Messages, Endpoint::MarketingMessages] {
        let Ok(Message::Send(send)) = parse(body, endpoint) else { continue };
        let value: Value =
            serde_json::from_slice(body).expect("what was read as a message is JSON");
        let object = value.as_object().expect("a message is an object");
        let given =
            |kind: &&&str| object.get(**kind).is_some_and(|content| !is_empty(&decoded(content)));
        let contents: Vec<_> = KINDS.iter().filter(given).collect();
        let kind = send.kind.as_str();
        if contents.is_empty() {
            assert!(object.contains_key(kind), "an empty content object, of the kind priced");
        } else {
            assert_eq!(contents, [&kind], "one content object, of the kind that was priced");
        }
        let text = |name: &str| object.get(name).and_then(Value::as_str);
        match object.get("to") {
            Some(Value::Number(to)) => {
                assert!(send.to_is_number && send.to_span.is_none());
                assert_eq!(send.to, to.as_u64().map(|to| to.to_string().into()));
                assert!(to.as_u64().is_some_and(|to| to < 1_000_000_000_000_000));
            }
            _ => assert_eq!(send.to.as_deref(), text("to")),
        }
        let category = send.direct_send.map(|category| category.as_str());
        assert_eq!(category, text("category"), "a category decides, or refuses");
        let ttl = object.get("ttl_seconds").filter(|ttl| !ttl.is_null());
        assert!(ttl.is_none() || category.is_some());
        assert_eq!(send.recipient.as_deref(), text("recipient"));
        if let Some(parsed) = &send.template {
            let template = decoded(&object["template"]);
            assert_eq!(template["name"].as_str(), Some(&*parsed.name));
            let language = decoded(&template["language"]);
            let code = language["code"].as_str().map(|code| code.replace('-', "_"));
            assert_eq!(code.as_deref(), Some(&*parsed.language));
        }
        if let Some(span) = send.to_span {
            assert_eq!(std::str::from_utf8(&body[span]).ok(), send.to.as_deref());
        }
    }
});
