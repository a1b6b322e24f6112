//! The HTTP client of tests: what an engine's SDK or an operator's tool sends, and replies that are
//! checked for what every reply must keep.

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::printed;
use super::setup::{KEY, NUMBER};

/// Nothing takes longer unless it hangs.
const DEADLINE: Duration = Duration::from_secs(30);

/// Speaks to one gateway over keep-alive connections.
pub struct Client {
    http: HttpClient<HttpConnector, Full<Bytes>>,
    pub data: SocketAddr,
    pub admin: SocketAddr,
}

/// A request that is sent when it is awaited.
pub struct Request<'c> {
    client: &'c Client,
    request: http::Request<()>,
    body: Bytes,
}

/// A whole reply.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The body as JSON; null if it is not.
    pub json: Value,
}

impl Client {
    pub fn new(data: SocketAddr, admin: SocketAddr) -> Client {
        printed::watch_this_process();
        Client { http: HttpClient::builder(TokioExecutor::new()).build_http(), data, admin }
    }

    /// A send of the account's engine over its prepaid channel.
    pub fn send(&self, body: impl Into<Bytes>) -> Request<'_> {
        self.post(&format!("/v24.0/{NUMBER}/messages"), body)
    }

    /// A post of the account's engine.
    pub fn post(&self, path: &str, body: impl Into<Bytes>) -> Request<'_> {
        self.data(Method::POST, path).header("content-type", "application/json").body(body)
    }

    /// Any request of the account's engine to the data listener.
    pub fn data(&self, method: Method, path: &str) -> Request<'_> {
        self.request(method, self.data, path).key(KEY)
    }

    /// A request to the admin listener.
    pub fn admin(&self, method: Method, path: &str, key: &str) -> Request<'_> {
        self.request(method, self.admin, path).key(key)
    }

    /// A request without a key.
    pub fn request(&self, method: Method, listener: SocketAddr, path: &str) -> Request<'_> {
        let uri = format!("http://{listener}{path}");
        let request = http::Request::builder().method(method).uri(uri).body(()).unwrap();
        Request { client: self, request, body: Bytes::new() }
    }
}

/// One call with a key; `body` is JSON, or empty for none.
pub async fn ask(listener: SocketAddr, key: &str, method: Method, path: &str, body: &str) -> Reply {
    let client = Client::new(listener, listener);
    let request = client.request(method, listener, path).key(key);
    if body.is_empty() {
        return request.await;
    }
    request.header("content-type", "application/json").body(body.to_owned()).await
}

impl Request<'_> {
    /// Sets a header, instead of what it was.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.request
            .headers_mut()
            .insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        self
    }

    /// Adds a header to those of its name.
    pub fn and_header(mut self, name: &'static str, value: &str) -> Self {
        self.request
            .headers_mut()
            .append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        self
    }

    pub fn without(mut self, name: &'static str) -> Self {
        self.request.headers_mut().remove(name);
        self
    }

    pub fn key(mut self, key: &str) -> Self {
        self.request
            .headers_mut()
            .insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {key}")).unwrap());
        self
    }

    pub fn campaign(self, id: &str) -> Self {
        self.header("tollgate-campaign", id)
    }

    pub fn idempotency_key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub fn json(mut self, body: &Value) -> Self {
        self.request
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.body(body.to_string())
    }

    /// Sends it and waits at most `patience`, as an SDK with a time-out does: afterwards the
    /// connection is closed. `None` if it ran out.
    pub async fn within(self, patience: Duration) -> Option<Reply> {
        // A client of its own, because a pooled connection would outlive the request.
        let client = Client::new(self.client.data, self.client.admin);
        let request = Request { client: &client, ..self };
        tokio::time::timeout(patience, request.attempt())
            .await
            .ok()
            .map(|answered| answered.unwrap())
    }

    /// Sends it to a gateway that may be gone: an error if the connection was refused or ended
    /// early.
    pub async fn attempt(self) -> Result<Reply, String> {
        let target = format!("{} {}", self.request.method(), self.request.uri());
        // What it says is looked for in what gateways print from here on.
        let uri = self.request.uri().clone();
        printed::learn_request(self.request.headers(), uri.query(), &self.body);
        let request = self.request.map(|()| Full::new(self.body));
        let answer = self
            .client
            .http
            .request(request)
            .await
            .map_err(|error| format!("{target}: {error:?}"))?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|error| format!("{target}: {error}"))?.to_bytes();
        let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let page = head.status.is_success();
        if page && ["/metrics", "/events"].iter().any(|end| uri.path().ends_with(end)) {
            printed::printed(&String::from_utf8_lossy(&body));
        }
        printed::learn_reply(&body);
        printed::check();
        Ok(Reply { status: head.status.as_u16(), headers: head.headers, body, json })
    }
}

