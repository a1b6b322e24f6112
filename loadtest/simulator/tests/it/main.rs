//! What the simulator promises over HTTP, asked with a plain client.
#![allow(
    clippy::unwrap_used,
    reason = "a helper of a test fails by panicking, like the test itself"
)]

mod control;
mod faults;
mod payloads;
mod reads;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tollgate_simulator::{Simulator, SimulatorOptions};

/// One answer: status, headers, body.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Sends one request with a token. Returns `None` if the connection broke before the answer was
/// whole.
async fn try_call(request: http::request::Builder, body: impl Into<Bytes>) -> Option<Answer> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request =
        request.header("authorization", "Bearer EAAtoken").body(Full::new(body.into())).unwrap();
    let answer = async {
        let reply = client.request(request).await.ok()?;
        let (parts, body) = reply.into_parts();
        Some(Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.ok()?.to_bytes(),
        })
    };
    tokio::time::timeout(Duration::from_secs(10), answer)
        .await
        .expect("an answer within ten seconds")
}

async fn call(method: &str, url: String, body: impl Into<Bytes>) -> Answer {
    let request =
        Request::builder().method(method).uri(url).header("content-type", "application/json");
    try_call(request, body).await.expect("a whole answer")
}

async fn get(simulator: &Simulator, path: &str) -> Answer {
    call("GET", format!("{}{path}", simulator.url()), "").await
}

async fn post(simulator: &Simulator, path: &str, body: impl Into<Bytes>) -> Answer {
    call("POST", format!("{}{path}", simulator.url()), body).await
}

const MESSAGES: &str = "/v24.0/106540352242922/messages";

fn text_to(recipient: &str) -> String {
    json!({
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": recipient,
        "type": "text", "text": { "body": "Hello" },
    })
    .to_string()
}

fn start() -> Simulator {
    Simulator::start(SimulatorOptions::default()).unwrap()
}
