//! Rows about the path and the query.

use super::request::{Head, Row, row, text};
use crate::support::{DISABLED, NUMBER, RIVAL_KEY, RIVAL_NUMBER, WABA};

pub(super) fn rows() -> Vec<Row> {
    [refused_paths(), good_paths(), channels(), queries()].into_iter().flatten().collect()
}

fn post(target: &str) -> Vec<u8> {
    Head::good().line(format!("POST {target} HTTP/1.1")).body(text())
}

fn refused_paths() -> Vec<Row> {
    let n = NUMBER;
    [
        "/".to_owned(),
        "*".to_owned(),
        format!("/{n}/messages"),
        "/v24.0/messages".to_owned(),
        "/v24.0".to_owned(),
        format!("/v24.0/{n}"),
        format!("/v24.0/{n}/messages_encrypted"),
        format!("/v24.0/{n}/calls"),
        format!("/v24.0/{n}/groups"),
        format!("/v24.0/{n}/register"),
        format!("/v24.0/{n}/request_code"),
        format!("/v24.0/{n}/settings"),
        format!("/v24.0/{n}/message_qrdls"),
        format!("/v24.0/{n}/messages/extra"),
        format!("/v24.0/{n}/Messages"),
        format!("/v24.0/{n}/messages;x=y"),
        format!("/v24.0/{n}/messages%20"),
        format!("/v24.0/{n}/%6dessages"),
        format!("/v24.0/{n}%2fmessages"),
        format!("/v24.0%2f{n}/messages"),
        format!("/v24.0/../v24.0/{n}/messages"),
        format!("/v24.0/./{n}/messages"),
        format!("/v24.0/{n}/../{n}/messages"),
        format!("/v24.0/{n}\\messages"),
        format!("/V24.0/{n}/messages"),
        format!("/v24/{n}/messages"),
        format!("/v24.0.1/{n}/messages"),
        format!("/v2400.0/{n}/messages"),
        format!("/v.0/{n}/messages"),
        format!("/v24.0/+{n}/messages"),
        "/v24.0/me/messages".to_owned(),
        format!("/v24.0/{}/messages", "1".repeat(33)),
        format!("/campaigns/x/{n}/messages"),
        format!("/campaigns/v24.0/{n}/messages"),
        format!("/campaigns/x/y/v24.0/{n}/messages"),
        format!("/campaigns/x/campaigns/y/v24.0/{n}/messages"),
        format!("/v24.0/{WABA}/message_templates"),
        format!("/v24.0/{WABA}/subscribed_apps"),
        format!("/v24.0/{WABA}/phone_numbers"),
        "/v24.0/graphql".to_owned(),
        "/oauth/access_token".to_owned(),
        "/metrics".to_owned(),
        "/v1/accounts".to_owned(),
    ]
    .into_iter()
    .map(|path| row(format!("POST {path:.60}"), post(&path), "403 path_not_allowed"))
    .collect()
}

fn good_paths() -> Vec<Row> {
    let n = NUMBER;
    [
        format!("/v24.0/{n}/messages/"),
        format!("//v24.0/{n}/messages"),
        format!("/campaigns/of-the-path/v24.0/{n}/messages"),
        format!("http://elsewhere.test/v24.0/{n}/messages"),
    ]
    .into_iter()
    .map(|path| row(format!("POST {path:.60}"), post(&path), "200"))
    .collect()
}

fn channels() -> Vec<Row> {
    let to = |number: &str| post(&format!("/v24.0/{number}/messages"));
    let stranger = Head::good()
        .without("Authorization")
        .with(format!("Authorization: Bearer {RIVAL_KEY}"))
        .line(format!("POST /v24.0/{NUMBER}/messages HTTP/1.1"))
        .body(text());
    vec![
        row("a channel that does not exist", to("999999999999999"), "403 channel_unknown"),
        row("another account's channel", to(RIVAL_NUMBER), "403 channel_unknown"),
        row("a channel that is off", to(DISABLED), "403 channel_disabled"),
        row("a leading zero", to(&format!("0{NUMBER}")), "403 channel_unknown"),
        row("a stranger on our channel", stranger, "403 channel_unknown"),
    ]
}

fn queries() -> Vec<Row> {
    let mut rows = Vec::new();
    for query in [
        "to=%2B16505550100",
        "type=template",
        "template=%7B%7D",
        "batch=%5B%5D",
        "method=delete",
        "method=post",
        "_method=get",
        "fields=id",
        "appsecret_proof=x",
        "a",
        "=",
        "&",
        "access_token=other-key-0123456789",
        "access_token=a&access_token=b",
        "ACCESS_TOKEN=x",
        "access%5Ftoken=x",
    ] {
        let target = format!("/v24.0/{NUMBER}/messages?{query}");
        rows.push(row(format!("query {query}"), post(&target), "400 malformed"));
    }
    let empty = post(&format!("/v24.0/{NUMBER}/messages?access_token="));
    rows.push(row("query access_token=", empty, "401 unauthorized"));
    rows.push(row("an empty query", post(&format!("/v24.0/{NUMBER}/messages?")), "400 malformed"));
    rows
}
