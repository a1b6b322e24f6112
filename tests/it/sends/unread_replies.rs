//! A reply that its connection cannot take is heard by nobody: the same body again gets it, and is
//! no message of its own.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::net::TcpStream;

use crate::support::{
    Backend, KEY, MARKETING_INDIA, NUMBER, World, indian, marketing, on_every_ledger,
};

on_every_ledger!(what_a_full_window_holds_back_is_not_heard);

const SENT: &str = "200 0.0118 USD marketing India";

/// Sends `body` over an HTTP/2 connection that has no room for any reply, gives up after the head
/// of the reply, and waits until the gateway knows; whether the reply was one given before.
async fn give_up_on_the_reply(world: &World, body: &str) -> bool {
    let stream = TcpStream::connect(world.data).await.unwrap();
    let (client, connection) =
        h2::client::Builder::new().initial_window_size(0).handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::post(format!("http://{}/v24.0/{NUMBER}/messages", world.data))
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "application/json")
        .body(())
        .unwrap();
    let (response, mut sending) =
        client.ready().await.unwrap().send_request(request, false).unwrap();
    sending.send_data(Bytes::copy_from_slice(body.as_bytes()), true).unwrap();
    let response = tokio::time::timeout(Duration::from_secs(10), response).await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    let replayed = response.headers().contains_key("idempotency-replayed");
    drop(response);
    connection.abort();
    tokio::time::sleep(Duration::from_secs(1)).await;
    replayed
}

async fn what_a_full_window_holds_back_is_not_heard(backend: Backend) {
    let world = World::on(backend).await;
    let body = marketing(&indian(1));
    assert!(!give_up_on_the_reply(&world, &body).await);
    assert!(give_up_on_the_reply(&world, &body).await, "nobody has heard it yet");
    assert!(give_up_on_the_reply(&world, &body).await, "nor now");
    let heard = world.send(body.clone()).await;
    assert_eq!((heard.summary().as_str(), heard.header("idempotency-replayed")), (SENT, "true"));
    assert_eq!(world.simulator.accepted_count(), 1);
    let own = world.send(body).await;
    assert_eq!((own.summary().as_str(), own.header("idempotency-replayed")), (SENT, ""));
    assert_eq!(world.simulator.accepted_count(), 2);
    assert_eq!(world.books().await.available, 100_000_000 - 2 * MARKETING_INDIA);
}
