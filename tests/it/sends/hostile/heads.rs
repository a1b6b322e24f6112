//! Rows about the head: framing, host, method, headers and keys.

use super::request::{Head, Row, row, text};
use crate::support::{KEY, NUMBER, OPERATOR_KEY, READING_KEY, RIVAL_KEY};

pub(super) fn rows() -> Vec<Row> {
    [framing(), hosts(), methods(), content_types(), keys(), others()]
        .into_iter()
        .flatten()
        .collect()
}

/// Headers that two readers could take for two different requests.
const FRAMINGS: [(&str, &str); 30] = [
    ("length before chunked", "Content-Length: 5\r\nTransfer-Encoding: chunked"),
    ("chunked before length", "Transfer-Encoding: chunked\r\nContent-Length: 5"),
    ("chunked and length zero", "Transfer-Encoding: chunked\r\nContent-Length: 0"),
    ("chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
    ("chunked, chunked", "Transfer-Encoding: chunked, chunked"),
    ("gzip, chunked", "Transfer-Encoding: gzip, chunked"),
    ("identity", "Transfer-Encoding: identity"),
    ("xchunked", "Transfer-Encoding: xchunked"),
    ("chunked with a parameter", "Transfer-Encoding: chunked;q=1"),
    ("chunked in quotes", "Transfer-Encoding: \"chunked\""),
    ("an empty transfer encoding", "Transfer-Encoding:"),
    ("a space before the colon", "Transfer-Encoding : chunked"),
    ("a tab before the colon", "Transfer-Encoding\t: chunked"),
    ("a folded transfer encoding", "X: y\r\n Transfer-Encoding: chunked"),
    ("a bare line feed", "X: y\nTransfer-Encoding: chunked"),
    ("a bare carriage return", "X: y\rTransfer-Encoding: chunked"),
    ("two equal lengths", "Content-Length: 5\r\nContent-Length: 5"),
    ("two lengths", "Content-Length: 5\r\nContent-Length: 6"),
    ("a list of lengths", "Content-Length: 5, 5"),
    ("a length with a plus", "Content-Length: +5"),
    ("a length below zero", "Content-Length: -5"),
    ("a length in hexadecimal", "Content-Length: 0x5"),
    ("a length with a fraction", "Content-Length: 5.0"),
    ("an empty length", "Content-Length:"),
    ("a length beyond 64 bits", "Content-Length: 18446744073709551616"),
    ("a header without a colon", "no colon"),
    ("a header without a name", ": no name"),
    ("a zero byte in a name", "X\0Y: z"),
    ("a zero byte in a value", "X: y\0z"),
    ("a space in a name", "X Y: z"),
];

fn framing() -> Vec<Row> {
    let body = text();
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let mut rows: Vec<Row> = FRAMINGS
        .into_iter()
        .map(|(name, headers)| row(name, Head::good().with(headers).raw(&chunked), "400"))
        .collect();
    let chunks = [
        ("a chunk without a size", "\r\n{}\r\n0\r\n\r\n"),
        ("a chunk size below zero", "-2\r\n{}\r\n0\r\n\r\n"),
        ("a chunk size that is none", "2g\r\n{}\r\n0\r\n\r\n"),
        ("a chunk longer than its size", "1\r\n{}\r\n0\r\n\r\n"),
        ("a chunk size beyond 64 bits", "fffffffffffffffff\r\n{}"),
        ("a chunk that ends in a bare line feed", "2\r\n{}\n0\r\n\r\n"),
    ];
    rows.extend(chunks.into_iter().map(|(name, rest)| {
        row(name, Head::good().with("Transfer-Encoding: chunked").raw(rest), "400 malformed")
    }));
    rows.push(row(
        "good chunks",
        Head::good().with("Transfer-Encoding: chunked").raw(&chunked),
        "200",
    ));
    let body = text();
    rows.push(row(
        "good chunks with an extension",
        Head::good()
            .with("transfer-encoding: Chunked")
            .raw(format!("{:X};a=b\r\n{body}\r\n0\r\n\r\n", body.len())),
        "200",
    ));
    rows.push(row(
        "a body cut short",
        Head::good().with("Content-Length: 999").raw("{"),
        "499 client_gone",
    ));
    rows.push(row(
        "a length beyond the limit",
        Head::good().with("Content-Length: 1048577").raw(""),
        "413 too_large",
    ));
    rows.push(row(
        "smuggled behind a length of zero",
        [Head::good().body(""), Head::good().line("GET /livez HTTP/1.1").raw("")].concat(),
        "400 malformed",
    ));
    rows
}

fn hosts() -> Vec<Row> {
    let without = || Head::good().without("Host");
    let refused = [
        ("no host", without()),
        ("two hosts", Head::good().with("Host: other")),
        ("the same host twice", Head::good().with("Host: gateway")),
        ("an empty host", without().with("Host:")),
        ("a host with a user", without().with("Host: user@gateway")),
        ("a host with a space", without().with("Host: gate way")),
        ("a host with a slash", without().with("Host: gateway/x")),
        ("a host with a bad port", without().with("Host: gateway:port:1")),
    ];
    let mut rows: Vec<Row> =
        refused.into_iter().map(|(name, head)| row(name, head.body(text()), "400")).collect();
    let line = format!("POST /v24.0/{NUMBER}/messages HTTP/1.0");
    rows.push(row("HTTP/1.0 without a host", without().line(&line).body(text()), "200"));
    rows.push(row("a host with a port", without().with("Host: a.test:8080").body(text()), "200"));
    rows
}

fn methods() -> Vec<Row> {
    let path = format!("/v24.0/{NUMBER}/messages");
    let mut rows = Vec::new();
    for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "HEAD", "post", "BATCH"] {
        let head = Head::good().line(format!("{method} {path} HTTP/1.1"));
        rows.push(row(format!("{method} of a send"), head.body(text()), "403 path_not_allowed"));
    }
    for (name, line, reply) in [
        ("connect", "CONNECT graph.example:443 HTTP/1.1".to_owned(), "403 path_not_allowed"),
        ("no version", format!("POST {path}"), "400"),
        ("HTTP/3.0", format!("POST {path} HTTP/3.0"), "400"),
        ("HTTP/0.9", format!("POST {path} HTTP/0.9"), "400"),
        ("two spaces", format!("POST  {path} HTTP/1.1"), "400"),
        ("a method with a zero byte", format!("PO\0ST {path} HTTP/1.1"), "400"),
        ("no method", format!(" {path} HTTP/1.1"), "400"),
    ] {
        rows.push(row(name, Head::good().line(line).body(text()), reply));
    }
    rows
}

