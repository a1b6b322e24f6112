//! How connections are kept, used again and closed.

use std::time::Duration;

use super::{ACCEPTED, answered, forward, options, server, unknown};
use crate::upstream::client::{Upstream, UpstreamOptions};
use crate::upstream::outcome::UnknownReason;

#[tokio::test]
async fn a_pooled_connection_that_dies_under_a_request_is_unknown() {
    let (address, seen) = server(|_, mut peer| async move {
        peer.request().await;
        peer.write(ACCEPTED).await;
        peer.request().await;
        peer.reset();
    })
    .await;
    let upstream = Upstream::new(options());
    assert_eq!(answered(forward(&upstream, address).await).0, 200);
    unknown(&forward(&upstream, address).await, UnknownReason::ConnectionLost);
    assert_eq!((seen.connections(), seen.requests().len()), (1, 2));
}

#[tokio::test]
async fn connections_are_used_again_and_closed_ones_are_not() {
    let (address, seen) = server(|_, mut peer| async move {
        for _ in 0..2 {
            peer.request().await;
            peer.write(ACCEPTED).await;
        }
    })
    .await;
    let upstream = Upstream::new(options());
    for connections in [1, 1, 2, 2, 3] {
        assert_eq!(answered(forward(&upstream, address).await).0, 200);
        assert_eq!(seen.connections(), connections);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(seen.requests().len(), 5);
}

#[tokio::test]
async fn unused_connections_are_closed_in_time() {
    let (address, seen) = server(|_, mut peer| async move {
        while !peer.request().await.is_empty() {
            peer.write(ACCEPTED).await;
        }
        peer.1.0.lock().expect("not poisoned").1.push("closed".to_owned());
    })
    .await;
    let idle_timeout = Duration::from_millis(100);
    let upstream = Upstream::new(UpstreamOptions { idle_timeout, ..options() });
    let both = || async { tokio::join!(forward(&upstream, address), forward(&upstream, address)) };
    let (one, other) = both().await;
    assert_eq!((answered(one).0, answered(other).0), (200, 200));
    upstream.tidy();
    tokio::time::sleep(idle_timeout / 10).await;
    let (one, other) = both().await;
    assert_eq!((answered(one).0, answered(other).0), (200, 200));
    assert_eq!((seen.connections(), seen.requests().len()), (2, 4), "too early");
    tokio::time::sleep(idle_timeout).await;
    upstream.tidy();
    tokio::time::sleep(idle_timeout / 2).await;
    assert_eq!(seen.requests().iter().filter(|text| *text == "closed").count(), 2);
}

#[tokio::test]
async fn connections_that_upstream_closed_are_not_kept() {
    let pause = Duration::from_millis(30);
    let (address, seen) = server(|_, mut peer| async move {
        peer.request().await;
        peer.write(ACCEPTED).await;
        tokio::time::sleep(Duration::from_millis(30)).await;
    })
    .await;
    let upstream = Upstream::new(options());
    for connections in 1..4 {
        assert_eq!(answered(forward(&upstream, address).await).0, 200);
        assert_eq!((upstream.unused(), seen.connections()), (1, connections));
        tokio::time::sleep(pause * 2).await;
        upstream.tidy();
        assert_eq!(upstream.unused(), 0);
    }
}

#[tokio::test]
async fn a_send_may_move_to_another_task() {
    let (address, _) = server(|_, mut peer| async move {
        peer.request().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        peer.write(ACCEPTED).await;
    })
    .await;
    let upstream = Upstream::new(options());
    let mut sending = Box::pin(async move { forward(&upstream, address).await });
    let here = tokio::time::timeout(Duration::from_millis(10), &mut sending).await;
    assert!(here.is_err(), "it is on its way");
    let attempt = tokio::spawn(sending).await.expect("it ends");
    assert_eq!(answered(attempt).0, 200);
}
