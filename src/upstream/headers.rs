//! Which headers are passed to Meta and back.

use hyper::HeaderMap;
use hyper::header::{self, HeaderName, HeaderValue};

use super::pass_through::Passing;
use super::target::AccessToken;

/// The client's headers that are passed on with a send. No `accept-encoding`: the answer must be
/// readable here.
static SEND: [HeaderName; 5] = [
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::USER_AGENT,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// The client's headers that are passed on with other requests to the Graph API. Body and answer
/// are read here, so none about their type, encoding or parts.
static GRAPH: [HeaderName; 9] = [
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_UNMODIFIED_SINCE,
    header::USER_AGENT,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// Those that a download has beside them: its bytes go back as they come.
static DOWNLOAD: [HeaderName; 3] = [header::ACCEPT_ENCODING, header::IF_RANGE, header::RANGE];

/// Headers that decide what a request means: no connection may keep them to itself.
static ESSENTIAL: [HeaderName; 5] = [
    header::AUTHORIZATION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::HOST,
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
pub(super) fn for_send(client: &HeaderMap, token: &AccessToken) -> HeaderMap {
    let mut headers = allowed(client, SEND.iter(), token);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers
}

/// The headers of any other request to Meta.
pub(super) fn for_pass_through(
    client: &HeaderMap,
    token: &AccessToken,
    passing: &Passing,
) -> HeaderMap {
    match passing {
        Passing::Question => allowed(client, GRAPH.iter(), token),
        Passing::Body(content_type) => {
            let mut headers = allowed(client, GRAPH.iter(), token);
            headers.insert(header::CONTENT_TYPE, content_type.clone());
            headers
        }
        Passing::Download => allowed(client, GRAPH.iter().chain(&DOWNLOAD), token),
    }
}

/// The header that the `Connection` header of a request names although the request means something
/// else without it; whoever reads it next would drop it.
pub fn misplaced(client: &HeaderMap) -> Option<&'static str> {
    let found = ESSENTIAL.iter().find(|name| names_hop(client, name));
    found.map(|name| name.as_str())
}

/// Whether a provider may want its token in the header of that name: any that is the gateway's own
/// to set, or about a connection, means something else.
pub fn may_carry_token(name: &HeaderName) -> bool {
    let others = [
        header::CONTENT_DISPOSITION,
        header::COOKIE,
        header::DATE,
        header::EXPECT,
        header::FORWARDED,
        header::HOST,
        header::ORIGIN,
        header::REFERER,
        header::SET_COOKIE,
        header::VIA,
        HeaderName::from_static("file_offset"),
    ];
    let own = SEND.iter().chain(&GRAPH).chain(&DOWNLOAD).chain(&ESSENTIAL);
    own.chain(&HOP_BY_HOP).chain(&others).all(|other| other != name)
}

fn allowed<'n>(
    client: &HeaderMap,
    names: impl Iterator<Item = &'n HeaderName>,
    token: &AccessToken,
) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    let (name, value) = token.header();
    headers.insert(name, value);
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
    use super::super::pass_through::Passing;
    use super::super::target::AccessToken;
    use super::{for_pass_through, for_send, may_carry_token, misplaced, strip_hop_by_hop};
    use hyper::HeaderMap;
    use hyper::header::{HeaderName, HeaderValue};

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn token() -> AccessToken {
        "meta".parse().expect("a token")
    }

    #[test]
    fn a_provider_may_have_a_header_of_its_own() {
        for (name, may) in [
            ("d360-api-key", true),
            ("x-api-key", true),
            ("authorization", false),
            ("connection", false),
            ("transfer-encoding", false),
            ("proxy-authorization", false),
            ("host", false),
            ("content-length", false),
            ("content-type", false),
            ("cookie", false),
            ("user-agent", false),
        ] {
            assert_eq!(may_carry_token(&HeaderName::from_static(name)), may, "{name}");
        }
        let client = map(&[("d360-api-key", "client's"), ("user-agent", "sdk/1")]);
        let own = AccessToken::in_header("D360-API-KEY", "meta").expect("a token");
        let expected = map(&[
            ("d360-api-key", "meta"),
            ("user-agent", "sdk/1"),
            ("content-type", "application/json"),
        ]);
        assert_eq!(for_send(&client, &own), expected);
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
        assert_eq!(for_send(&client, &token()), expected);
    }

    #[test]
    fn other_requests_have_the_type_that_was_read() {
        let client = map(&[
            ("content-type", "text/plain"),
            ("content-encoding", "gzip"),
            ("accept-encoding", "gzip"),
            ("range", "bytes=0-9"),
            ("user-agent", "sdk/1"),
            ("x-http-method-override", "DELETE"),
            ("authorization", "Bearer x"),
        ]);
        let question = map(&[("authorization", "Bearer meta"), ("user-agent", "sdk/1")]);
        assert_eq!(for_pass_through(&client, &token(), &Passing::Question), question);
        let mut form = question.clone();
        let kind = HeaderValue::from_static("multipart/form-data; boundary=x");
        form.insert("content-type", kind.clone());
        for connection in ["close", "content-type"] {
            let mut client = client.clone();
            client.insert("connection", HeaderValue::from_static(connection));
            let passing = Passing::Body(kind.clone());
            assert_eq!(for_pass_through(&client, &token(), &passing), form, "{connection}");
        }
        let mut download = question;
        download.insert("accept-encoding", HeaderValue::from_static("gzip"));
        download.insert("range", HeaderValue::from_static("bytes=0-9"));
        assert_eq!(for_pass_through(&client, &token(), &Passing::Download), download);
    }

    #[test]
    fn no_connection_keeps_what_a_request_means() {
        for (connection, found) in [
            ("close", None),
            ("keep-alive, TE", None),
            ("keep-alive, Content-Type", Some("content-type")),
            ("content-encoding", Some("content-encoding")),
            ("close,content-length", Some("content-length")),
            ("AUTHORIZATION", Some("authorization")),
            ("x, host ,y", Some("host")),
        ] {
            assert_eq!(misplaced(&map(&[("connection", connection)])), found, "{connection}");
        }
        let twice = map(&[("connection", "close"), ("connection", "host")]);
        assert_eq!(misplaced(&twice), Some("host"));
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
