//! Accept: what can be said about a send before its body is read, and the reading of the body.

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::request::Parts;
use hyper::body::Incoming;

use super::rejected::Rejected;
use super::service::SendOptions;
use crate::http::body::{BodyError, BodyRoom, read_body_into};
use crate::http::credentials;
use crate::rejection::RejectionKind;

/// What clients call the one character set there is.
const UTF_8: [&str; 2] = ["utf-8", "utf8"];

/// Longest idempotency key.
const MAX_KEY: usize = 255;

/// Refuses what cannot be a send by its head alone; returns the idempotency key.
pub fn check_head(head: &Parts) -> Result<Option<&[u8]>, Rejected> {
    if credentials::query_without_key(head.uri.query()).is_some() {
        return Err(Rejected::new(
            RejectionKind::Malformed,
            "a send takes no query parameter but access_token; everything else is in its body",
        ));
    }
    check_headers(&head.headers)?;
    idempotency_key(&head.headers)
}

/// JSON without a content encoding, or a rejection.
fn check_headers(headers: &HeaderMap) -> Result<(), Rejected> {
    let unsupported =
        |details: &str| Err(Rejected::new(RejectionKind::UnsupportedMediaType, details));
    let mut content_types = headers.get_all(header::CONTENT_TYPE).iter();
    let content_type =
        content_types.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_types.next().is_some() || !is_json(content_type) {
        return unsupported(
            "send the message as `Content-Type: application/json`, given once, in UTF-8",
        );
    }
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    if encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return unsupported("send the body without a content encoding");
    }
    Ok(())
}

/// `application/json` with no parameter but the character set it has anyway.
fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let essence =
        parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    let utf8 = |parameter: &str| {
        parameter.split_once('=').is_some_and(|(name, value)| {
            name.trim().eq_ignore_ascii_case("charset")
                && UTF_8
                    .iter()
                    .any(|utf8| value.trim().trim_matches('"').eq_ignore_ascii_case(utf8))
        })
    };
    essence && parts.filter(|parameter| !parameter.is_empty()).all(utf8)
}

/// The idempotency key: 1 to 255 visible ASCII characters, once.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<&[u8]>, Rejected> {
    let mut given = headers.get_all("idempotency-key").iter();
    let Some(key) = given.next() else { return Ok(None) };
    let key = key.as_bytes();
    if given.next().is_some()
        || !(1..=MAX_KEY).contains(&key.len())
        || !key.iter().all(u8::is_ascii_graphic)
    {
        return Err(Rejected::new(
            RejectionKind::Malformed,
            "an Idempotency-Key is 1 to 255 visible ASCII characters, given once",
        ));
    }
    Ok(Some(key))
}

/// The whole body, which takes its part of the memory of all bodies as long as `room` lives.
pub async fn body(
    incoming: Incoming,
    options: &SendOptions,
    room: &mut BodyRoom<'_>,
) -> Result<Bytes, Rejected> {
    let (limit, deadline) = (options.max_body_bytes, options.body_timeout);
    read_body_into(incoming, limit, deadline, room).await.map_err(|error| match error {
        BodyError::TooLarge { limit } => {
            Rejected::new(RejectionKind::TooLarge, format!("a send has at most {limit} bytes"))
        }
        BodyError::Slow { .. } => Rejected::new(RejectionKind::RequestTimeout, error),
        BodyError::Disconnected => Rejected::new(RejectionKind::ClientGone, error),
        BodyError::Malformed => Rejected::new(RejectionKind::Malformed, error),
        BodyError::NoRoom => Rejected::new(RejectionKind::Overloaded, error).retry_after(1),
    })
}
