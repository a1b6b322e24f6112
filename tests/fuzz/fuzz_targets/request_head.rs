//! Requests on one connection: however the bytes come in pieces, the reader of their framing finds
//! the same, and hyper never handles a request that the reader has not seen.
#![no_main]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tollgate::http::listener::framing::{Framing, Refused};

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, bytes) = input;
    let mut whole = Framing::new(64 << 10);
    let verdict = follow(&mut whole, bytes);
    let mut pieces = Framing::new(64 << 10);
    let mut chunks = bytes.chunks(usize::from(cut).max(1));
    let in_pieces = chunks.try_for_each(|piece| follow(&mut pieces, piece));
    assert_eq!(
        verdict.map_err(|refused| refused.violation),
        in_pieces.map_err(|refused| refused.violation)
    );
    let passed = match verdict {
        Ok(()) => bytes,
        Err(refused) => &bytes[..refused.at],
    };
    let mut seen = Framing::new(64 << 10);
    follow(&mut seen, passed).expect("what comes before a violation is none");
    assert!(handled(passed) <= seen.heads(), "hyper found a request more");
});

/// Follows all of `bytes`, one request after the other.
fn follow(framing: &mut Framing, bytes: &[u8]) -> Result<(), Refused> {
    let mut followed = 0;
    while followed < bytes.len() {
        let length = framing
            .follow(&bytes[followed..])
            .map_err(|refused| Refused { at: refused.at + followed, ..refused })?;
        assert!(length > 0, "it goes on");
        followed += length;
    }
    Ok(())
}

/// How many requests hyper finds in `bytes`.
fn handled(bytes: &[u8]) -> usize {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        counted.fetch_add(1, Ordering::Relaxed);
        async {
            let _ = request.into_body().collect().await;
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(async {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        client.write_all(bytes).await.expect("it fits");
        client.shutdown().await.expect("half closed");
        let serve = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(server), service);
        let mut answers = Vec::new();
        let both = async { tokio::join!(serve, client.read_to_end(&mut answers)) };
        let _ = tokio::time::timeout(Duration::from_secs(5), both).await;
    });
    count.load(Ordering::Relaxed)
}
