//! The address a request to Meta is sent to, and the token it is sent with.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use hyper::Uri;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use hyper::http::uri::{Authority, Parts, PathAndQuery, Scheme};

/// The address of the Graph API, or of another provider, a forwarder or a simulator:
/// `https://host[:port][/prefix]`, or `http://` without TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    host: Host,
    /// The same as a text, in small letters.
    endpoint: Arc<str>,
    /// As HTTP/1.1 names the host.
    host_header: HeaderValue,
    /// Empty, or `/...` without a trailing slash.
    prefix: Arc<str>,
}

/// What connections lead to: host, port, and whether TLS is spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Host {
    scheme: Scheme,
    authority: Authority,
}

/// Why a text is not a base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// Not `https://host[:port][/prefix]`.
    #[error(
        "must be https://HOST[:PORT][/PREFIX] (or http://), without user, password, query or \
         fragment"
    )]
    Malformed,
    /// The port is 0 or above 65535.
    #[error("has no port from 1 to 65535")]
    Port,
    /// `http://` to another machine.
    #[error(
        "would carry tokens and messages in plain text to another machine; write https://, or set \
         upstream.allow_plaintext"
    )]
    Plaintext,
}

impl BaseUrl {
    /// The address of `path_and_query` (begins with `/`) below this URL; `None` if it is
    /// not valid in a request line.
    pub fn join(&self, path_and_query: &str) -> Option<Uri> {
        self.path(path_and_query).map(|path| self.at(path))
    }

    /// The same without the host.
    pub(super) fn path(&self, path_and_query: &str) -> Option<PathAndQuery> {
        if !path_and_query.starts_with('/') {
            return None;
        }
        if self.prefix.is_empty() {
            PathAndQuery::try_from(path_and_query).ok()
        } else {
            PathAndQuery::try_from(format!("{}{path_and_query}", self.prefix)).ok()
        }
    }

    /// The address of a path at this URL's host.
    pub(super) fn at(&self, path: PathAndQuery) -> Uri {
        let mut parts = Parts::default();
        parts.scheme = Some(self.host.scheme.clone());
        parts.authority = Some(self.host.authority.clone());
        parts.path_and_query = Some(path);
        #[expect(clippy::expect_used, reason = "with all three parts it is an address")]
        Uri::from_parts(parts).expect("scheme, authority and path make an address")
    }

    /// What its connections lead to; the same for all base URLs that can share them.
    pub(super) const fn endpoint(&self) -> &Arc<str> {
        &self.endpoint
    }

    /// The value of `Host` in its requests: without the port if that is the scheme's.
    pub(super) const fn host_header(&self) -> &HeaderValue {
        &self.host_header
    }
}

impl BaseUrl {
    /// The URL itself, if it is encrypted, stays on this machine, or need not be encrypted.
    ///
    /// # Errors
    /// [`BaseUrlError::Plaintext`] if it is `http://` to another machine and that is not allowed.
    pub fn protected(self, allow_plaintext: bool) -> Result<BaseUrl, BaseUrlError> {
        if self.host.scheme == Scheme::HTTPS || allow_plaintext || is_loopback(self.host()) {
            Ok(self)
        } else {
            Err(BaseUrlError::Plaintext)
        }
    }

    /// Whether TLS is spoken to it.
    pub fn is_tls(&self) -> bool {
        self.host.scheme == Scheme::HTTPS
    }

    /// The name or address of the host; an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        self.host.authority.host().trim_start_matches('[').trim_end_matches(']')
    }

    /// The port, given or by the scheme.
    pub fn port(&self) -> u16 {
        self.host.authority.port_u16().unwrap_or(if self.is_tls() { 443 } else { 80 })
    }
}

/// Whether a host is this machine by what it is called; no name is looked up.
fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<BaseUrl, BaseUrlError> {
        if text.contains('#') {
            return Err(BaseUrlError::Malformed);
        }
        let uri: Uri = text.parse().map_err(|_| BaseUrlError::Malformed)?;
        let scheme = uri.scheme().ok_or(BaseUrlError::Malformed)?.clone();
        let authority = uri.authority().ok_or(BaseUrlError::Malformed)?.clone();
        let (host, known) = (authority.host(), [Scheme::HTTP, Scheme::HTTPS].contains(&scheme));
        if !known || host.is_empty() || authority.as_str().contains('@') || uri.query().is_some() {
            return Err(BaseUrlError::Malformed);
        }
        // What follows the host is a port, of which `port_u16` reads only those that fit.
        if authority.as_str().len() > host.len() && !matches!(authority.port_u16(), Some(1..)) {
            return Err(BaseUrlError::Port);
        }
        let default_port = if scheme == Scheme::HTTPS { 443 } else { 80 };
        let named = match authority.port_u16() {
            Some(port) if port != default_port => authority.as_str(),
            _ => host,
        };
        let host_header = HeaderValue::try_from(named).map_err(|_| BaseUrlError::Malformed)?;
        let prefix = uri.path().trim_end_matches('/').into();
        let endpoint = format!("{scheme}://{authority}").to_ascii_lowercase().into();
        Ok(BaseUrl { host: Host { scheme, authority }, endpoint, host_header, prefix })
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.host.scheme, self.host.authority, self.prefix)
    }
}

