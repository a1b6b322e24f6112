//! Each fault, before and after accepting, as a client sees it.

use tollgate_simulator::{Fault, FaultAction};

use super::*;

async fn try_text(simulator: &Simulator) -> Option<Answer> {
    let request = Request::builder()
        .method("POST")
        .uri(format!("{}{MESSAGES}", simulator.url()))
        .header("content-type", "application/json");
    try_call(request, text_to("+16505550144")).await
}

/// Strikes one send with `fault`; returns the answer and the number of messages accepted.
async fn struck(fault: Fault) -> (Option<Answer>, u64) {
    let simulator = start();
    simulator.fault(fault.next(1));
    let answer = try_text(&simulator).await;
    let accepted = simulator.accepted_count();
    assert_eq!(simulator.stats().faults, 1);
    let next = try_text(&simulator).await.expect("the fault is used up");
    assert_eq!(next.status, 200);
    simulator.shutdown().await;
    (answer, accepted)
}

#[tokio::test]
async fn graph_errors_and_bare_statuses() {
    let (answer, accepted) = struck(Fault::refuse(131026)).await;
    let answer = answer.unwrap();
    assert_eq!((answer.status.as_u16(), accepted), (400, 0));
    assert_eq!(answer.json()["error"]["code"], 131026);

    let action = FaultAction::Refuse { code: 131000, status: Some(503) };
    let (answer, accepted) = struck(Fault::new(action).after_accepting()).await;
    let answer = answer.unwrap();
    assert_eq!((answer.status.as_u16(), accepted), (503, 1));
    assert_eq!(answer.json()["error"]["code"], 131000);

    let (answer, accepted) = struck(Fault::new(FaultAction::Status { status: 502 })).await;
    let answer = answer.unwrap();
    assert_eq!((answer.status.as_u16(), accepted), (502, 0));
    assert!(answer.body.starts_with(b"<html>"));
}

#[tokio::test]
async fn broken_connections() {
    for action in [FaultAction::Reset, FaultAction::Truncate] {
        let (answer, accepted) = struck(Fault::new(action.clone())).await;
        assert!(answer.is_none(), "{action:?}");
        assert_eq!(accepted, 0);
        let (answer, accepted) = struck(Fault::new(action.clone()).after_accepting()).await;
        assert!(answer.is_none(), "{action:?}");
        assert_eq!(accepted, 1);
    }
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let simulator = start();
    simulator.fault(Fault::new(FaultAction::Reset));
    let mut stream = tokio::net::TcpStream::connect(simulator.addr()).await.unwrap();
    let body = text_to("+16505550144");
    let head = format!(
        "POST {MESSAGES} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer t\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let error = stream.read(&mut [0; 16]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn unreadable_answers() {
    let (answer, accepted) = struck(Fault::new(FaultAction::Garbage).after_accepting()).await;
    let answer = answer.unwrap();
    assert_eq!((answer.status.as_u16(), accepted), (200, 1));
    assert!(serde_json::from_slice::<Value>(&answer.body).is_err());

    let (answer, accepted) = struck(Fault::new(FaultAction::NoId)).await;
    let json = answer.unwrap().json();
    assert!(json["contacts"].is_array() && json["messages"].is_null());
    assert_eq!(accepted, 0);

    let (answer, accepted) = struck(Fault::new(FaultAction::Held)).await;
    let status = &answer.unwrap().json()["messages"][0]["message_status"];
    assert_eq!((status.as_str(), accepted), (Some("held_for_quality_assessment"), 1));
}

#[tokio::test]
async fn delays_and_hangs_end_with_the_simulator() {
    let simulator = start();
    simulator.set_latency(Duration::from_millis(60));
    let begin = std::time::Instant::now();
    assert_eq!(try_text(&simulator).await.unwrap().status, 200);
    assert!(begin.elapsed() >= Duration::from_millis(60));
    simulator.clear();

    simulator.fault(Fault::new(FaultAction::Delay { ms: 80 }).next(1));
    let begin = std::time::Instant::now();
    assert_eq!(try_text(&simulator).await.unwrap().status, 200);
    assert!(begin.elapsed() >= Duration::from_millis(80));

    simulator.fault(Fault::new(FaultAction::Hang).after_accepting().next(1));
    let hanging = try_text(&simulator);
    let given_up = tokio::time::timeout(Duration::from_millis(100), hanging).await;
    assert!(given_up.is_err());
    assert_eq!(simulator.accepted_count(), 3);

    simulator.fault(Fault::new(FaultAction::Hang).for_recipient("16505550144"));
    let simulator_url = simulator.url();
    let hanging = tokio::spawn(async move {
        let request = Request::builder()
            .method("POST")
            .uri(format!("{simulator_url}{MESSAGES}"))
            .header("content-type", "application/json");
        try_call(request, text_to("+16505550144")).await
    });
    while simulator.stats().faults < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let addr = simulator.addr();
    simulator.shutdown().await;
    assert!(hanging.await.unwrap().is_none());
    assert!(std::net::TcpStream::connect(addr).is_err());
}

#[tokio::test]
async fn reads_have_their_own_faults() {
    let simulator = start();
    simulator.fault(Fault::refuse(4).on_reads().next(1));
    assert_eq!(try_text(&simulator).await.unwrap().status, 200);
    let answer = get(&simulator, "/v24.0/1/message_templates").await;
    assert_eq!(answer.json()["error"]["code"], 4);
    let answer = get(&simulator, "/v24.0/1/message_templates").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_contact_names_somebody_else() {
    let contact = |wa_id: Option<&str>, user_id: Option<&str>| FaultAction::Contact {
        wa_id: wa_id.map(str::to_owned),
        user_id: user_id.map(str::to_owned),
    };
    for (action, expected) in [
        (contact(Some("5215512345678"), None), json!({ "wa_id": "5215512345678" })),
        (contact(None, Some("US.134")), json!({ "user_id": "US.134" })),
        (contact(Some("1"), Some("US.134")), json!({ "wa_id": "1", "user_id": "US.134" })),
        (contact(None, None), json!({})),
    ] {
        let (answer, accepted) = struck(Fault::new(action)).await;
        let json = answer.unwrap().json();
        let mut named = json!({ "input": "+16505550144" });
        named.as_object_mut().unwrap().extend(expected.as_object().unwrap().clone());
        assert_eq!((&json["contacts"], accepted), (&json!([named]), 1));
        assert!(json["messages"][0]["id"].is_string());
    }
}
