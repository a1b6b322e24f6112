//! The demo's HTTP client: speaks to the gateway over real sockets, as a campaign engine and an operator would.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::{ACCOUNT, CAMPAIGN, NUMBER, OPERATOR_KEY, SEND_KEY};

const DEADLINE: Duration = Duration::from_secs(15);

/// A reply, read whole.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Reply {
    /// A header's text, empty where it is missing.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The text at a JSON pointer, empty where there is none.
    pub(super) fn text(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Both listeners of the gateway.
pub(super) struct Client {
    http: HttpClient<HttpConnector, Full<Bytes>>,
    pub(super) data: SocketAddr,
    pub(super) admin: SocketAddr,
}

impl Client {
    pub(super) fn new(data: SocketAddr, admin: SocketAddr) -> Client {
        Client { http: HttpClient::builder(TokioExecutor::new()).build_http(), data, admin }
    }

    /// A template send of the campaign.
    pub(super) async fn send(&self, to: &str, template: &str, idempotency_key: Option<&str>) -> anyhow::Result<Reply> {
        let url = format!("http://{}/v24.0/{NUMBER}/messages", self.data);
        let mut request = Request::post(url)
            .header("authorization", format!("Bearer {SEND_KEY}"))
            .header("content-type", "application/json")
            .header("tollgate-campaign", CAMPAIGN);
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        self.exchange(request.body(Full::new(send_body(to, template).into()))?).await
    }

    /// An operator's call; `path` begins behind `/v1/accounts/acme`.
    pub(super) async fn operate(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Reply> {
        let url = format!("http://{}/v1/accounts/{ACCOUNT}{path}", self.admin);
        let mut request = Request::builder().method(method).uri(url).header("authorization", format!("Bearer {OPERATOR_KEY}"));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        self.exchange(request.body(Full::new(body.into()))?).await
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> anyhow::Result<Reply> {
        let target = request.uri().to_string();
        let exchange = async {
            let (head, body) = self.http.request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            Ok::<_, anyhow::Error>(Reply { status: head.status.as_u16(), headers: head.headers, body })
        };
        tokio::time::timeout(DEADLINE, exchange).await.context("no answer in time")?.with_context(|| target)
    }
}

/// The body an SDK would post.
pub(super) fn send_body(to: &str, template: &str) -> String {
    format!(
        r#"{{"messaging_product":"whatsapp","recipient_type":"individual","to":"{to}","type":"template","template":{{"name":"{template}","language":{{"code":"en_US"}}}}}}"#
    )
}
