//! Gives every request a name that its reply, its log lines and its errors share.

use std::fmt;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

/// The header that carries the id in requests and replies.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const LONGEST: usize = 128;

/// The client's own id if it is 1 to 128 visible ASCII characters, else one made here. Cheap to
/// clone.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The id of a request with these `headers`; a made one is a time-ordered UUID whose time part
    /// is `now_ms` (Unix milliseconds).
    pub fn of(headers: &HeaderMap, now_ms: i64) -> RequestId {
        let mut given = headers.get_all(&X_REQUEST_ID).iter();
        match (given.next(), given.next()) {
            (Some(id), None)
                if (1..=LONGEST).contains(&id.len())
                    && id.as_bytes().iter().all(u8::is_ascii_graphic) =>
            {
                RequestId(id.clone())
            }
            _ => RequestId::new(now_ms),
        }
    }

    /// A made id: a time-ordered UUID whose time part is `now_ms` (Unix milliseconds).
    pub fn new(now_ms: i64) -> RequestId {
        let mut random = [0u8; 10];
        random.copy_from_slice(&uuid::Uuid::new_v4().as_bytes()[6..16]);
        let id =
            uuid::Builder::from_unix_timestamp_millis(u64::try_from(now_ms).unwrap_or(0), &random)
                .into_uuid();
        let mut text = [0u8; uuid::fmt::Simple::LENGTH];
        let text: &str = id.simple().encode_lower(&mut text);
        RequestId(HeaderValue::from_str(text).expect("hexadecimal digits are a header value"))
    }

    /// The id as visible ASCII characters.
    pub fn as_str(&self) -> &str {
        self.0.to_str().expect("checked to be visible ASCII when it was made")
    }

    /// The value of `X-Request-Id` on the reply.
    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::{RequestId, X_REQUEST_ID};
    use hyper::HeaderMap;
    use hyper::header::HeaderValue;

    #[test]
    fn a_good_id_is_kept() {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_static("engine-7/42"));
        assert_eq!(RequestId::of(&headers, 0).as_str(), "engine-7/42");
    }

    #[test]
    fn any_other_is_replaced() {
        let long = "x".repeat(129);
        for values in
            [&[][..], &[""], &["a b"], &["a\tb"], &["\u{e4}"], &[long.as_str()], &["a", "b"]]
        {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(
                    X_REQUEST_ID,
                    HeaderValue::from_bytes(value.as_bytes()).expect("a header value"),
                );
            }
            let id = RequestId::of(&headers, 1_790_000_000_123);
            assert_eq!(id.as_str().len(), 32, "{values:?}");
            let time = u64::from_str_radix(&id.as_str()[..12], 16);
            assert_eq!(time, Ok(1_790_000_000_123));
            assert_ne!(id, RequestId::of(&headers, 1_790_000_000_123));
        }
    }
}