impl<'c> IntoFuture for Request<'c> {
    type Output = Reply;
    type IntoFuture = Pin<Box<dyn Future<Output = Reply> + Send + 'c>>;

    fn into_future(self) -> Self::IntoFuture {
        let target = format!("{} {}", self.request.method(), self.request.uri());
        Box::pin(async move {
            let answered = tokio::time::timeout(DEADLINE, self.attempt()).await;
            answered.unwrap_or_else(|_| panic!("{target}: no answer in {DEADLINE:?}")).unwrap()
        })
    }
}

impl Reply {
    /// A header's text, empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The text at a JSON pointer, empty if there is none.
    pub fn text(&self, pointer: &str) -> &str {
        self.json.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// The id of the message that was accepted, empty if none was.
    pub fn message_id(&self) -> &str {
        self.text("/messages/0/id")
    }

    /// What it charged, in micro-credits.
    pub fn charge(&self) -> i64 {
        let charge = self.header("tollgate-charge");
        micros(charge.strip_suffix(" USD").unwrap_or_else(|| panic!("`{charge}` is no charge")))
    }

    /// The reply in short: `200 0.0118 USD marketing India` for a send, `200` for what is free,
    /// `402 insufficient_balance` for a rejection, `400 #131026` for upstream's refusal. What every
    /// reply must keep is checked as well.
    #[track_caller]
    pub fn summary(&self) -> String {
        let status = self.status;
        let rejection = self.header("tollgate-rejection");
        assert!(!self.header("x-request-id").is_empty(), "{status} without a request id");
        if !rejection.is_empty() {
            self.check_rejection(rejection);
            return format!("{status} {rejection}");
        }
        if status != 200 {
            return format!("{status} #{}", self.json["error"]["code"]);
        }
        let price = ["tollgate-charge", "tollgate-category", "tollgate-market"]
            .map(|name| self.header(name))
            .join(" ");
        format!("{status} {price}").trim_end().to_owned()
    }

    /// A rejection has Graph's shape, numbers of our own, and the same in headers and body.
    #[track_caller]
    fn check_rejection(&self, name: &str) {
        let error = &self.json["error"];
        let data = &error["error_data"];
        assert_eq!(data["rejection"], name, "{}", self.json);
        assert_eq!(error["type"], "TollgateRejection");
        assert_eq!(error["code"], 990_000 + u32::from(self.status));
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|text| text.starts_with(&format!("(#{})", error["code"]))),
            "{error}"
        );
        assert_eq!(data["messaging_product"], "whatsapp");
        assert!(data["details"].as_str().is_some_and(|text| text.len() > 10), "{error}");
        assert_eq!(error["fbtrace_id"].as_str(), Some(self.header("x-request-id")));
        assert!(self.header("content-type").starts_with("application/json"));
        let retry = self
            .headers
            .get(RETRY_AFTER)
            .map(|value| value.to_str().unwrap().parse::<i64>().unwrap());
        assert_eq!(data["retry_after_s"].as_i64(), retry, "{error}");
        for amount in ["needed", "available", "currency"] {
            assert_eq!(
                data[amount].is_string(),
                name == "insufficient_balance",
                "{amount} in {error}"
            );
        }
    }
}

/// A decimal text in micro-credits.
#[track_caller]
pub fn micros(text: &str) -> i64 {
    text.parse::<tollgate::amount::Amount>()
        .unwrap_or_else(|error| panic!("`{text}`: {error}"))
        .micros()
}
