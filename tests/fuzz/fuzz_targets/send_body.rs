//! A body is read as one message only if an ordinary JSON reader sees exactly the same one.
#![no_main]

use libfuzzer_sys::fuzz_target;
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

fuzz_target!(|body: &[u8]| {
    for endpoint in [Endpoint::Messages, Endpoint::MarketingMessages] {
        let Ok(Message::Send(send)) = parse(body, endpoint) else { continue };
        let value: serde_json::Value =
            serde_json::from_slice(body).expect("what was read as a message is JSON");
        let object = value.as_object().expect("a message is an object");
        let given = |kind: &&&str| object.get(**kind).is_some_and(|content| !content.is_null());
        let contents: Vec<_> = KINDS.iter().filter(given).collect();
        let kind = send.kind.as_str();
        assert_eq!(contents, [&kind], "one content object, of the kind that was priced");
        let text = |name: &str| object.get(name).and_then(serde_json::Value::as_str);
        assert_eq!(send.to.as_deref(), text("to"));
        assert_eq!(send.recipient.as_deref(), text("recipient"));
        let name = value.pointer("/template/name").and_then(serde_json::Value::as_str);
        let parsed = send.template.as_ref().map(|template| &*template.name);
        assert_eq!(parsed, name.filter(|_| send.template.is_some()));
        if let Some(span) = send.to_span {
            assert_eq!(std::str::from_utf8(&body[span]).ok(), send.to.as_deref());
        }
    }
});
