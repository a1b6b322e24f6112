//! The hosts from which media are fetched with a channel's token; to any other no token is shown.

use std::str::FromStr;

use hyper::Uri;
use hyper::http::uri::Authority;

use super::target::BaseUrl;

/// A host of media downloads: `name`, with the port of its scheme, or `name:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaHost {
    name: String,
    port: Option<u16>,
}

/// A text that names no host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a host such as \"lookaside.fbsbx.com\", or host:port")]
pub struct MediaHostError;

impl FromStr for MediaHost {
    type Err = MediaHostError;

    fn from_str(text: &str) -> Result<MediaHost, MediaHostError> {
        let authority: Authority = text.parse().map_err(|_| MediaHostError)?;
        let (name, port) = (authority.host(), authority.port_u16());
        // What follows the name is a port, of which `port_u16` reads only those that fit.
        let odd_port = text.len() > name.len() && !matches!(port, Some(1..));
        if name.is_empty() || name.contains('*') || text.contains('@') || odd_port {
            return Err(MediaHostError);
        }
        Ok(MediaHost { name: bare(name).to_ascii_lowercase(), port })
    }
}

impl MediaHost {
    fn is(&self, base: &BaseUrl) -> bool {
        let default = if base.is_tls() { 443 } else { 80 };
        base.host().eq_ignore_ascii_case(&self.name) && base.port() == self.port.unwrap_or(default)
    }
}

/// An IPv6 address without its brackets.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// The address of a media object, as host and as path with query, if it is on one of `hosts` and
/// the way there is encrypted or stays on this machine.
pub fn on_media_host(url: &str, hosts: &[MediaHost]) -> Option<(BaseUrl, String)> {
    let uri: Uri = url.parse().ok()?;
    let origin = format!("{}://{}", uri.scheme_str()?, uri.authority()?);
    let base = origin.parse::<BaseUrl>().ok()?.protected(false).ok()?;
    let path = uri.path_and_query()?.as_str();
    (hosts.iter().any(|host| host.is(&base)) && path.starts_with('/'))
        .then(|| (base, path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{MediaHost, on_media_host};

    #[test]
    fn only_listed_hosts_are_fetched_from() {
        let hosts: Vec<MediaHost> = ["lookaside.fbsbx.com", "127.0.0.1:9000", "[::1]:9000"]
            .map(|text| text.parse().expect("a host"))
            .to_vec();
        let path = "/whatsapp_business/attachments/?mid=1&hash=A";
        for (origin, allowed) in [
            ("https://lookaside.fbsbx.com", true),
            ("https://LOOKASIDE.fbsbx.com:443", true),
            ("http://127.0.0.1:9000", true),
            ("https://127.0.0.1:9000", true),
            ("http://[::1]:9000", true),
            ("http://lookaside.fbsbx.com", false),
            ("http://lookaside.fbsbx.com:443", false),
            ("https://lookaside.fbsbx.com:8443", false),
            ("https://lookaside.fbsbx.com.", false),
            ("https://lookaside.fbsbx.com.evil.test", false),
            ("https://evil.test/lookaside.fbsbx.com", false),
            ("https://lookaside.fbsbx.com@evil.test", false),
            ("https://evil@lookaside.fbsbx.com", false),
            ("https://a.lookaside.fbsbx.com", false),
            ("http://127.0.0.1:9001", false),
            ("http://127.0.0.1", false),
            ("ftp://lookaside.fbsbx.com", false),
            ("//lookaside.fbsbx.com", false),
            ("", false),
        ] {
            let found = on_media_host(&format!("{origin}{path}"), &hosts);
            assert_eq!(found.is_some(), allowed, "{origin}");
            assert!(found.is_none_or(|(_, found)| found == path), "{origin}");
        }
        assert!(on_media_host("https://lookaside.fbsbx.com", &hosts).is_some());
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in ["", "a b", "*.fbsbx.com", "a:0", "a:", "a:70000", "https://a", "a/b", "u@a"] {
            assert!(text.parse::<MediaHost>().is_err(), "{text}");
        }
    }
}
