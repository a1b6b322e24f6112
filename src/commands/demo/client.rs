//! The demo's HTTP client: speaks to the gateway over real sockets, as a campaign engine and an
//! operator would.

use std::net::SocketAddr;
use std::time::Duration;

use http::{Method, Request};
use http_body_util::Full;
use serde_json::Value;

use super::names::{ACCOUNT, CAMPAIGN, NUMBER, OPERATOR_KEY, SEND_KEY};
use crate::commands::call::{Caller, Reply};

const DEADLINE: Duration = Duration::from_secs(15);

/// Both listeners of the gateway.
pub(super) struct Client {
    caller: Caller,
    pub(super) data: SocketAddr,
    pub(super) admin: SocketAddr,
}

impl Client {
    pub(super) fn new(data: SocketAddr, admin: SocketAddr) -> Client {
        Client { caller: Caller::new(), data, admin }
    }

    /// A template send of the campaign.
    pub(super) async fn send(
        &self,
        to: &str,
        template: &str,
        idempotency_key: Option<&str>,
    ) -> anyhow::Result<Reply> {
        let url = format!("http://{}/v24.0/{NUMBER}/messages", self.data);
        let mut request = Request::post(url)
            .header("authorization", format!("Bearer {SEND_KEY}"))
            .header("content-type", "application/json")
            .header("tollgate-campaign", CAMPAIGN);
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        self.caller
            .exchange(request.body(Full::new(send_body(to, template).into()))?, DEADLINE)
            .await
    }

    /// An operator's call; `path` begins behind `/v1/accounts/acme`.
    pub(super) async fn operate(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Reply> {
        let url = format!("http://{}/v1/accounts/{ACCOUNT}{path}", self.admin);
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .header("authorization", format!("Bearer {OPERATOR_KEY}"));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        self.caller.exchange(request.body(Full::new(body.into()))?, DEADLINE).await
    }
}

/// The body an SDK would post.
pub(super) fn send_body(to: &str, template: &str) -> String {
    format!(
        concat!(
            r#"{{"messaging_product":"whatsapp","recipient_type":"individual","to":"{to}","#,
            r#""type":"template","template":{{"name":"{template}","#,
            r#""language":{{"code":"en_US"}}}}}}"#
        ),
        to = to,
        template = template
    )
}
