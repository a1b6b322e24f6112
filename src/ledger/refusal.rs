//! Who refused a send, as a campaign counts it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Under what a refusal is counted. Written as text, `131026` or `http_403`, wherever it is stored
/// or shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalCode {
    /// Meta's own no, by the code of its Graph error.
    Graph(i64),
    /// Something between the gateway and Meta refused to pass the message on, by HTTP status.
    Intermediary(u16),
}

/// What begins the text of a refusal that is not Meta's.
const HTTP: &str = "http_";

/// A text that is no refusal's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither the code of a Graph error nor http_ and a status")]
pub struct RefusalCodeError;

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RefusalCode::Graph(code) => code.fmt(f),
            RefusalCode::Intermediary(status) => write!(f, "{HTTP}{status}"),
        }
    }
}

impl FromStr for RefusalCode {
    type Err = RefusalCodeError;

    fn from_str(text: &str) -> Result<RefusalCode, RefusalCodeError> {
        match text.strip_prefix(HTTP) {
            Some(status) => status.parse().map(RefusalCode::Intermediary),
            None => text.parse().map(RefusalCode::Graph),
        }
        .map_err(|_| RefusalCodeError)
    }
}

impl Serialize for RefusalCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RefusalCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RefusalCode, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::RefusalCode;

    #[test]
    fn counts_of_an_older_version_are_read() {
        let counts: BTreeMap<RefusalCode, u64> =
            serde_json::from_str(r#"{"131026":2,"-1":1,"http_403":3}"#).unwrap();
        let expected = [
            (RefusalCode::Graph(-1), 1),
            (RefusalCode::Graph(131_026), 2),
            (RefusalCode::Intermediary(403), 3),
        ];
        assert_eq!(counts, BTreeMap::from(expected));
        assert_eq!(serde_json::to_string(&counts).unwrap(), r#"{"-1":1,"131026":2,"http_403":3}"#);
    }

    #[test]
    fn other_texts_are_no_refusal() {
        for text in ["", "http_", "http_70000", "http_x", "x"] {
            assert!(text.parse::<RefusalCode>().is_err(), "{text}");
        }
    }
}
