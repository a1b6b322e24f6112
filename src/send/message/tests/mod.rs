//! What is one unambiguous message and what is not, as tables of bodies.

mod real_senders;

use proptest::prelude::*;

use super::{Endpoint, Kind, Message, Send, parse};

fn send(body: &str) -> Send<'_> {
    match parse(body.as_bytes(), Endpoint::Messages) {
        Ok(Message::Send(send)) => send,
        other => panic!("{body} gave {other:?}"),
    }
}

#[track_caller]
fn refused(endpoint: Endpoint, body: &str, names: &str) {
    match parse(body.as_bytes(), endpoint) {
        Err(malformed) => assert!(
            malformed.details.contains(names),
            "{body}\n  gave {:?}\n  without {names:?}",
            malformed.details
        ),
        Ok(message) => panic!("{body} passed as {message:?}"),
    }
}

/// A body with the fields every message has, and `rest`.
fn with(rest: &str) -> String {
    format!(r#"{{"messaging_product":"whatsapp","to":"+16505550144",{rest}}}"#)
}

#[test]
fn every_kind_is_read() {
    for kind in Kind::ALL {
        let content = match kind {
            Kind::Template => r#"{"name":"a","language":{"code":"en"}}"#,
            Kind::Contacts => r#"[{"name":{"formatted_name":"Sam"}}]"#,
            _ => r#"{"id":"1"}"#,
        };
        let body = with(&format!(r#""type":"{kind}","{kind}":{content}"#));
        assert_eq!(send(&body).kind, kind);
        let untyped = with(&format!(r#""{kind}":{content}"#));
        assert_eq!(send(&untyped).kind, kind);
    }
}

#[test]
fn a_template_is_named_with_one_spelling_of_its_language() {
    for (code, language) in
        [("en", "en"), ("en_US", "en_US"), ("en-US", "en_US"), (r"pt\u002dBR", "pt_BR")]
    {
        let body = with(&format!(
            concat!(
                r#""template":{{"components":[{{"name":"x","language":1}}],"#,
                r#""language":{{"policy":"deterministic","code":"{code}"}},"name":"spring"}}"#
            ),
            code = code
        ));
        let template = send(&body).template.expect("a template");
        assert_eq!((&*template.name, &*template.language), ("spring", language));
    }
}

#[test]
fn the_place_of_to_is_known() {
    let body = with(r#""text":{"body":"hi"}"#);
    let span = send(&body).to_span.expect("no escapes");
    assert_eq!(&body[span], "+16505550144");
    let escaped = r#"{"messaging_product":"whatsapp","t\u006f":"\u002b16505550144","text":{}}"#;
    let escaped = send(escaped);
    assert_eq!((escaped.to.as_deref(), escaped.to_span), (Some("+16505550144"), None));
}

#[test]
fn what_real_clients_send_is_read() {
    for rest in [
        concat!(
            r#""type":"text","text":{"body":"x"},"context":null,"recipient_type":null,"#,
            r#""recipient":null"#,
        ),
        r#""type":"text","text":{"body":"x"},"template":null,"image":null"#,
        concat!(
            r#""type":"text","text":{"body":"a\nb \"c\" \ud83d\udc4d"},"#,
            r#""context":{"message_id":"wamid.A"}"#,
        ),
        concat!(
            r#""type":"text","text":{"body":"👍"},"biz_opaque_callback_data":"a\tb","#,
            r#""recipient_identity_key_hash":"h""#,
        ),
        r#""type":"location","location":{"latitude":37.4422,"longitude":-122.16,"x":1e3,"y":-0}"#,
        r#""recipient":"US.134","type":"text","text":{"body":"to wins"}"#,
    ] {
        let body = with(rest);
        assert_eq!(send(&format!(" \r\n{body}\t\n")).to.as_deref(), Some("+16505550144"), "{body}");
    }
    let bsuid =
        send(r#"{"messaging_product":"whatsapp","recipient":"US.134","text":{}}"#).recipient;
    assert_eq!(bsuid.as_deref(), Some("US.134"));
    assert!(send(&with(r#""recipient_type":"group","type":"pin","pin":{"type":"pin"}"#)).group);
}

#[test]
fn marketing_messages_are_templates() {
    let template = r#""template":{"name":"a","language":{"code":"en"}}"#;
    let own = concat!(
        r#""product_policy":"STRICT","message_activity_sharing":true,"#,
        r#""message_send_ttl_seconds":60"#,
    );
    let body = with(&format!(r#"{template},{own}"#));
    assert!(matches!(parse(body.as_bytes(), Endpoint::MarketingMessages), Ok(Message::Send(_))));
    refused(
        Endpoint::Messages,
        &with(&format!(r#"{template},"product_policy":"STRICT""#)),
        "`product_policy`",
    );
    refused(Endpoint::MarketingMessages, &with(r#""text":{"body":"x"}"#), "`template`");
    refused(
        Endpoint::MarketingMessages,
        r#"{"messaging_product":"whatsapp","status":"read","message_id":"w"}"#,
        "`/messages`",
    );
}

#[test]
fn read_receipts_are_nothing_else() {
    let receipt = r#"{"messaging_product":"whatsapp","status":"read","message_id":"wamid.A""#;
    for rest in [
        "}",
        r#","typing_indicator":{"type":"text"}}"#,
        r#","to":null,"recipient_type":"individual"}"#,
    ] {
        assert_eq!(
            parse(format!("{receipt}{rest}").as_bytes(), Endpoint::Messages),
            Ok(Message::ReadReceipt),
            "{rest}"
        );
    }
    for (rest, names) in [
        (r#","text":{"body":"x"}}"#, "`text`"),
        (r#","type":"text"}"#, "`type`"),
        (r#","to":"+1"}"#, "`to`"),
        (r#","recipient":"US.1"}"#, "`recipient`"),
        (r#","recipient_type":"group"}"#, "`recipient_type`"),
        (r#","context":{"message_id":"w"}}"#, "`context`"),
        (r#","product_policy":"STRICT"}"#, "`product_policy`"),
    ] {
        refused(Endpoint::Messages, &format!("{receipt}{rest}"), names);
    }
    refused(
        Endpoint::Messages,
        r#"{"messaging_product":"whatsapp","status":"read"}"#,
        "`message_id`",
    );
    refused(
        Endpoint::Messages,
        r#"{"messaging_product":"whatsapp","status":"sent","message_id":"w"}"#,
        "`status`",
    );
    refused(Endpoint::Messages, &with(r#""text":{},"message_id":"w""#), "`message_id`");
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    for (rest, names) in [
        (r#""type":"text","text":{},"to":"+2""#, "`to` appears twice"),
        (r#""type":"text","text":{},"t\u006f":"+2""#, "`to` appears twice"),
        (r#""type":"text","text":{"body":"a","b\u006fdy":"b"}"#, "`body` appears twice"),
        (r#""template":{"name":"a","language":{"code":"en","code":"de"}}"#, "`code` appears twice"),
        (
            concat!(
                r#""template":{"name":"a","language":{"code":"en"},"components":[{"x":[{"y":1,"#,
                r#""y":2}]}]}"#,
            ),
            "`y` appears twice",
        ),
        (
            r#""context":{"message_id":"a","message_id":"b"},"text":{}"#,
            "`message_id` appears twice",
        ),
        (
            r#""type":"text","text":{"body":"x"},"template":{"name":"a","language":{"code":"en"}}"#,
            "two content objects",
        ),
        (r#""type":"template","text":{}"#, "`type` is `template`"),
        (r#""type":"template","template":null,"text":{}"#, "`type` is `template`"),
        (r#""type":"text""#, "`text` is missing"),
        (r#""context":null"#, "no content object"),
        (r#""type":"TEXT","text":{}"#, "`TEXT`"),
        (r#""type":["text"],"text":{}"#, "`type` must be a string"),
        (r#""type":"text","text":"hello""#, "`text` must be an object"),
        (r#""type":"contacts","contacts":{"a":1}"#, "`contacts` must be an array"),
        (r#""type":"template","template":[{"name":"a"}]"#, "`template` must be an object"),
    ] {
        refused(Endpoint::Messages, &with(rest), names);
    }
}

#[test]
fn what_a_send_is_not_known_to_have_is_refused() {
    let long = format!(r#""{}":1,"text":{{}}"#, "x".repeat(1000));
    for (rest, names) in [
        (r#""batch":[],"text":{}"#, "`batch` is not known"),
        (r#""access_token":"x","text":{}"#, "`access_token` is not known"),
        (r#""method":"GET","text":{}"#, "`method` is not known"),
        (r#""encrypted_contents":"x""#, "`encrypted_contents` is not known"),
        (r#""action":"connect""#, "`action` is not known"),
        (r#""To":"+1","text":{}"#, "`To` is not known"),
        (r#""\u0000":"+1","text":{}"#, r"`\0` is not known"),
        (r#""recipient_type":"list","text":{}"#, "`recipient_type`"),
        (r#""context":"wamid.A","text":{}"#, "`context` must be an object"),
        (r#""context":["wamid.A"],"text":{}"#, "`context` must be an object"),
        (r#""context":"\u0020","text":{}"#, "`context` must be an object"),
        (r#""preview_url":{},"text":{}"#, "`preview_url` means nothing"),
        (r#""from":["+1"],"text":{}"#, "`from` means nothing"),
        (r#""preview_urls":true,"text":{}"#, "`preview_urls` is not known"),
        (
            r#""biz_opaque_callback_data":{"a":1},"text":{}"#,
            "`biz_opaque_callback_data` must be a string",
        ),
        (r#""typing_indicator":{"type":"text"},"text":{}"#, "`typing_indicator`"),
        (long.as_str(), "x...` is not known"),
    ] {
        refused(Endpoint::Messages, &with(rest), names);
    }
}

#[test]
fn what_is_missing_is_named() {
    for (body, names) in [
        (r#"{}"#, "`messaging_product`"),
        (r#"{"messaging_product":"sms","to":"1","text":{}}"#, "`messaging_product`"),
        (r#"{"messaging_product":null,"to":"1","text":{}}"#, "`messaging_product`"),
        (r#"{"messaging_product":"whatsapp","text":{}}"#, "`to` is missing"),
        (r#"{"messaging_product":"whatsapp","to":"","text":{}}"#, "`to` is empty"),
        (
            r#"{"messaging_product":"whatsapp","to":"","recipient":"US.1","text":{}}"#,
            "`to` is empty",
        ),
        (r#"{"messaging_product":"whatsapp","to":true,"text":{}}"#, "`to` must be a string"),
        (r#"{"messaging_product":"whatsapp","to":["1"],"text":{}}"#, "`to` must be a string"),
        (
            r#"{"messaging_product":"whatsapp","to":"1","recipient":1,"text":{}}"#,
            "`recipient` must be a string",
        ),
        (
            concat!(
                r#"{"messaging_product":"whatsapp","recipient_type":"group","recipient":"US.1","#,
                r#""text":{}}"#,
            ),
            "`to` is missing",
        ),
        (r#"{"messaging_product":"whatsapp","to":"1","template":{}}"#, "`template.name`"),
        (r#"{"messaging_product":"whatsapp","to":"1","template":{"name":""}}"#, "`template.name`"),
        (r#"{"messaging_product":"whatsapp","to":"1","template":{"name":7}}"#, "`template.name`"),
        (
            r#"{"messaging_product":"whatsapp","to":"1","template":{"name":"a"}}"#,
            "`template.language.code`",
        ),
        (
            concat!(
                r#"{"messaging_product":"whatsapp","to":"1","template":{"name":"a","#,
                r#""language":{"code":""}}}"#,
            ),
            "`template.language.code`",
        ),
        (
            r#"{"messaging_product":"whatsapp","to":"1","template":{"name":"a","language":"en"}}"#,
            "`template.language`",
        ),
    ] {
        refused(Endpoint::Messages, body, names);
    }
}

#[test]
fn what_is_not_one_json_object_is_refused() {
    let good = with(r#""text":{"body":"x"}"#);
    for (body, names) in [
        (String::new(), "not a JSON object"),
        ("  ".to_owned(), "not a JSON object"),
        ("null".to_owned(), "not a JSON object"),
        (format!("[{good}]"), "not a JSON object"),
        (format!("\u{feff}{good}"), "not a JSON object"),
        (format!("{good}{good}"), "not valid JSON"),
        (format!("{good},"), "not valid JSON"),
        (format!("{good}\0"), "not valid JSON"),
        (good[..good.len() - 1].to_owned(), "not valid JSON"),
        (with(r#""text":{"body":"\ud83d"}"#), "not valid JSON"),
        (with("\"text\":{\"body\":\"a\nb\"}"), "not valid JSON"),
        (with(r#""text":{"n":NaN}"#), "not valid JSON"),
        (with(r#""text":{"n":01}"#), "not valid JSON"),
        (with(r#""text":{},"#), "not valid JSON"),
    ] {
        refused(Endpoint::Messages, &body, names);
    }
    let mut broken = good.into_bytes();
    let last = broken.len() - 4;
    broken[last] = 0xff;
    assert!(
        parse(&broken, Endpoint::Messages)
            .is_err_and(|malformed| malformed.details.contains("UTF-8"))
    );
}

#[test]
fn depth_is_bounded() {
    let nested = |levels: usize| {
        with(&format!(r#""text":{{"x":{}{}}}"#, "[".repeat(levels), "]".repeat(levels)))
    };
    assert_eq!(send(&nested(30)).kind, Kind::Text);
    refused(Endpoint::Messages, &nested(31), "deeper than 32");
    for open in ["[", r#"{"a":"#] {
        let deep = with(&format!(r#""text":{}"#, open.repeat(256 * 1024 / open.len())));
        refused(Endpoint::Messages, &deep, "deeper than 32");
    }
}

#[test]
fn many_keys_are_told_apart() {
    let keys = |last: &str| {
        let fields: Vec<String> = (0..10_000).map(|n| format!(r#""k{n}":{{"k":{n}}}"#)).collect();
        with(&format!(r#""text":{{{},"{last}":1}}"#, fields.join(",")))
    };
    assert_eq!(send(&keys("other")).kind, Kind::Text);
    refused(Endpoint::Messages, &keys("k0"), "`k0` appears twice");
    refused(Endpoint::Messages, &keys("k9999"), "`k9999` appears twice");
}

fn is_empty(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Null => true,
        serde_json::Value::String(text) => text.is_empty(),
        serde_json::Value::Array(items) => items.is_empty(),
        serde_json::Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// Bodies close enough to messages that some of them are.
fn near_messages() -> impl Strategy<Value = String> {
    let value = prop::sample::select(vec![
        "null",
        "1",
        "-2.5e3",
        "true",
        r#""""#,
        r#""read""#,
        r#""utility""#,
        r#""text""#,
        r#""template""#,
        r#""group""#,
        r#""+1650""#,
        "{}",
        "[]",
        r#"{"name":"a","language":{"code":"en"}}"#,
        r#"{"body":"x","body":"y"}"#,
        r#"[{"a":1}]"#,
        "{",
    ]);
    let key = prop::sample::select(vec![
        "to",
        "recipient",
        "recipient_type",
        "type",
        "text",
        "image",
        "template",
        "contacts",
        "status",
        "message_id",
        "context",
        "t\\u006f",
        "te\\u0078t",
        "batch",
        "product_policy",
        "category",
        "ttl_seconds",
        "preview_url",
    ]);
    prop::collection::vec((key, value), 0..6).prop_map(|fields| {
        let fields: String =
            fields.into_iter().map(|(key, value)| format!(r#","{key}":{value}"#)).collect();
        format!(r#"{{"messaging_product":"whatsapp"{fields}}}"#)
    })
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(parse(&bytes, Endpoint::Messages));
    }

    #[test]
    fn a_message_has_one_content_object(body in near_messages()) {
        if let Ok(Message::Send(send)) = parse(body.as_bytes(), Endpoint::Messages) {
            let value: serde_json::Value = serde_json::from_str(&body).expect("a message is JSON");
            let contents: Vec<&str> =
                Kind::ALL
                    .iter()
                    .map(|kind| kind.as_str())
                    .filter(|name| value.get(name).is_some_and(|it| !is_empty(it)))
                    .collect();
            let kind = send.kind.as_str();
            prop_assert!(contents == [kind] || contents.is_empty() && value.get(kind).is_some());
            let is_kind = |it: &serde_json::Value| it.is_null() || it == send.kind.as_str();
            prop_assert!(value.get("type").is_none_or(is_kind));
            let to = value.get("to").and_then(|to| match to {
                serde_json::Value::String(text) => Some(text.clone()),
                serde_json::Value::Number(number) => Some(number.to_string()),
                _ => None,
            });
            prop_assert_eq!(to.as_deref(), send.to.as_deref());
        }
    }
}
