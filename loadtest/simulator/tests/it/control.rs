//! The endpoints under `/_simulator/`, and the bounds of what is kept.

use tollgate_simulator::Stats;

use super::*;

#[tokio::test]
async fn everything_can_be_driven_from_another_process() {
    let simulator = start();
    let fault = json!({ "action": { "refuse": { "code": 131056 } }, "when": { "next": 1 } });
    assert_eq!(post(&simulator, "/_simulator/faults", fault.to_string()).await.status, 200);
    let faults = get(&simulator, "/_simulator/faults").await.json();
    assert_eq!(faults[0]["action"], fault["action"]);
    let refused = post(&simulator, MESSAGES, text_to("+16505550144")).await;
    assert_eq!(refused.json()["error"]["code"], 131056);
    let latency = r#"{"latency_ms":20}"#;
    assert_eq!(post(&simulator, "/_simulator/latency", latency).await.status, 200);
    for recipient in ["+16505550144", "+16505550145", "+16505550146"] {
        assert_eq!(post(&simulator, MESSAGES, text_to(recipient)).await.status, 200);
    }
    let stats: Stats =
        serde_json::from_slice(&get(&simulator, "/_simulator/stats").await.body).unwrap();
    assert_eq!(stats, simulator.stats());
    assert_eq!((stats.requests, stats.accepted, stats.faults), (4, 3, 1));
    assert_eq!(stats.refused[&131056], 1);
    assert_eq!(stats.accepted_by_phone_number_id["106540352242922"], 3);

    let page = get(&simulator, "/_simulator/accepted?offset=1&limit=1").await.json();
    assert_eq!(page["accepted"], 3);
    let messages = page["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["recipient"], "+16505550145");
    assert_eq!(messages[0]["body"], text_to("+16505550145"));
    assert_eq!(messages[0]["type"], "text");

    let before = simulator.accepted()[0].message_id.clone();
    assert_eq!(post(&simulator, "/_simulator/reset", "").await.status, 200);
    assert_eq!(simulator.stats(), Stats::default());
    post(&simulator, MESSAGES, text_to("+16505550144")).await;
    assert_ne!(simulator.accepted()[0].message_id, before);
}

#[tokio::test]
async fn mistakes_are_refused_and_change_nothing() {
    let simulator = start();
    for (path, body) in [
        ("faults", "{}"),
        ("faults", r#"{"action":"explode"}"#),
        ("faults", r#"{"action":{"status":{"status":200}}}"#),
        ("faults", r#"{"action":"reset","when":{"every":0}}"#),
        ("faults", r#"{"action":{"contact":{"wa_id":"\""}}}"#),
        ("faults", r#"{"action":"reset","wenn":"always"}"#),
        ("latency", r#"{"latency_ms":-1}"#),
    ] {
        let answer = post(&simulator, &format!("/_simulator/{path}"), body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.json()["mistake"].is_string(), "{body}");
    }
    assert_eq!(get(&simulator, "/_simulator/accepted?limit=x").await.status, 400);
    assert_eq!(get(&simulator, "/_simulator/nothing").await.status, 404);
    assert_eq!(get(&simulator, "/_simulator/faults").await.json(), json!([]));
}

#[tokio::test]
async fn only_the_last_messages_are_kept() {
    let simulator =
        Simulator::start(SimulatorOptions { keep: 2, ..SimulatorOptions::default() }).unwrap();
    for last in 1..=5 {
        post(&simulator, MESSAGES, text_to(&format!("+1650555014{last}"))).await;
    }
    let recipients: Vec<String> =
        simulator.accepted().into_iter().map(|accepted| accepted.recipient).collect();
    assert_eq!(recipients, ["+16505550144", "+16505550145"]);
    assert_eq!(simulator.accepted_count(), 5);
}
