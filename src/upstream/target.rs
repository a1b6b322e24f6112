//! The address a request to Meta is sent to, and the token it is sent with.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;
use hyper::header::HeaderValue;
use hyper::http::uri::{Authority, PathAndQuery, Scheme};

/// The address of the Graph API, or of a forwarder or simulator used instead:
/// `http://host[:port][/prefix]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    authority: Authority,
    /// Empty, or `/...` without a trailing slash.
    prefix: String,
}

/// Why a text is not a base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// `https://`.
    #[error(
        "TLS upstreams are not supported in this version; \
         put a local TLS-terminating forwarder in front"
    )]
    TlsUnsupported,
    /// Not `http://host[:port][/prefix]`.
    #[error(
        "an upstream URL is written as http://host[:port][/prefix], without user, query or fragment"
    )]
    Malformed,
}

impl BaseUrl {
    /// The address of `path_and_query` (begins with `/`) below this URL; `None` if it is
    /// not valid in a request line.
    pub fn join(&self, path_and_query: &str) -> Option<Uri> {
        if !path_and_query.starts_with('/') {
            return None;
        }
        let whole = if self.prefix.is_empty() {
            PathAndQuery::try_from(path_and_query).ok()?
        } else {
            PathAndQuery::try_from(format!("{}{path_and_query}", self.prefix)).ok()?
        };
        Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(self.authority.clone())
            .path_and_query(whole)
            .build()
            .ok()
    }
}

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<BaseUrl, BaseUrlError> {
        if text.contains('#') {
            return Err(BaseUrlError::Malformed);
        }
        let uri: Uri = text.parse().map_err(|_| BaseUrlError::Malformed)?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(BaseUrlError::TlsUnsupported),
            _ => return Err(BaseUrlError::Malformed),
        }
        let authority = uri.authority().ok_or(BaseUrlError::Malformed)?.clone();
        let bad_port = authority.as_str().ends_with(':') || authority.port_u16() == Some(0);
        if authority.host().is_empty()
            || authority.as_str().contains('@')
            || bad_port
            || uri.query().is_some()
        {
            return Err(BaseUrlError::Malformed);
        }
        Ok(BaseUrl { authority, prefix: uri.path().trim_end_matches('/').to_owned() })
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.prefix)
    }
}

/// A channel's Meta access token; never printed, cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(HeaderValue);

/// A text that cannot be sent as a token: empty, or not visible ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an access token is visible ASCII characters, at least one")]
pub struct AccessTokenError;

impl AccessToken {
    /// The value of the `Authorization` header, marked as sensitive.
    pub(super) fn authorization(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl FromStr for AccessToken {
    type Err = AccessTokenError;

    fn from_str(token: &str) -> Result<AccessToken, AccessTokenError> {
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(AccessTokenError);
        }
        let mut value =
            HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| AccessTokenError)?;
        value.set_sensitive(true);
        Ok(AccessToken(value))
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::{AccessToken, BaseUrl, BaseUrlError};

    #[test]
    fn addresses_are_joined_below_the_base() {
        for (base, path, whole) in [
            (
                "http://127.0.0.1:9000",
                "/v24.0/1/messages",
                Some("http://127.0.0.1:9000/v24.0/1/messages"),
            ),
            (
                "http://graph.test/",
                "/v24.0/1?fields=id",
                Some("http://graph.test/v24.0/1?fields=id"),
            ),
            (
                "http://proxy.test/meta/",
                "/v24.0/1/messages",
                Some("http://proxy.test/meta/v24.0/1/messages"),
            ),
            ("http://graph.test", "v24.0/1", None),
            ("http://graph.test", "/a b", None),
            ("http://graph.test", "/a\r\nHost: x", None),
        ] {
            let base: BaseUrl = base.parse().expect("a base URL");
            assert_eq!(
                base.join(path).map(|uri| uri.to_string()).as_deref(),
                whole,
                "{base} {path}"
            );
        }
    }

    #[test]
    fn what_is_no_base_is_refused() {
        let check = |text: &str, error| assert_eq!(text.parse::<BaseUrl>(), Err(error), "{text}");
        check("https://graph.facebook.com", BaseUrlError::TlsUnsupported);
        for text in [
            "",
            "graph.test",
            "/x",
            "ftp://a",
            "http://",
            "http://u:p@a",
            "http://a?b=c",
            "http://a#b",
            "http://a b",
            "http://a:",
            "http://a:0",
        ] {
            check(text, BaseUrlError::Malformed);
        }
    }

    #[test]
    fn a_token_is_not_printed() {
        let token: AccessToken = "EAAJsecret".parse().expect("a token");
        assert_eq!(format!("{token:?} {:?}", token.authorization()), "AccessToken(***) Sensitive");
        for text in ["", "a b", "a\n", "ä"] {
            assert!(text.parse::<AccessToken>().is_err(), "{text:?}");
        }
    }
}
