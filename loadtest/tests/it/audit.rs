//! `loadtest audit` against an admin API with fixed replies, and a real simulator.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tollgate_simulator::{Simulator, SimulatorOptions};

use super::*;

/// Serves the three reads of an audit: one hold in doubt on a second page, usage of `messages` at
/// 0.01 each. Pages have the members of the real API's lists, `items` and `next`.
async fn admin(messages: u64, settled: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = vec![0; 4096];
            let length = stream.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..length]).into_owned();
            assert!(head.contains("authorization: Bearer operator"), "{head}");
            let body = answer(head.split(' ').nth(1).unwrap(), messages, settled).to_string();
            let reply = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(reply.as_bytes()).await.unwrap();
        }
    });
    addr
}

fn answer(path: &str, messages: u64, settled: &str) -> Value {
    let credits = format!("0.{messages:02}");
    match path {
        "/v1/accounts/acme/wallets/main" => json!({
            "settled": settled, "held": "0.01", "overdraft_limit": "0.00",
            "available": "0.96", "currency": "USD", "exhausted": false,
        }),
        "/v1/accounts/acme/usage?group_by=country,category" => json!({
            "rows": [{
                "country": "IN", "category": "marketing",
                "messages": messages, "credits": credits,
            }],
            "total": { "messages": messages, "credits": credits },
        }),
        "/v1/accounts/acme/holds?state=in_doubt" => json!({ "items": [], "next": "p2" }),
        "/v1/accounts/acme/holds?state=in_doubt&cursor=p2" => {
            let hold = json!({ "id": "h1", "amount": "0.01", "state": "in_doubt" });
            json!({ "items": [hold], "next": null })
        }
        other => panic!("{other}"),
    }
}

/// Audits `messages` on usage against four accepted upstream.
async fn audit(messages: u64, settled: &'static str) -> (bool, String) {
    let simulator = Simulator::start(SimulatorOptions::default()).unwrap();
    let url = simulator.url();
    let sends =
        ["run", "--key", "k", "--phone-number-id", "7", "--rate", "40", "--duration", "100ms"];
    assert!(loadtest(&[&sends[..], &["--target", &url]].concat()).await.status.success());
    assert_eq!(simulator.accepted_count(), 4);
    let admin = format!("http://{}", admin(messages, settled).await);
    let output = loadtest(&[
        "audit",
        "--admin",
        &admin,
        "--operator-key",
        "operator",
        "--account",
        "acme",
        "--topped-up",
        "1.00",
        "--simulator",
        &url,
        "--phone-number-id",
        "7",
        "--within",
        "100ms",
    ])
    .await;
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), table)
}

#[tokio::test]
async fn agreement_is_exit_zero_and_anything_else_is_not() {
    let (good, table) = audit(3, "0.97").await;
    assert!(good, "{table}");
    assert_eq!(table.lines().count(), 7, "{table}");
    // Five messages charged, four accepted.
    let (good, table) = audit(5, "0.95").await;
    assert!(!good);
    let wrong: Vec<_> = table.lines().filter(|line| line.starts_with("DISAGREES")).collect();
    assert_eq!(wrong.len(), 2, "{table}");
}
