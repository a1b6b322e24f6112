//! One HTTP exchange of a command with a running gateway.

use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Longest answer a command reads.
const MAX_ANSWER: usize = 16 << 20;

/// A reply, read whole.
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The body, null if it is not JSON.
    pub body: Value,
}

impl Reply {
    /// A header's text, empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The text at a JSON pointer, empty if there is none.
    pub fn text(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

/// A client with pooled connections.
pub struct Caller(HttpClient<HttpConnector, Full<Bytes>>);

impl Caller {
    /// A new client.
    pub fn new() -> Caller {
        Caller(HttpClient::builder(TokioExecutor::new()).build_http())
    }

    /// Sends a request and reads its answer within `deadline`.
    pub async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        deadline: Duration,
    ) -> anyhow::Result<Reply> {
        let target = request.uri().to_string();
        let exchange = async {
            let (head, body) = self.0.request(request).await?.into_parts();
            let body = Limited::new(body, MAX_ANSWER)
                .collect()
                .await
                .map_err(|error| anyhow::anyhow!(error))?
                .to_bytes();
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            Ok::<_, anyhow::Error>(Reply {
                status: head.status.as_u16(),
                headers: head.headers,
                body,
            })
        };
        tokio::time::timeout(deadline, exchange)
            .await
            .context("no answer in time")?
            .with_context(|| target)
    }
}

impl Default for Caller {
    fn default() -> Caller {
        Caller::new()
    }
}
