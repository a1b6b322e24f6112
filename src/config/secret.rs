//! Texts that must not be printed.

use std::fmt;

/// A secret: it has no `Display` and no `Serialize`, and its `Debug` hides it, so that it cannot
/// reach a log or a printed configuration by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself; only for the code that needs the secret.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// Returns `url` with user and password replaced by `***`, fit for logs.
pub(super) fn redact_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    // A password may itself contain slashes or at signs if somebody forgot to encode them: hide
    // everything up to the last at sign.
    match rest.rfind('@') {
        Some(at) if at < authority_end || rest[..at].contains(':') => {
            format!("{scheme}://***@{}", &rest[at + 1..])
        }
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Secret, redact_url};

    #[test]
    fn secrets_do_not_print() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2"))), "Some(<redacted>)");
    }

    #[test]
    fn urls_lose_their_passwords_only() {
        for (url, shown) in [
            ("redis://localhost:6379/0", "redis://localhost:6379/0"),
            ("redis://:hunter2@localhost:6379/0", "redis://***@localhost:6379/0"),
            ("redis://user:a/b@c@localhost/0", "redis://***@localhost/0"),
            ("redis-cluster://u:p@a:1,u:p@b:2", "redis-cluster://***@b:2"),
            ("embedded:./data", "embedded:./data"),
        ] {
            assert_eq!(redact_url(url), shown);
        }
    }
}
