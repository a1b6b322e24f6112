//! The headers of a body must not leave two readings: one type, UTF-8, no encoding; and upstream
//! gets the type that was priced.

use http::header::CONTENT_TYPE;

use crate::support::{Backend, World, indian, marketing, on_every_ledger};

on_every_ledger!(a_body_with_two_readings_is_refused, upstream_sees_one_content_type);

const REFUSED: &str = "415 unsupported_media_type";
const SENT: &str = "200 0.0118 USD marketing India";

async fn a_body_with_two_readings_is_refused(backend: Backend) {
    let world = World::on(backend).await;
    let send = || world.send(marketing(&indian(1)));
    for second in [
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
    ] {
        assert_eq!(
            send().and_header("content-type", second).await.summary(),
            REFUSED,
            "a second content type `{second}`"
        );
    }
    let other_first = send()
        .header("content-type", "application/x-www-form-urlencoded")
        .and_header("content-type", "application/json");
    assert_eq!(other_first.await.summary(), REFUSED);
    for kind in [
        "application/json; charset=utf-16",
        "application/json; charset=utf-8; charset=utf-16",
        "application/json; charset",
        "application/json; charset=",
        "application/json; boundary=x",
        "application/json, text/plain",
    ] {
        assert_eq!(send().header("content-type", kind).await.summary(), REFUSED, "{kind}");
    }
    for [first, second] in [["identity", "gzip"], ["gzip", "identity"], ["gzip", "gzip"]] {
        let summary = send()
            .header("content-encoding", first)
            .and_header("content-encoding", second)
            .await
            .summary();
        assert_eq!(summary, REFUSED, "content encodings {first}, {second}");
    }
    assert_eq!(world.simulator.requests_count(), 0, "something was forwarded");
    let books = world.books().await;
    assert_eq!((books.available, books.held), (100_000_000, 0));
}

async fn upstream_sees_one_content_type(backend: Backend) {
    let world = World::on(backend).await;
    let kinds = [
        "application/json",
        "application/json; charset=UTF-8",
        "application/json;charset=\"utf-8\"",
        "Application/JSON ; Charset=utf-8",
        "application/json;",
    ];
    for (n, kind) in kinds.into_iter().enumerate() {
        assert_eq!(
            world.send(marketing(&indian(n))).header("content-type", kind).await.summary(),
            SENT,
            "{kind}"
        );
    }
    let accepted = world.simulator.accepted();
    assert_eq!(accepted.len(), kinds.len());
    for (message, kind) in accepted.iter().zip(kinds) {
        let seen: Vec<&[u8]> =
            message.headers.get_all(CONTENT_TYPE).iter().map(|value| value.as_bytes()).collect();
        assert_eq!(seen, [b"application/json"], "{kind}");
    }
}