fn content_types() -> Vec<Row> {
    let of = |value: &str| {
        Head::good().without("Content-Type").with(format!("Content-Type: {value}")).body(text())
    };
    let mut rows = Vec::new();
    for value in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF8",
        "application/json; Charset=\"utf-8\"",
    ] {
        rows.push(row(format!("content type {value}"), of(value), "200"));
    }
    for value in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/json; charset=latin1",
        "application/jsonp",
        "application/json, text/plain",
        "json",
        "",
    ] {
        rows.push(row(format!("content type `{value}`"), of(value), "415 unsupported_media_type"));
    }
    let unsupported = "415 unsupported_media_type";
    rows.push(row(
        "no content type",
        Head::good().without("Content-Type").body(text()),
        unsupported,
    ));
    rows.push(row(
        "two content types",
        Head::good().with("Content-Type: text/plain").body(text()),
        unsupported,
    ));
    for encoding in ["gzip", "deflate", "br", "identity, gzip"] {
        let head = Head::good().with(format!("Content-Encoding: {encoding}"));
        rows.push(row(format!("content encoding {encoding}"), head.body(text()), unsupported));
    }
    rows
}

fn keys() -> Vec<Row> {
    let with = |value: &str| {
        Head::good().without("Authorization").with(format!("Authorization: {value}")).body(text())
    };
    let none = Head::good().without("Authorization").body(text());
    let mut rows = vec![row("no key", none, "401 unauthorized")];
    let long = format!("Bearer {}", "k".repeat(300));
    for value in ["", "Bearer", "Bearer ", "Basic dTpw", KEY, "Bearer a b", "Bearer EAAmeta", &long]
    {
        rows.push(row(format!("authorization `{value:.24}`"), with(value), "401 unauthorized"));
    }
    for (name, key, reply) in [
        ("a key without the scope", READING_KEY, "401 unauthorized"),
        ("an operator's key", OPERATOR_KEY, "401 unauthorized"),
        ("another account's key", RIVAL_KEY, "403 channel_unknown"),
    ] {
        rows.push(row(name, with(&format!("Bearer {key}")), reply));
    }
    rows.push(row(
        "two keys in headers",
        Head::good().with(format!("Authorization: Bearer {RIVAL_KEY}")).body(text()),
        "401 unauthorized",
    ));
    rows
}

fn others() -> Vec<Row> {
    let mut rows = Vec::new();
    for value in ["", "a/b", "a b", "ä", &"c".repeat(65)] {
        let head = Head::good().with(format!("Tollgate-Campaign: {value}"));
        rows.push(row(format!("campaign `{value:.9}`"), head.body(text()), "400 malformed"));
    }
    let two = Head::good().with("Tollgate-Campaign: a").with("Tollgate-Campaign: b");
    rows.push(row("two campaigns", two.body(text()), "400 malformed"));
    for value in ["", "a b", "ä", &"k".repeat(256)] {
        let head = Head::good().with(format!("Idempotency-Key: {value}"));
        rows.push(row(format!("idempotency key `{value:.9}`"), head.body(text()), "400 malformed"));
    }
    let two = Head::good().with("Idempotency-Key: a").with("Idempotency-Key: b");
    rows.push(row("two idempotency keys", two.body(text()), "400 malformed"));
    rows.push(row(
        "an upgrade",
        Head::good().with("Connection: upgrade").with("Upgrade: h2c").body(text()),
        "200",
    ));
    rows.push(row(
        "a head too long",
        Head::good().with(format!("X: {}", "x".repeat(40_000))).body(text()),
        "431",
    ));
    let many = (0..200).fold(Head::good(), |head, n| head.with(format!("X-{n}: y")));
    rows.push(row("too many headers", many.body(text()), "431"));
    rows
}
