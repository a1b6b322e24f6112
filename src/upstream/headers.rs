//! Which headers are passed to Meta and back.

use hyper::HeaderMap;
use hyper::header::{self, HeaderName, HeaderValue};

/// The client's headers that are passed on with a send. No `accept-encoding`: the answer must be
/// readable here.
static SEND: [HeaderName; 5] = [
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::USER_AGENT,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// The client's headers that are passed on with other paths; no body of theirs is read here.
static PASS_THROUGH: [HeaderName; 16] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_TYPE,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::RANGE,
    header::USER_AGENT,
    HeaderName::from_static("file_offset"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// Headers that are about one connection (RFC 9110, section 7.6.1), with those that older peers
/// still send.
static HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// The headers of a send to Meta. The content type is the one the body was read and priced as,
/// not the client's.
pub(super) fn for_send(client: &HeaderMap, authorization: HeaderValue) -> HeaderMap {
    let mut headers = allowed(client, &SEND, authorization);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers
}

/// The headers of any other request to Meta.
pub(super) fn for_pass_through(client: &HeaderMap, authorization: HeaderValue) -> HeaderMap {
    allowed(client, &PASS_THROUGH, authorization)
}

fn allowed(client: &HeaderMap, names: &[HeaderName], authorization: HeaderValue) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::AUTHORIZATION, authorization);
    for name in names {
        if names_hop(client, name) {
            continue;
        }
        for value in client.get_all(name) {
            headers.append(name, value.clone());
        }
    }
    headers
}

/// Removes the headers of an answer that concern only its connection.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> =
        connection_tokens(headers).filter_map(|token| HeaderName::try_from(token).ok()).collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

/// Whether the `Connection` header lists `name`, so that it concerns that connection only.
fn names_hop(headers: &HeaderMap, name: &HeaderName) -> bool {
    connection_tokens(headers).any(|token| token.eq_ignore_ascii_case(name.as_str()))
}

fn connection_tokens(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::{for_pass_through, for_send, strip_hop_by_hop};
    use hyper::HeaderMap;
    use hyper::header::{HeaderName, HeaderValue};

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn a_send_carries_only_what_is_allowed() {
        let client = map(&[
            ("authorization", "Bearer tg_live_secret"),
            ("user-agent", "sdk/1"),
            ("traceparent", "00-a-b-01"),
            ("accept-encoding", "gzip"),
            ("cookie", "a=b"),
            ("host", "gateway"),
            ("tollgate-campaign", "diwali"),
            ("idempotency-key", "k"),
            ("x-forwarded-for", "10.0.0.1"),
            ("connection", "keep-alive, TraceState"),
            ("tracestate", "x=y"),
            ("transfer-encoding", "chunked"),
        ]);
        let expected = map(&[
            ("authorization", "Bearer meta"),
            ("user-agent", "sdk/1"),
            ("traceparent", "00-a-b-01"),
            ("content-type", "application/json"),
        ]);
        assert_eq!(for_send(&client, HeaderValue::from_static("Bearer meta")), expected);
    }

    #[test]
    fn other_paths_keep_what_media_needs() {
        let client = map(&[
            ("content-type", "multipart/form-data; boundary=x"),
            ("range", "bytes=0-9"),
            ("authorization", "Bearer x"),
        ]);
        let expected = map(&[
            ("authorization", "Bearer meta"),
            ("content-type", "multipart/form-data; boundary=x"),
            ("range", "bytes=0-9"),
        ]);
        assert_eq!(for_pass_through(&client, HeaderValue::from_static("Bearer meta")), expected);
    }

    #[test]
    fn answers_lose_what_was_about_the_connection() {
        let mut headers = map(&[
            ("connection", "close, x-hop"),
            ("keep-alive", "timeout=5"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("x-fb-trace-id", "A"),
            ("content-type", "application/json"),
        ]);
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers, map(&[("x-fb-trace-id", "A"), ("content-type", "application/json")]));
    }
}
