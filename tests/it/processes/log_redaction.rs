//! The log at its lowest level has every send, and never a token, a full number or content.

use std::time::Duration;

use http::Method;
use serde_json::json;
use tollgate_simulator::{Fault, FaultAction};

use crate::support::{
    Backend, CAMPAIGN_KEY, Client, Deployment, KEY, META_TOKEN, NUMBER, OPERATOR_KEY, Process,
    READING_KEY, RIVAL_KEY, RIVAL_META_TOKEN, Setup, on_every_ledger,
};

on_every_ledger!(the_log_has_sends_without_their_secrets);

/// Words that are only in content, and the digits of recipients.
const SECRETS: [&str; 13] = [
    KEY,
    CAMPAIGN_KEY,
    READING_KEY,
    RIVAL_KEY,
    OPERATOR_KEY,
    META_TOKEN,
    RIVAL_META_TOKEN,
    "mistyped-key-0123",
    "marzipan",
    "9812345678",
    "9812345670",
    "6505550144",
    "13400000000000000001",
];

async fn the_log_has_sends_without_their_secrets(backend: Backend) {
    for format in ["json", "text"] {
        let deployment = Deployment::prepare(Setup::on(backend).own_server());
        let settings =
            [("log.level", "trace"), ("log.format", format), ("upstream.answer_timeout_ms", "500")];
        let process = Process::serve(&deployment, &settings);
        send_everything(&process.client, &deployment).await;
        process.terminate();
        assert_eq!(process.ended(Duration::from_secs(10)).await.code(), Some(0));
        // The reader of the pipe may be a moment behind the end of the process.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let log = process.log();
        for expected in [
            "req-accepted",
            "req-refused",
            "req-lost",
            "req-malformed",
            "req-poor",
            "diwali",
            "9198...",
            "US....",
            "outcome_unknown",
            "insufficient_balance",
        ] {
            assert!(log.contains(expected), "{format}: nothing of {expected} in\n{log}");
        }
        for secret in SECRETS {
            let line = log.lines().find(|line| line.contains(secret));
            assert!(line.is_none(), "{format}: `{secret}` in {line:?}");
        }
        if format == "json" {
            let sends =
                log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            assert!(sends.filter(|line| line["message"] == "send").count() >= 7, "{log}");
        }
    }
}

fn body(to: &str, recipient: &str) -> String {
    json!({
        "messaging_product": "whatsapp", to: recipient,
        "type": "text", "text": {"body": "We have marzipan"},
        "biz_opaque_callback_data": "marzipan",
    })
    .to_string()
}

fn offer(to: &str) -> String {
    let parameters = json!([{"type": "text", "text": "marzipan"}]);
    json!({
        "messaging_product": "whatsapp", "to": to, "type": "template",
        "template": {"name": "spring_offer", "language": {"code": "en_US"},
                     "components": [{"type": "body", "parameters": parameters}]},
    })
    .to_string()
}

/// Every kind of ending, with something secret in each.
async fn send_everything(client: &Client, deployment: &Deployment) {
    let send = |id: &str, body: String| client.send(body).header("x-request-id", id);
    assert_eq!(
        send("req-accepted", body("to", "+91 98123-45678")).campaign("diwali").await.status,
        200
    );
    assert_eq!(send("req-user", body("recipient", "US.13400000000000000001")).await.status, 200);
    assert_eq!(send("req-malformed", body("to", "+16505550144") + "marzipan").await.status, 400);
    assert_eq!(
        send("req-twice", body("to", "+16505550144").replacen('{', r#"{"marzipan":1,"#, 1))
            .await
            .status,
        400
    );
    assert_eq!(send("req-number", body("to", "06505550144")).await.status, 422);
    assert_eq!(
        send("req-key", body("to", "+16505550144")).key("mistyped-key-0123").await.status,
        401
    );
    assert_eq!(
        send("req-keyed", offer("+16505550144")).idempotency_key("marzipan").await.status,
        200
    );
    for (id, fault) in [
        ("req-refused", Fault::refuse(131_026)),
        ("req-lost", Fault::new(FaultAction::Reset).after_accepting()),
    ] {
        deployment.simulator.fault(fault.next(1));
        let status = send(id, offer("+16505550144")).await.status;
        assert_eq!(status, if id == "req-lost" { 409 } else { 400 });
    }
    deployment.simulator.fault(Fault::new(FaultAction::Garbage).next(1));
    assert_eq!(send("req-garbage", offer("+919812345678")).await.status, 409);
    let adjust = json!({"amount": "-99.93", "reference": "out", "reason": "test"});
    client.operate(Method::POST, "/wallets/main/adjustments", adjust).await;
    assert_eq!(send("req-poor", offer("+919812345670")).await.status, 402);
    let media = client.data(Method::GET, &format!("/v24.0/{NUMBER}?fields=id")).await;
    assert_eq!(media.status, 200);
    let by_query = async |key: &str| {
        let path = format!("/v24.0/{NUMBER}?access_token={key}");
        client.data(Method::GET, &path).without("authorization").await.status
    };
    assert_eq!((by_query(KEY).await, by_query("mistyped-key-0123").await), (200, 401));
    let path = format!("/v24.0/{NUMBER}?access_token={RIVAL_KEY}");
    assert_eq!(client.data(Method::GET, &path).await.status, 400);
    let path = format!("/v24.0/{NUMBER}/messages?access_token={KEY}&marzipan=1");
    assert_eq!(client.post(&path, body("to", "+16505550144")).await.status, 400);
    assert_eq!(client.admin(Method::GET, "/v1/accounts", "mistyped-key-0123").await.status, 401);
    let made = client.operate(Method::POST, "/keys", json!({"scopes": ["send"]})).await;
    let key = made["key"].as_str().unwrap();
    assert_eq!(send("req-made", body("to", "+16505550144")).key(key).await.status, 200);
}