/// Address and token for a channel's requests.
#[derive(Debug, Clone)]
pub struct Target {
    /// The base URL of upstream.
    pub base: BaseUrl,
    /// The channel's own Meta token.
    pub token: AccessToken,
}

/// What Meta's token has before it in its header.
const SCHEME: &str = "Bearer ";

/// A channel's Meta access token; never printed, cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    header: HeaderName,
    value: HeaderValue,
}

/// A text that cannot be sent as a token: empty, or not visible ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an access token is visible ASCII characters, at least one")]
pub struct AccessTokenError;

impl AccessToken {
    /// A token that a provider wants in a header of its own, without a scheme.
    ///
    /// # Errors
    /// Neither a token nor a header name.
    pub fn in_header(header: &str, token: &str) -> Result<AccessToken, AccessTokenError> {
        let header = header.parse::<HeaderName>().map_err(|_| AccessTokenError)?;
        AccessToken::new(header, "", token)
    }

    fn new(header: HeaderName, scheme: &str, token: &str) -> Result<AccessToken, AccessTokenError> {
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(AccessTokenError);
        }
        let mut value =
            HeaderValue::try_from(format!("{scheme}{token}")).map_err(|_| AccessTokenError)?;
        value.set_sensitive(true);
        Ok(AccessToken { header, value })
    }

    /// The token alone, to look for it.
    pub(super) fn secret(&self) -> &[u8] {
        let value = self.value.as_bytes();
        value.strip_prefix(SCHEME.as_bytes()).unwrap_or(value)
    }

    /// The header it is sent in, and its value there, marked as sensitive.
    pub(super) fn header(&self) -> (HeaderName, HeaderValue) {
        (self.header.clone(), self.value.clone())
    }
}

impl FromStr for AccessToken {
    type Err = AccessTokenError;

    fn from_str(token: &str) -> Result<AccessToken, AccessTokenError> {
        AccessToken::new(AUTHORIZATION, SCHEME, token)
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
            "https://u@a",
        ] {
            check(text, BaseUrlError::Malformed);
        }
        for text in ["http://a:", "http://a:0", "https://a:65536", "https://[::1]:99999"] {
            check(text, BaseUrlError::Port);
        }
    }

    #[test]
    fn plain_text_stays_on_this_machine() {
        for (text, allowed) in [
            ("https://graph.test", true),
            ("http://127.0.0.1:9090", true),
            ("http://127.8.8.8", true),
            ("http://[::1]:9090", true),
            ("http://localhost:9090/prefix", true),
            ("http://graph.test", false),
            ("http://10.0.0.1", false),
            ("http://localhost.test", false),
            ("http://127.0.0.1.test", false),
        ] {
            let base = || text.parse::<BaseUrl>().expect("a base URL");
            assert_eq!(base().protected(false).is_ok(), allowed, "{text}");
            assert!(base().protected(true).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_token_is_not_printed() {
        let token: AccessToken = "EAAJsecret".parse().expect("a token");
        let (header, value) = token.header();
        assert_eq!(format!("{token:?} {value:?}"), "AccessToken(***) Sensitive");
        assert_eq!(
            (header.as_str(), value.as_bytes()),
            ("authorization", &b"Bearer EAAJsecret"[..])
        );
        let own = AccessToken::in_header("D360-API-KEY", "secret").expect("a token");
        let (header, value) = own.header();
        assert_eq!(format!("{own:?} {value:?}"), "AccessToken(***) Sensitive");
        assert_eq!((header.as_str(), value.as_bytes()), ("d360-api-key", &b"secret"[..]));
        assert!(AccessToken::in_header("a b", "secret").is_err());
        for text in ["", "a b", "a\n", "ä"] {
            assert!(text.parse::<AccessToken>().is_err(), "{text:?}");
        }
    }
}
