//! An external channel whose provider takes Cloud API messages on another path, with the token in
//! another header.

use std::sync::{Arc, Mutex};

use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{
    ACCOUNT, Backend, EXTERNAL, KEY, META_TOKEN, NUMBER, OPERATOR_KEY, READ_RECEIPT, Reply, WABA,
    World, indian, marketing, on_every_ledger, text,
};

on_every_ledger!(
    messages_go_by_the_providers_own_path_and_header,
    nothing_but_messages_goes_there,
    odd_headers_and_paths_are_refused,
);

/// Takes every message, and keeps each request as it came.
struct Provider {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Provider {
    async fn start() -> Provider {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let request = answer(stream).await;
                kept.lock().unwrap().push(request);
            }
        });
        Provider { url, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// Reads one request and replies to it as the Cloud API does.
async fn answer(mut stream: TcpStream) -> String {
    let mut request = String::new();
    loop {
        let mut piece = [0u8; 4_096];
        let count = stream.read(&mut piece).await.unwrap();
        request.push_str(std::str::from_utf8(&piece[..count]).unwrap());
        let Some((head, body)) = request.split_once("\r\n\r\n") else { continue };
        let length = head.to_ascii_lowercase().lines().find_map(|line| {
            line.strip_prefix("content-length: ").map(|length| length.parse::<usize>().unwrap())
        });
        if count == 0 || length == Some(body.len()) {
            break;
        }
    }
    let body = if request.contains("\"status\":\"read\"") {
        json!({"success": true})
    } else {
        json!({"messaging_product": "whatsapp", "messages": [{"id": "wamid.360"}]})
    };
    let body = body.to_string();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
    let reply = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(reply.as_bytes()).await.unwrap();
    request
}

async fn put(world: &World, settings: Value) -> Reply {
    let path = format!("/v1/accounts/{ACCOUNT}/channels/{EXTERNAL}");
    world.admin(Method::PUT, &path, OPERATOR_KEY).json(&settings).await
}

fn settings(url: &str) -> Value {
    json!({
        "billing": "external", "waba": WABA, "token_file": "meta-token", "upstream_url": url,
        "upstream_auth_header": "D360-API-KEY", "upstream_path": "/messages",
    })
}

async fn messages_go_by_the_providers_own_path_and_header(backend: Backend) {
    let world = World::on(backend).await;
    let provider = Provider::start().await;
    let put = put(&world, settings(&provider.url)).await;
    assert_eq!(put.status, 200, "{}", put.json);
    assert_eq!(put.json["upstream_auth_header"], "D360-API-KEY");
    let path = format!("/v24.0/{EXTERNAL}/messages");
    let send = |body: String| world.post(&path, body).header("d360-api-key", "a client's own");
    let sent = send(marketing(&indian(1))).await;
    assert_eq!(sent.summary(), "200 0.00 USD marketing India");
    assert_eq!(sent.message_id(), "wamid.360");
    assert_eq!(send(READ_RECEIPT.to_owned()).await.status, 200);
    let prefixed = world.post(&format!("/campaigns/diwali{path}"), text(&indian(2)));
    assert_eq!(prefixed.await.summary(), "200 0.00 USD service India");
    let seen = provider.seen();
    let bodies = [marketing(&indian(1)), READ_RECEIPT.to_owned(), text(&indian(2))];
    assert_eq!(seen.len(), bodies.len());
    for (request, body) in seen.iter().zip(&bodies) {
        assert!(request.starts_with("POST /messages HTTP/1.1\r\n"), "{request}");
        let head = request.to_ascii_lowercase();
        let token = format!("\r\nd360-api-key: {}\r\n", META_TOKEN.to_ascii_lowercase());
        assert!(head.contains(&token), "{request}");
        assert_eq!(head.matches("d360-api-key").count(), 1, "{request}");
        assert!(!head.contains("authorization") && !request.contains(KEY), "{request}");
        assert!(request.ends_with(&format!("\r\n\r\n{body}")), "{request}");
    }
    assert_eq!(world.simulator.requests_count() + world.elsewhere.requests_count(), 0);
}

async fn nothing_but_messages_goes_there(backend: Backend) {
    let world = World::on(backend).await;
    let provider = Provider::start().await;
    assert_eq!(put(&world, settings(&provider.url)).await.status, 200);
    let marketing_path = format!("/v24.0/{EXTERNAL}/marketing_messages");
    let reply = world.post(&marketing_path, marketing(&indian(1))).idempotency_key("k").await;
    assert_eq!(reply.summary(), "403 path_not_allowed");
    // What was refused is not remembered.
    let messages = format!("/v24.0/{EXTERNAL}/messages");
    let sent = world.post(&messages, marketing(&indian(1))).idempotency_key("k").await;
    assert_eq!(sent.summary(), "200 0.00 USD marketing India");
    for (method, path) in [
        (Method::GET, format!("/v24.0/{EXTERNAL}")),
        (Method::POST, format!("/v24.0/{EXTERNAL}/media")),
        (Method::GET, format!("/v24.0/{EXTERNAL}/whatsapp_business_profile")),
        (Method::GET, format!("/v24.0/990000000000001?phone_number_id={EXTERNAL}")),
    ] {
        assert_eq!(world.data(method, &path).await.summary(), "403 path_not_allowed", "{path}");
    }
    // The WABA's templates are read with the token of its channel at Meta.
    let templates = world.data(Method::GET, &format!("/v24.0/{WABA}/message_templates")).await;
    assert_eq!(templates.status, 200);
    assert_eq!(world.data(Method::GET, &format!("/v24.0/{NUMBER}")).await.status, 200);
    assert_eq!((provider.seen().len(), world.simulator.requests_count()), (1, 2));
}

async fn odd_headers_and_paths_are_refused(backend: Backend) {
    let world = World::on(backend).await;
    let good = settings("http://127.0.0.1:9");
    let with = |name: &str, value: Value| {
        let mut settings = good.clone();
        settings[name] = value;
        settings
    };
    let refused = async |settings: Value, field: &str| {
        let reply = put(&world, settings.clone()).await;
        assert_eq!(reply.status, 422, "{settings}: {}", reply.json);
        let fields: Vec<_> = reply.json["errors"].as_array().into_iter().flatten().collect();
        assert!(fields.iter().any(|error| error["field"] == field), "{settings}: {}", reply.json);
    };
    for header in
        ["", "a b", "a:b", "Authorization", "Connection", "TE", "Host", "Content-Length", "Cookie"]
    {
        refused(with("upstream_auth_header", header.into()), "upstream_auth_header").await;
    }
    for path in ["", "/", "messages", "/messages/", "//messages", "/..", "/a?b", "/{id}", "/a%2f"] {
        refused(with("upstream_path", path.into()), "upstream_path").await;
    }
    // Only where another provider is.
    refused(with("billing", "prepaid".into()), "upstream_path").await;
    refused(with("upstream_url", Value::Null), "upstream_auth_header").await;
    assert_eq!(put(&world, with("upstream_path", Value::Null)).await.status, 200);
    assert_eq!(put(&world, with("upstream_auth_header", Value::Null)).await.status, 200);
}
