//! Rows about the body: what is not one unambiguous message.

use super::request::{Head, Row, recipient, row};
use crate::support::NUMBER;

pub(super) fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> =
        [malformed(), unsupported(), passing(), marketing()].into_iter().flatten().collect();
    let bytes: [(&str, &[u8]); 5] = [
        ("a byte order mark", b"\xef\xbb\xbf{}"),
        ("no UTF-8", b"{\"messaging_product\":\"whatsapp\",\"to\":\"\xff\"}"),
        ("UTF-16", b"{\0}\0"),
        ("gzip", b"\x1f\x8b\x08\x00"),
        ("a zero byte", b"\0"),
    ];
    rows.extend(bytes.map(|(name, body)| row(name, Head::good().body(body), "400 malformed")));
    let deep = format!(
        r#"{{"messaging_product":"whatsapp","to":"+1","interactive":{}1{}}}"#,
        r#"{"a":"#.repeat(40),
        "}".repeat(40)
    );
    rows.push(row("too deep", Head::good().body(deep), "400 malformed"));
    rows
}

/// A body of the usual product and recipient with these further fields.
fn with(fields: &str) -> String {
    format!(r#"{{"messaging_product":"whatsapp","to":"{}",{fields}}}"#, recipient())
}

/// Bodies that are no object, or not one.
const WHOLE: &[&str] = &[
    "",
    " ",
    "{}",
    "[]",
    "null",
    "true",
    "1",
    "\"x\"",
    "{",
    "{}{}",
    "{} x",
    "{\"a\":1,}",
    "{'messaging_product':'whatsapp'}",
    "messaging_product=whatsapp",
    "NaN",
];

/// Further fields that no single message has.
const FIELDS: &[&str] = &[
    r#""text":{"body":"x"},"text":{"body":"y"}"#,
    r#""text":{"body":"x"},"t\u0065xt":{"body":"y"}"#,
    r#""text":{"body":"x","body":"y"}"#,
    r#""text":{"body":"x"},"to":"+16505550100""#,
    r#""text":{"body":"x"},"t\u006f":"+16505550100""#,
    r#""text":{"body":"x"},"messaging_product":"whatsapp""#,
    r#""type":"text","template":{"name":"a","language":{"code":"en"}}"#,
    r#""type":"template","text":{"body":"x"}"#,
    r#""type":"text""#,
    r#""type":"sms","text":{"body":"x"}"#,
    r#""type":"TEXT","text":{"body":"x"}"#,
    r#""type":["text"],"text":{"body":"x"}"#,
    r#""type":"image","text":{"body":"x"}"#,
    r#""text":"x""#,
    r#""text":[{"body":"x"}]"#,
    r#""text":{"body":"x"},"image":{"id":"1"}"#,
    r#""text":{"body":"x"},"contacts":[{"name":{}}]"#,
    r#""text":{"body":"x"},"category":"marketing""#,
    r#""text":{"body":"x"},"category":"service""#,
    r#""text":{"body":"x"},"category":"UTILITY""#,
    r#""text":{"body":"x"},"category":1"#,
    r#""text":{"body":"x"},"ttl_seconds":60"#,
    r#""text":{"body":"x"},"category":"utility","ttl_seconds":29"#,
    r#""text":{"body":"x"},"category":"utility","ttl_seconds":43201"#,
    r#""text":{"body":"x"},"category":"authentication","ttl_seconds":901"#,
    r#""text":{"body":"x"},"category":"utility","ttl_seconds":"60""#,
    r#""text":{"body":"x"},"bid_amount":1"#,
    r#""text":{"body":"x"},"recipients":["+1","+2"]"#,
    r#""text":{"body":"x"},"batch":[]"#,
    r#""text":{"body":"x"},"access_token":"x""#,
    r#""text":{"body":"x"},"method":"post""#,
    r#""text":{"body":"x"},"relative_url":"/x""#,
    r#""text":{"body":"x"},"recipient_type":"everybody""#,
    r#""text":{"body":"x"},"recipient_type":1"#,
    r#""text":{"body":"x"},"biz_opaque_callback_data":1"#,
    r#""text":{"body":"x"},"biz_opaque_callback_data":{"a":1}"#,
    r#""text":{"body":"x"},"status":"delivered""#,
    r#""text":{"body":"x"},"status":"read""#,
    r#""text":{"body":"x"},"message_id":"wamid.A""#,
    r#""text":{"body":"x"},"typing_indicator":{"type":"text"}"#,
    r#""text":{"body":"x"},"product_policy":"STRICT""#,
    r#""status":"read","message_id":"wamid.A","text":{"body":"x"}"#,
    r#""template":{}"#,
    r#""template":{"name":"a"}"#,
    r#""template":{"name":"","language":{"code":"en"}}"#,
    r#""template":{"name":"a","language":"en"}"#,
    r#""template":{"name":"a","language":{}}"#,
    r#""template":{"name":["a"],"language":{"code":"en"}}"#,
    r#""template":{"name":"a","name":"b","language":{"code":"en"}}"#,
    r#""template":{"name":"a","language":{"code":"en","code":"de"}}"#,
];

/// Objects whose product or recipient is none.
const RECIPIENTS: &[&str] = &[
    r#"{"messaging_product":"whatsapp","text":{"body":"x"}}"#,
    r#"{"messaging_product":"whatsapp","to":"","text":{"body":"x"}}"#,
    r#"{"messaging_product":"whatsapp","to":null,"text":{"body":"x"}}"#,
    r#"{"messaging_product":"whatsapp","to":["+1"],"text":{"body":"x"}}"#,
    r#"{"messaging_product":"whatsapp","to":{"a":1},"text":{"body":"x"}}"#,
    r#"{"messaging_product":"whatsapp","to":true,"text":{"body":"x"}}"#,
    r#"{"messaging_product":"whatsapp","to":1.5,"text":{"body":"x"}}"#,
    r#"{"messaging_product":"whatsapp","to":1e9,"text":{"body":"x"}}"#,
    r#"{"messaging_product":"whatsapp","to":-919812345678,"text":{"body":"x"}}"#,
    r#"{"messaging_product":"whatsapp","to":1234567890123456,"text":{"body":"x"}}"#,
    r#"{"messaging_product":"WhatsApp","to":"+919812345678","text":{"body":"x"}}"#,
    r#"{"messaging_product":["whatsapp"],"to":"+919812345678","text":{"body":"x"}}"#,
    r#"{"to":"+919812345678","text":{"body":"x"}}"#,
];

fn malformed() -> Vec<Row> {
    let text = r#""text":{"body":"x"}"#;
    let named = FIELDS.iter().map(|fields| with(fields));
    let bodies = WHOLE.iter().chain(RECIPIENTS).map(|body| (*body).to_owned()).chain(named);
    let mut rows: Vec<Row> = bodies
        .map(|body| row(format!("body {body}"), Head::good().body(body), "400 malformed"))
        .collect();
    let repeated = format!(r#"{{"messaging_product":"whatsapp",{text},"to":"+91"}} "#).repeat(2);
    rows.push(row("two bodies in one", Head::good().body(repeated), "400 malformed"));
    rows
}

fn unsupported() -> Vec<Row> {
    [
        "12",
        "+0123456789",
        "abc",
        "++919812345678",
        "+91 98123 456789 01234",
        "+91x9812345678",
        "US.",
        "US.!",
        "us.123",
        "1.2",
        "٩١٩٨",
    ]
    .into_iter()
    .map(|to| {
        let body =
            format!(r#"{{"messaging_product":"whatsapp","to":"{to}","text":{{"body":"x"}}}}"#);
        row(format!("recipient {to}"), Head::good().body(body), "422 recipient_unsupported")
    })
    .chain([row(
        "a group",
        Head::good().body(with(r#""recipient_type":"group","text":{"body":"x"}"#)),
        "422 recipient_unsupported",
    )])
    .collect()
}

fn passing() -> Vec<Row> {
    [
        r#""text":{"body":"x"},"preview_url":true"#,
        r#""text":{"body":"x"},"from":"1""#,
        r#""text":{"body":"x"},"id":"wamid.A""#,
        r#""text":{"body":"x"},"context":null"#,
        r#""text":{"body":"x"},"context":[]"#,
        r#""text":{"body":"x"},"context":"""#,
        r#""text":{"body":"x"},"image":null"#,
        r#""text":{"body":"x"},"template":{}"#,
        r#""text":{"body":"x"},"recipient_type":"individual""#,
        r#""text":{"body":"x"},"biz_opaque_callback_data":"a\"b""#,
        r#""type":"text","text":{"body":"\ud83d\ude00"}"#,
    ]
    .into_iter()
    .map(|fields| row(format!("passing {fields}"), Head::good().body(with(fields)), "200"))
    .collect()
}

fn marketing() -> Vec<Row> {
    let line = format!("POST /v24.0/{NUMBER}/marketing_messages HTTP/1.1");
    [
        r#""text":{"body":"x"}"#,
        r#""status":"read","message_id":"wamid.A""#,
        r#""category":"utility","text":{"body":"x"}"#,
    ]
    .into_iter()
    .map(|fields| {
        let head = Head::good().line(&line);
        row(format!("marketing {fields}"), head.body(with(fields)), "400 malformed")
    })
    .collect()
}
