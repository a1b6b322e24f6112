//! A small JSON client with a deadline, for the admin API and the simulator's own endpoints.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Longest that one call may take.
const DEADLINE: Duration = Duration::from_secs(15);
/// Longest answer that is read, in bytes.
const ANSWER_MAX: usize = 64 * 1024 * 1024;

pub struct JsonClient {
    base: String,
    /// Bearer key, if the server wants one.
    key: Option<String>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// Status and body of one answer; the body is null if it is not JSON.
pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

impl JsonClient {
    pub fn new(base: &str, key: Option<&str>) -> JsonClient {
        JsonClient {
            base: base.trim_end_matches('/').to_owned(),
            key: key.map(str::to_owned),
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Makes one call and returns its answer, whatever the status.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let url = format!("{}{path}", self.base);
        let mut request = Request::builder().method(method).uri(&url);
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        let bytes = match body {
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        let request =
            request.body(Full::new(bytes)).with_context(|| format!("cannot call {url}"))?;
        let answer = async {
            let (parts, body) = self.client.request(request).await?.into_parts();
            let body = Limited::new(body, ANSWER_MAX).collect().await;
            let body = body.map_err(anyhow::Error::from_boxed)?.to_bytes();
            anyhow::Ok(Answer {
                status: parts.status,
                body: serde_json::from_slice(&body).unwrap_or(Value::Null),
            })
        };
        tokio::time::timeout(DEADLINE, answer)
            .await
            .with_context(|| format!("{url}: no answer within {DEADLINE:?}"))?
            .with_context(|| format!("{url}: no answer"))
    }

    /// Makes one call and returns the body; fails unless the status is a success.
    pub async fn expect(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let answer = self.call(method.clone(), path, body).await?;
        if !answer.status.is_success() {
            bail!("{method} {}{path}: {} {}", self.base, answer.status, answer.body);
        }
        Ok(answer.body)
    }

    /// Returns the body of a page that is no JSON; fails unless the status is a success.
    pub async fn text(&self, path: &str) -> anyhow::Result<String> {
        let url = format!("{}{path}", self.base);
        let read = async {
            let (parts, body) = self.client.get(url.parse()?).await?.into_parts();
            ensure!(parts.status.is_success(), "{}", parts.status);
            let body = Limited::new(body, ANSWER_MAX).collect().await;
            let body = body.map_err(anyhow::Error::from_boxed)?.to_bytes();
            anyhow::Ok(String::from_utf8_lossy(&body).into_owned())
        };
        tokio::time::timeout(DEADLINE, read)
            .await
            .with_context(|| format!("{url}: no answer within {DEADLINE:?}"))?
            .with_context(|| format!("{url}: no answer"))
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.expect(Method::GET, path, None).await
    }
}
