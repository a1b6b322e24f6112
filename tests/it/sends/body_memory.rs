//! The bodies of all sends in flight share a bounded memory: beyond it sends are refused before
//! anything is held, and small ones go on once there is room.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tollgate_simulator::{Fault, FaultAction};

use crate::support::{
    Backend, KEY, NUMBER, RIVAL_KEY, RIVAL_NUMBER, Setup, World, indian, marketing, on_every_ledger,
};

on_every_ledger!(
    bodies_share_a_bounded_memory,
    stalled_bodies_of_one_account_leave_room_for_others,
    a_flow_of_nearly_a_mebibyte_passes,
);

const MIB: usize = 1024 * 1024;

/// A message with a flow's payload of about `size` bytes.
fn flow(to: &str, size: usize) -> String {
    let parameters = json!({
        "flow_message_version": "3", "flow_id": "1", "flow_cta": "Book",
        "flow_action_payload": {"screen": "ONE", "data": {"slots": "x".repeat(size)}},
    });
    json!({
        "messaging_product": "whatsapp", "to": to, "type": "interactive",
        "interactive": {
            "type": "flow", "body": {"text": "Book a slot"},
            "action": {"name": "flow", "parameters": parameters},
        },
    })
    .to_string()
}

async fn bodies_share_a_bounded_memory(backend: Backend) {
    let setup = Setup::on(backend)
        .set("send.max_body_bytes", 256 * 1024)
        .set("send.max_body_memory_bytes", MIB)
        .set("upstream.answer_timeout_ms", 20_000);
    let world = Arc::new(World::of(setup).await);
    world.simulator.fault(Fault::new(FaultAction::Delay { ms: 3_000 }));
    let sends: Vec<_> = (0..12)
        .map(|n| {
            let world = world.clone();
            tokio::spawn(async move { world.send(flow(&indian(n), 250_000)).await })
        })
        .collect();
    let (mut sent, mut refused) = (0, 0);
    for send in sends {
        let reply = send.await.unwrap();
        match reply.summary().as_str() {
            "200 0.00 USD service India" => sent += 1,
            "503 overloaded" => {
                assert_eq!(reply.header("retry-after"), "1");
                refused += 1;
            }
            other => panic!("{other}"),
        }
    }
    assert!((1..=4).contains(&sent) && refused == 12 - sent, "{sent} sent, {refused} refused");
    assert_eq!(world.simulator.accepted_count(), sent);
    world.simulator.clear();
    // What was taken is given back.
    for n in 20..24 {
        assert_eq!(world.send(flow(&indian(n), 250_000)).await.status, 200);
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(world.send(marketing(&indian(30))).await.status, 200);
}

async fn stalled_bodies_of_one_account_leave_room_for_others(backend: Backend) {
    let setup = Setup::on(backend)
        .set("send.max_body_bytes", 256 * 1024)
        .set("send.max_body_memory_bytes", MIB);
    let world = World::of(setup).await;
    let head = format!(
        "POST /v24.0/{NUMBER}/messages HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {KEY}\r\n\
         Content-Type: application/json\r\nContent-Length: 262144\r\n\r\n"
    );
    // All but the end of more bodies than there is memory for.
    let mut stalled = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(world.data).await.unwrap();
        stream.write_all(&[head.as_bytes(), &[b' '; 200_000]].concat()).await.unwrap();
        stalled.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.send(flow(&indian(1), 100_000)).await.summary(), "503 overloaded");
    let path = format!("/v24.0/{RIVAL_NUMBER}/messages");
    let other = world.post(&path, flow(&indian(2), 100_000)).key(RIVAL_KEY).await;
    assert_eq!(other.status, 200, "{}", other.summary());
    let mut refused = 0;
    for stream in &mut stalled {
        let mut answer = [0; 12];
        let read = stream.read_exact(&mut answer);
        if let Ok(read) = tokio::time::timeout(Duration::from_millis(50), read).await {
            read.unwrap();
            assert_eq!(&answer, b"HTTP/1.1 503");
            refused += 1;
        }
    }
    assert!((4..8).contains(&refused), "{refused} of 8 refused");
}

async fn a_flow_of_nearly_a_mebibyte_passes(backend: Backend) {
    let world = World::on(backend).await;
    let body = flow(&indian(1), MIB - 1_000);
    assert!(body.len() > MIB - 1_000 && body.len() <= MIB);
    assert_eq!(world.send(body.clone()).await.summary(), "200 0.00 USD service India");
    assert_eq!(world.accepted_bodies(), [body]);
    let larger = world.send(flow(&indian(1), MIB)).await;
    assert_eq!(larger.summary(), "413 too_large");
}
