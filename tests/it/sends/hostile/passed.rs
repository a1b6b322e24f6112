//! Rows of passed-through requests: bodies and heads that would make another request of them.

use super::request::{Head, Row, row};
use crate::support::{KEY, NUMBER, WABA};

fn to(method: &str, path: &str) -> Head {
    Head::good().line(format!("{method} /v24.0/{path} HTTP/1.1"))
}

pub(super) fn rows() -> Vec<Row> {
    let media = format!("{NUMBER}/media");
    let profile = format!("{NUMBER}/whatsapp_business_profile");
    let templates = format!("{WABA}/message_templates");
    let batch = r#"{"batch":[{"method":"POST","relative_url":"messages"}]}"#;
    let mut rows = Vec::new();
    for (name, method, path) in [
        ("number", "GET", NUMBER),
        ("media object", "GET", "990000000000001"),
        ("media object", "DELETE", "990000000000001"),
        ("profile", "GET", &profile),
        ("templates", "GET", &templates),
    ] {
        let named = |what: &str| format!("{method} of a {name} {what}");
        rows.push(row(named("with a body"), to(method, path).body(batch), "400 malformed"));
        let length = batch.len();
        let chunk = format!("{length:x}\r\n{batch}\r\n0\r\n\r\n");
        let chunked = to(method, path).with("Transfer-Encoding: chunked").raw(chunk);
        rows.push(row(named("with a chunked body"), chunked, "400 malformed"));
    }
    for header in
        ["content-type", "Content-Length", "close, authorization", "host", "content-encoding"]
    {
        let head = to("POST", &profile).with(format!("Connection: {header}"));
        let name = format!("profile whose connection keeps {header}");
        rows.push(row(name, head.body(r#"{"messaging_product":"whatsapp"}"#), "400 malformed"));
    }
    let form = |fields: &str| {
        let head = to("POST", &media).without("Content-Type");
        head.with("Content-Type: multipart/form-data; boundary=XX").body(fields)
    };
    let json = to("POST", &media).body(batch);
    rows.push(row("upload of JSON with a batch", json, "415 unsupported_media_type"));
    let urlencoded = to("POST", &media).without("Content-Type");
    let urlencoded = urlencoded.with("Content-Type: application/x-www-form-urlencoded");
    rows.push(row(
        "upload of a form with a batch",
        urlencoded.body("batch=[]"),
        "415 unsupported_media_type",
    ));
    let part = |name: &str, value: &str| {
        format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    for (name, parts, reply) in [
        ("a batch", part("batch", "[]"), "403 path_not_allowed"),
        ("a key", part("access_token", KEY), "403 path_not_allowed"),
        ("bare line breaks", part("batch", "[]").replace('\r', ""), "400 malformed"),
        ("a preamble", format!("x\r\n{}", part("file", "x")), "400 malformed"),
        (
            "an end in the middle",
            format!("{}--XX--\r\n{}", part("file", "x"), part("batch", "[]")),
            "400 malformed",
        ),
    ] {
        rows.push(row(format!("upload with {name}"), form(&format!("{parts}--XX--\r\n")), reply));
    }
    rows
}
