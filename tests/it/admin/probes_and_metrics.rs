//! Probes and scrapers need no key, on the admin listener and on one of their own; and the listener
//! serves what the router returns.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tollgate::admin::ops::ops_router;
use tollgate::admin::service;
use tollgate::http::listener::{ServerOptions, serve};

use crate::support::AdminApi;

#[tokio::test]
async fn readiness_names_what_is_not_ready() {
    let api = AdminApi::open().await;
    assert_eq!(api.ask_as("", "GET", "/livez", "").await.text, "ok\n");
    let ready = api.ask_as("", "GET", "/readyz", "").await;
    assert_eq!((ready.status, ready.json), (200, json!({"ready":true,"not_ready":[]})));
    assert!(api.ask_as("", "GET", "/metrics", "").await.text.contains("tollgate_build_info"));
    api.ops.drain();
    api.ledger.ledger.close().await.unwrap();
    let answer = api.ask_as("", "GET", "/readyz", "").await;
    assert_eq!((answer.status, &answer.json["ready"]), (503, &json!(false)));
    let reasons = answer.json["not_ready"].as_array().unwrap();
    assert_eq!([&reasons[0]["what"], &reasons[1]["what"]], ["gateway", "ledger"]);
    assert_eq!(api.ask_as("", "GET", "/livez", "").await.status, 200, "it lives nevertheless");
}

#[tokio::test]
async fn the_listener_serves_it() {
    let api = AdminApi::open().await;
    let stop = CancellationToken::new();
    for (router, path, expected) in [
        (api.router.clone(), "/v1/accounts", "HTTP/1.1 401 Unauthorized"),
        (api.router.clone(), "/livez", "HTTP/1.1 200 OK"),
        (ops_router(api.ops.clone()), "/readyz", "HTTP/1.1 200 OK"),
        (ops_router(api.ops.clone()), "/v1/accounts", "HTTP/1.1 404 Not Found"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve(
            listener,
            ServerOptions::default(),
            service(router),
            stop.child_token(),
        ));
        let mut client = TcpStream::connect(address).await.unwrap();
        client
            .write_all(
                format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes(),
            )
            .await
            .unwrap();
        let mut text = String::new();
        tokio::time::timeout(Duration::from_secs(10), client.read_to_string(&mut text))
            .await
            .unwrap()
            .unwrap();
        assert!(text.starts_with(expected), "{path}: {text}");
        server.abort();
    }
}
