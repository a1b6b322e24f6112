//! The largest open-source inbox, Chatwoot: the requests that the public source of its WhatsApp
//! provider makes (Ruby's Net::HTTP through HTTParty), over TLS. Its one setting is the base URL.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use tollgate_simulator::SimulatorTemplate;

use super::engine::SecureWorld;
use crate::support::{
    Backend, CAMPAIGN_KEY, KEY, MARKETING_US, META_TOKEN, NUMBER, RIVAL_WABA, Setup, WABA,
    on_every_ledger,
};

on_every_ledger!(
    an_inbox_is_checked_by_the_key_in_the_query,
    all_pages_of_templates_are_read,
    every_kind_of_message_is_sent,
    what_a_customer_sent_is_fetched,
    a_rejection_is_shown_to_the_agent,
);

const TO: &str = "16505550144";
const RECEIVED: &str = "wamid.HBgLMTY1MDU1NTAxNDQVAgARGBISU5CMQA==";

/// An inbox of Chatwoot before a gateway.
struct Inbox {
    secure: SecureWorld,
    base: String,
    key: &'static str,
}

/// A response as HTTParty has it.
struct Response {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
    json: Value,
}

impl Inbox {
    async fn of(setup: Setup) -> Inbox {
        let secure = SecureWorld::of(setup).await;
        let base = format!("https://localhost:{}", secure.world.data.port());
        Inbox { secure, base, key: KEY }
    }

    async fn ask(&self, method: Method, url: &str, own: bool, body: Option<Value>) -> Response {
        let mut roots = rustls::RootCertStore::empty();
        let ca = self.secure.authority.pem.as_bytes();
        roots.add(CertificateDer::from_pem_slice(ca).unwrap()).unwrap();
        let tls = rustls::ClientConfig::builder().with_root_certificates(roots);
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls.with_no_client_auth())
            .https_only()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(https);
        let mut request = http::Request::builder().method(method).uri(url);
        for (name, value) in [
            ("accept-encoding", "gzip;q=1.0,deflate;q=0.6,identity;q=0.3"),
            ("accept", "*/*"),
            ("user-agent", "Ruby"),
            ("connection", "close"),
        ] {
            request = request.header(name, value);
        }
        if own {
            request = request
                .header("authorization", format!("Bearer {}", self.key))
                .header("content-type", "application/json");
        }
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let answer = client.request(request.body(Full::from(body)).unwrap()).await.unwrap();
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        // It parses what says that it is JSON.
        let kind = head.headers.get("content-type").map(|kind| kind.to_str().unwrap());
        let is_json = kind.is_some_and(|kind| kind.starts_with("application/json"));
        let json = if is_json { serde_json::from_slice(&body).unwrap() } else { Value::Null };
        Response { status: head.status.as_u16(), headers: head.headers, body, json }
    }

    /// `HTTParty.get(url)`: nothing of its own in the header.
    async fn get(&self, url: &str) -> Response {
        self.ask(Method::GET, url, false, None).await
    }

    fn templates(&self, waba: &str) -> String {
        format!("{}/v14.0/{waba}/message_templates?access_token={}", self.base, self.key)
    }

    /// `process_response`: the message's id, or the error that the agent reads.
    async fn send(&self, body: Value) -> Result<String, String> {
        let url = format!("{}/v13.0/{NUMBER}/messages", self.base);
        let response = self.ask(Method::POST, &url, true, Some(body)).await;
        if (200..300).contains(&response.status) && response.json["error"].is_null() {
            return Ok(response.json["messages"][0]["id"].as_str().unwrap().to_owned());
        }
        Err(response.json["error"]["message"].as_str().unwrap().to_owned())
    }
}

async fn an_inbox_is_checked_by_the_key_in_the_query(backend: Backend) {
    let mut inbox = Inbox::of(Setup::on(backend)).await;
    assert_eq!(inbox.get(&inbox.templates(WABA)).await.status, 200);
    assert_eq!(inbox.get(&inbox.templates(RIVAL_WABA)).await.status, 403);
    inbox.key = "a-key-that-was-mistyped";
    let refused = inbox.get(&inbox.templates(WABA)).await;
    assert_eq!((refused.status, refused.json["error"]["code"].as_i64()), (401, Some(990_401)));
}

async fn all_pages_of_templates_are_read(backend: Backend) {
    let names: Vec<String> = (0..60).map(|n| format!("offer_{n:02}")).collect();
    let listed = names.iter().map(|name| SimulatorTemplate::approved(name, "en", "UTILITY"));
    let listed = listed.collect();
    let setup = Setup::on(backend).simulator(|options| options.templates = listed);
    let inbox = Inbox::of(setup).await;
    let (mut url, mut found, mut pages) = (inbox.templates(WABA), Vec::new(), 0);
    loop {
        let response = inbox.get(&url).await;
        assert_eq!(response.status, 200, "{url}");
        assert!(!String::from_utf8_lossy(&response.body).contains(META_TOKEN), "{url}");
        let length = response.headers["content-length"].to_str().unwrap();
        assert_eq!(length.parse(), Ok(response.body.len()));
        let data = response.json["data"].as_array().unwrap();
        found.extend(data.iter().map(|one| one["name"].as_str().unwrap().to_owned()));
        pages += 1;
        let Some(next) = response.json["paging"]["next"].as_str() else { break };
        let here = format!("{}/v14.0/{WABA}/message_templates?", inbox.base);
        assert!(next.starts_with(&here), "{next}");
        url = next.to_owned();
    }
    assert_eq!((found, pages), (names, 3));
    for read in inbox.secure.world.simulator.reads() {
        assert!(!format!("{read:?}").contains(KEY), "{read:?}");
        assert_eq!(read.headers["authorization"], format!("Bearer {META_TOKEN}").as_str());
    }
}

