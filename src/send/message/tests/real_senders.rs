//! What real senders write and Graph takes: fields it ignores, a number as recipient, Direct Send.

use super::{refused, send, with};
use crate::pricing::Category;
use crate::send::message::{Endpoint, Kind, Message, parse};

#[test]
fn what_graph_ignores_is_ignored() {
    let template = r#""template":{"name":"a","language":{"code":"en"}}"#;
    for (rest, kind) in [
        (r#""preview_url":true,"text":{"body":"x"}"#.to_owned(), Kind::Text),
        (r#""preview_url":"","from":"15550107788","id":"wamid.A","text":{}"#.into(), Kind::Text),
        (r#""from":15550107788,"id":null,"text":{}"#.into(), Kind::Text),
        (r#""context":[],"text":{}"#.into(), Kind::Text),
        (r#""context":"","text":{}"#.into(), Kind::Text),
        (r#""context":{},"text":{}"#.into(), Kind::Text),
        (r#""image":null,"template":{},"contacts":"","text":{"body":"x"}"#.into(), Kind::Text),
        (r#""text":{"body":"x"},"template":[],"contacts":{},"pin":"""#.into(), Kind::Text),
        (r#""type":"text","template":{},"text":{}"#.into(), Kind::Text),
        (format!(r#""text":{{}},{template},"image":"""#), Kind::Template),
        (format!(r#""type":"template","text":{{}},{template}"#), Kind::Template),
    ] {
        let body = with(&rest);
        assert_eq!(send(&body).kind, kind, "{body}");
        assert_eq!(send(&body).template.is_some(), kind == Kind::Template, "{body}");
    }
    let receipt = r#"{"messaging_product":"whatsapp","status":"read","message_id":"w","#;
    let receipt = format!(r#"{receipt}"id":"x","from":"1","context":[],"image":""}}"#);
    assert_eq!(parse(receipt.as_bytes(), Endpoint::Messages), Ok(Message::ReadReceipt));
    for (rest, names) in [
        (r#""type":"text","template":{}"#, "`text` is missing"),
        (r#""type":"image","image":"","text":{"body":"x"}"#, "`type` is `image`"),
        (r#""type":"template","template":{},"text":{"body":"x"}"#, "`type` is `template`"),
        (r#""template":{},"text":{}"#, "two content objects"),
        (r#""template":{}"#, "`template.name` is missing"),
        (r#""image":"","text":[]"#, "no content object"),
        (r#""text":"x","image":{"id":"1"}"#, "`text` must be an object"),
        (r#""text":{"body":"x"},"image":{"id":null}"#, "two content objects"),
    ] {
        refused(Endpoint::Messages, &with(rest), names);
    }
}

#[test]
fn an_object_may_be_a_string_of_json() {
    let template = r#"{\"name\":\"a\",\"language\":{\"code\":\"en-US\"}}"#;
    let language = r#""template":{"name":"a","language":" {\"code\":\"en_US\"}"}"#;
    let both = r#""template":"{\"name\":\"a\",\"language\":\"{\\\"code\\\":\\\"en_US\\\"}\"}""#;
    for (rest, kind) in [
        (r#""type":"text","text":"{\"body\":\"x\"}""#.to_owned(), Kind::Text),
        (r#""contacts":"[{\"name\":{\"formatted_name\":\"A\"}}]""#.into(), Kind::Contacts),
        (
            r#""interactive":{"type":"button","action":"{\"buttons\":[]}"}"#.into(),
            Kind::Interactive,
        ),
        (r#""context":"{\"message_id\":\"wamid.A\"}","text":{"body":"x"}"#.into(), Kind::Text),
        (r#""image":"{}","contacts":"[ ]","text":"\n{\"body\":\"x\"} ""#.into(), Kind::Text),
        (format!(r#""type":"template","template":"{template}""#), Kind::Template),
        (language.to_owned(), Kind::Template),
        (both.to_owned(), Kind::Template),
    ] {
        let body = with(&rest);
        let send = send(&body);
        assert_eq!(send.kind, kind, "{body}");
        if let Some(template) = send.template {
            assert_eq!((&*template.name, &*template.language), ("a", "en_US"), "{body}");
        }
    }
    let receipt = r#"{"messaging_product":"whatsapp","status":"read","message_id":"w","#;
    let receipt = format!(r#"{receipt}"typing_indicator":"{{\"type\":\"text\"}}"}}"#);
    assert_eq!(parse(receipt.as_bytes(), Endpoint::Messages), Ok(Message::ReadReceipt));
    let deep = format!(r#""text":"{}{}""#, "[".repeat(32), "]".repeat(32));
    for (rest, names) in [
        (r#""text":"{\"body\":\"x\",\"body\":\"y\"}""#, "`body` appears twice"),
        (r#""text":"{\"body\":\"x\"}{}""#, "`text` is a string that is not valid JSON"),
        (r#""text":"{\"body\":""#, "`text` is a string that is not valid JSON"),
        (r#""text":"[]","type":"text""#, "`text` is missing"),
        (r#""text":"[1]""#, "`text` must be an object"),
        (r#""text":"\"{}\"""#, "`text` must be an object"),
        (r#""contacts":"{\"a\":1}""#, "`contacts` must be an array"),
        (r#""context":"[\"wamid.A\"]","text":{}"#, "`context` must be an object"),
        (r#""template":"{\"name\":\"a\"}""#, "`template.language.code` is missing"),
        (r#""template":"{\"name\":7}""#, "`template.name` must be a string"),
        (r#""template":{"name":"a","language":"[]"}"#, "`template.language` must be an object"),
        (r#""template":{"name":"a","language":"en"}"#, "`template.language` must be an object"),
        (r#""type":"text","text":{"body":"x"},"image":"{\"id\":\"1\"}""#, "two content objects"),
        (r#""type":"{}","text":{}"#, "`type` is `{}`"),
        (&deep, "nests deeper than 32"),
    ] {
        refused(Endpoint::Messages, &with(rest), names);
    }
}

#[test]
fn a_recipient_may_be_an_integer() {
    let body = |to: &str| format!(r#"{{"messaging_product":"whatsapp","to":{to},"text":{{}}}}"#);
    for (to, digits) in [
        ("16505550144", "16505550144"),
        ("999999999999999", "999999999999999"),
        ("100000000000000", "100000000000000"),
        ("0", "0"),
    ] {
        let body = body(to);
        let send = send(&body);
        assert_eq!((send.to.as_deref(), send.to_is_number), (Some(digits), true), "{to}");
        assert_eq!(send.to_span, None);
    }
    for to in [
        "-16505550144",
        "16505550144.0",
        "16505550144.5",
        "1.6505550144e10",
        "16505550144e0",
        "1000000000000000",
        "18446744073709551615",
        "18446744073709551616",
        "165055501440000000000000",
        "-0",
    ] {
        refused(Endpoint::Messages, &body(to), "at most 15 digits");
    }
    for to in ["016505550144", "+16505550144", "0x1", "1_650"] {
        refused(Endpoint::Messages, &body(to), "not valid JSON");
    }
    let group = body("16505550144").replace("\"to\"", r#""recipient_type":"group","to""#);
    assert!(send(&group).group, "a group's id is told from a number later");
}

#[test]
fn direct_sends_are_read() {
    let text = r#""type":"text","text":{"body":"Your order left""#;
    for (rest, category) in [
        (r#""category":"utility""#, Some(Category::Utility)),
        (r#""category":"utility","ttl_seconds":30"#, Some(Category::Utility)),
        (r#""category":"utility","ttl_seconds":43200"#, Some(Category::Utility)),
        (r#""category":"utility","ttl_seconds":2592000"#, Some(Category::Utility)),
        (r#""ttl_seconds":900,"category":"authentication""#, Some(Category::Authentication)),
        (r#""category":"authentic\u0061tion""#, Some(Category::Authentication)),
        (r#""category":null,"ttl_seconds":null"#, None),
    ] {
        let body = with(&format!("{rest},{text}}}"));
        assert_eq!(send(&body).direct_send, category, "{body}");
    }
    let image = with(r#""category":"utility","image":{"id":"1"}"#);
    assert_eq!(send(&image).direct_send, Some(Category::Utility));
    for (rest, names) in [
        (r#""category":"marketing","text":{}"#, "`category` is `marketing`"),
        (r#""category":"service","text":{}"#, "`category` is `service`"),
        (r#""category":"authentication_international","text":{}"#, "`category`"),
        (r#""category":"UTILITY","text":{}"#, "`category` is `UTILITY`"),
        (r#""category":"","text":{}"#, "`category`"),
        (r#""category":1,"text":{}"#, "`category` must be a string"),
        (r#""category":["utility"],"text":{}"#, "`category` must be a string"),
        (r#""category":"utility","category":"utility","text":{}"#, "`category` appears twice"),
        (r#""ttl_seconds":60,"text":{}"#, "`category` is missing"),
        (r#""ttl_seconds":60,"category":null,"text":{}"#, "`category` is missing"),
        (r#""category":"utility","ttl_seconds":29,"text":{}"#, "30 to 43200"),
        (r#""category":"utility","ttl_seconds":43201,"text":{}"#, "30 to 43200"),
        (r#""category":"authentication","ttl_seconds":901,"text":{}"#, "30 to 900"),
        (r#""category":"authentication","ttl_seconds":2592000,"text":{}"#, "30 to 900"),
        (r#""category":"utility","ttl_seconds":"60","text":{}"#, "`ttl_seconds` must be a whole"),
        (r#""category":"utility","ttl_seconds":-1,"text":{}"#, "`ttl_seconds` must be a whole"),
        (r#""category":"utility","ttl_seconds":60.0,"text":{}"#, "`ttl_seconds` must be a whole"),
        (
            r#""category":"utility","template":{"name":"a","language":{"code":"en"}}"#,
            "a template has its own",
        ),
        (r#""category":"utility","reaction":{"emoji":""}"#, "type `reaction`"),
        (r#""category":"authentication","image":{"id":"1"}"#, "type `image`"),
    ] {
        refused(Endpoint::Messages, &with(rest), names);
    }
    refused(
        Endpoint::Messages,
        r#"{"messaging_product":"whatsapp","status":"read","message_id":"w","category":"utility"}"#,
        "cannot have `category`",
    );
    let template = r#""category":"utility","template":{"name":"a","language":{"code":"en"}}"#;
    refused(Endpoint::MarketingMessages, &with(template), "`category` belongs on `/messages`");
}
