//! How much of a gateway passed-through requests may take: in all, by one account, and for how long
//! without progress.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Backend, NUMBER, RIVAL_KEY, RIVAL_NUMBER, Setup, World, on_every_ledger};

on_every_ledger!(an_account_has_a_share_of_what_passes, a_client_that_takes_nothing_keeps_nothing,);

const OVERLOADED: &str = "503 overloaded";

/// Larger than what buffers on the way take.
const LARGE: usize = 12_000_000;

/// The path of a media object of that size.
async fn object(world: &World, bytes: usize) -> String {
    let id = world.simulator.put_media("video/mp4", vec![7; bytes]);
    let answer = world.data(Method::GET, &format!("/v24.0/{id}")).await;
    let url = answer.text("/url").to_owned();
    url.strip_prefix(&format!("http://{}", world.data)).unwrap().to_owned()
}

/// A client that asks and reads nothing of the answer but its beginning.
async fn standing(world: &World, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(world.data).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: gateway\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    stream
}

async fn number(world: &World) -> String {
    world.data(Method::GET, &format!("/v24.0/{NUMBER}")).await.summary()
}

async fn until(world: &World, expected: &str) {
    for _ in 0..200 {
        if number(world).await == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(number(world).await, expected);
}

async fn an_account_has_a_share_of_what_passes(backend: Backend) {
    let setup = Setup::on(backend)
        .set("pass_through.max_in_flight", 3)
        .set("pass_through.max_in_flight_per_account", 2);
    let world = World::of(setup).await;
    let path = object(&world, LARGE).await;
    until(&world, "200").await;
    let first = standing(&world, &path).await;
    let second = standing(&world, &path).await;
    until(&world, OVERLOADED).await;
    let refused = world.data(Method::GET, &format!("/v24.0/{NUMBER}")).await;
    assert_eq!(refused.header("retry-after"), "1");
    assert!(refused.text("/error/error_data/details").contains("this account"));
    assert_eq!(world.request(Method::GET, world.data, &path).await.summary(), OVERLOADED);
    let rival = async || {
        let path = format!("/v24.0/{RIVAL_NUMBER}");
        world.data(Method::GET, &path).key(RIVAL_KEY).await.summary()
    };
    assert_eq!(rival().await, "200", "another account has room");
    // Sends have bounds of their own.
    let sent = world.send(crate::support::text("+16505550144")).await;
    assert_eq!(sent.status, 200);
    drop(first);
    until(&world, "200").await;
    drop(second);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let gone = world.request(Method::GET, world.data, &path).await;
    assert_eq!((gone.status, gone.body.len()), (200, LARGE));

    let world = World::of(Setup::on(backend).set("pass_through.max_in_flight", 1)).await;
    let path = object(&world, LARGE).await;
    let _standing = standing(&world, &path).await;
    until(&world, OVERLOADED).await;
    let reply = world.data(Method::GET, &format!("/v24.0/{RIVAL_NUMBER}")).key(RIVAL_KEY).await;
    assert_eq!(reply.summary(), OVERLOADED, "in all");
}

async fn a_client_that_takes_nothing_keeps_nothing(backend: Backend) {
    let setup = Setup::on(backend)
        .set("pass_through.max_in_flight", 1)
        .set("pass_through.stall_timeout_ms", 1000);
    let world = World::of(setup).await;
    let path = object(&world, 500_000).await;
    // HTTP/2 without a window: the connection lives and answers pings, the stream stands.
    let stream = TcpStream::connect(world.data).await.unwrap();
    let (client, connection) = h2::client::Builder::new()
        .initial_window_size(0)
        .handshake::<_, Bytes>(stream)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let uri = format!("http://{}{path}", world.data);
    let request = http::Request::get(uri).body(()).unwrap();
    let (answer, _) = client.send_request(request, true).unwrap();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(number(&world).await, OVERLOADED);
    until(&world, "200").await;
    assert!(!connection.is_finished(), "its connection is left alone");
    drop(answer);
}
