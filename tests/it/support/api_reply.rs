//! A reply of the Admin API, as a test looks at it.

use http::HeaderMap;
use serde_json::Value;

/// A whole reply.
#[derive(Debug)]
pub struct ApiReply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// `null` if the body is not JSON.
    pub json: Value,
}

impl ApiReply {
    /// The code of a problem document.
    pub fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