/// The messages of its provider, in the order of its source.
fn messages() -> Vec<(&'static str, Value)> {
    // The action of an interactive message is JSON in a string.
    let buttons: Vec<Value> = ["Yes", "No"]
        .map(|title| json!({"type": "reply", "reply": {"id": title, "title": title}}))
        .to_vec();
    let rows: Vec<Value> =
        ["Sales", "Support"].map(|title| json!({"id": title, "title": title})).to_vec();
    let action = |action: Value| Value::String(action.to_string());
    let interactive = |kind: &str, action: Value| {
        json!({"messaging_product": "whatsapp", "to": TO, "type": "interactive",
            "interactive": {"type": kind, "body": {"text": "Which team?"}, "action": action}})
    };
    let attachment = |kind: &str, content: Value| {
        json!({"messaging_product": "whatsapp", "context": null, "to": TO, "type": kind,
            kind: content})
    };
    let link = "https://inbox.example.com/rails/active_storage/blobs/a";
    let parameters = json!([{"type": "body", "parameters": [{"type": "text", "text": "Ann"}]}]);
    let template = |components: Value| {
        json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": TO,
            "type": "template", "template": {"name": "order_update", "components": components,
            "language": {"policy": "deterministic", "code": "pt_BR"}}})
    };
    vec![
        (
            "text",
            json!({"messaging_product": "whatsapp", "context": null, "to": TO,
                "text": {"body": "Hello"}, "type": "text"}),
        ),
        (
            "text",
            json!({"messaging_product": "whatsapp", "context": {"message_id": RECEIVED}, "to": TO,
                "text": {"body": "Hello"}, "type": "text"}),
        ),
        (
            "text",
            json!({"messaging_product": "whatsapp", "context": null, "recipient_type": "individual",
                "recipient": "US.13491208655302741918", "text": {"body": "Hello"}, "type": "text"}),
        ),
        ("image", attachment("image", json!({"link": link, "caption": "Receipt"}))),
        ("image", attachment("image", json!({"link": link, "caption": null}))),
        ("audio", attachment("audio", json!({"link": link}))),
        ("video", attachment("video", json!({"link": link, "caption": ""}))),
        (
            "document",
            attachment("document", json!({"link": link, "caption": null, "filename": "a.pdf"})),
        ),
        ("interactive", interactive("button", action(json!({"buttons": buttons})))),
        (
            "interactive",
            interactive("list", action(json!({"button": "Choose", "sections": [{"rows": rows}]}))),
        ),
        ("template", template(json!([]))),
        ("template", template(parameters)),
    ]
}

async fn every_kind_of_message_is_sent(backend: Backend) {
    let inbox = Inbox::of(Setup::on(backend)).await;
    let mut sent = BTreeMap::new();
    for (n, (kind, body)) in messages().into_iter().enumerate() {
        let id = inbox.send(body.clone()).await.unwrap_or_else(|error| panic!("{error}: {body}"));
        sent.insert(n, (id, kind, body.to_string()));
    }
    let accepted = inbox.secure.world.simulator.accepted();
    assert_eq!(accepted.len(), sent.len());
    for ((id, kind, body), arrived) in sent.values().zip(&accepted) {
        assert_eq!((&arrived.message_id, arrived.kind.as_str()), (id, *kind));
        assert_eq!(arrived.body, body.as_bytes(), "byte for byte");
        assert_eq!(arrived.path, format!("/v13.0/{NUMBER}/messages"));
    }
}

async fn what_a_customer_sent_is_fetched(backend: Backend) {
    let inbox = Inbox::of(Setup::on(backend)).await;
    let simulator = &inbox.secure.world.simulator;
    let id = simulator.put_media("image/png", &b"\x89PNG from a customer"[..]);
    // Older versions do not name the number.
    for query in [String::new(), format!("?phone_number_id={NUMBER}")] {
        let url = format!("{}/v13.0/{id}{query}", inbox.base);
        let media = inbox.ask(Method::GET, &url, true, None).await;
        assert_eq!((media.status, &media.json["mime_type"]), (200, &"image/png".into()), "{url}");
        let url = media.json["url"].as_str().unwrap();
        assert!(url.starts_with(&format!("{}/media/", inbox.base)), "{url}");
        let file = inbox.ask(Method::GET, url, true, None).await;
        assert_eq!((file.status, &file.body[..]), (200, &b"\x89PNG from a customer"[..]));
        assert_eq!(file.headers["content-type"], "image/png");
    }
    for read in simulator.reads() {
        assert!(!format!("{read:?}").contains(KEY), "{read:?}");
    }
}

async fn a_rejection_is_shown_to_the_agent(backend: Backend) {
    let mut inbox = Inbox::of(Setup::on(backend).credits(MARKETING_US)).await;
    inbox.key = CAMPAIGN_KEY;
    let offer = json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": TO,
        "type": "template", "template": {"name": "spring_offer", "components": [],
        "language": {"policy": "deterministic", "code": "en_US"}}});
    assert!(inbox.send(offer.clone()).await.unwrap().starts_with("wamid."));
    let refused = inbox.send(offer.clone()).await.unwrap_err();
    assert_eq!(refused, "(#990402) Not enough credits for this message");
    let stopped = inbox.send(offer).await.unwrap_err();
    assert!(stopped.starts_with("(#990409) "), "{stopped}");
    let world = &inbox.secure.world;
    assert_eq!(world.campaign("of-the-key").await, "stopped credits_exhausted");
    assert_eq!(world.simulator.accepted_count(), 1);
}
