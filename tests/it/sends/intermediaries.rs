//! Replies of what is between the gateway and Meta - proxies, firewalls, portals: the sender gets
//! them, knows whose they are, and is led nowhere else.

use http::Method;
use serde_json::json;
use tollgate_simulator::{Coding, Fault, FaultAction};

use crate::support::{
    Backend, Books, MARKETING_INDIA, NUMBER, Reply, World, indian, marketing, on_every_ledger,
};

on_every_ledger!(
    a_reply_says_whose_it_is,
    a_redirect_leads_no_client_away,
    an_encoded_answer_is_readable_by_every_client,
    a_campaign_counts_who_refused,
    what_an_intermediary_refused_may_be_sent_again,
);

const ANSWERED_BY: &str = "tollgate-answered-by";

fn status(status: u16) -> Fault {
    Fault::new(FaultAction::Status { status })
}

async fn struck(world: &World, fault: Fault, n: usize) -> Reply {
    world.simulator.fault(fault.next(1));
    world.send(marketing(&indian(n))).await
}

async fn a_reply_says_whose_it_is(backend: Backend) {
    let world = World::on(backend).await;
    assert_eq!(world.send(marketing(&indian(0))).await.header(ANSWERED_BY), "graph");
    for (n, (fault, expected)) in [
        (Fault::refuse(131_026), "graph"),
        (Fault::new(FaultAction::ByteOrderMark), "graph"),
        (status(302), "intermediary"),
        (status(403), "intermediary"),
        (status(408), "gateway"),
        (status(502), "gateway"),
        (Fault::new(FaultAction::Portal), "gateway"),
    ]
    .into_iter()
    .enumerate()
    {
        let what = format!("{fault:?}");
        assert_eq!(struck(&world, fault, n + 1).await.header(ANSWERED_BY), expected, "{what}");
    }
    let page = struck(&world, status(403), 20).await;
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.body.starts_with(b"<html>"), "the sender gets the answer as it came");
    // A read receipt costs nothing, and is answered by somebody all the same.
    let receipt = include_bytes!("../../payloads/send-read-receipt-typing.json").as_slice();
    let path = format!("/v24.0/{NUMBER}/messages");
    let read = world.post(&path, receipt).await;
    assert_eq!((read.status, read.header(ANSWERED_BY)), (200, "graph"));
    world.simulator.fault(status(403).next(1).on_reads());
    let read = world.post(&path, receipt).await;
    assert_eq!((read.status, read.header(ANSWERED_BY)), (403, "intermediary"));
}

async fn a_redirect_leads_no_client_away(backend: Backend) {
    let world = World::on(backend).await;
    for (n, code) in [301, 302, 303, 307, 308].into_iter().enumerate() {
        let reply = struck(&world, status(code), n).await;
        assert_eq!((reply.status, reply.header("location")), (code, ""));
        world.simulator.fault(status(code).next(1).on_reads());
        let read = world.data(Method::GET, &format!("/v24.0/{NUMBER}")).await;
        assert_eq!((read.status, read.header("location")), (code, ""));
    }
    assert_eq!(world.simulator.accepted_count(), 0, "the gateway followed a redirect");
    let free = Books { settled: 100_000_000, held: 0, available: 100_000_000 };
    assert_eq!(world.books().await, free);
}

async fn an_encoded_answer_is_readable_by_every_client(backend: Backend) {
    let world = World::on(backend).await;
    for (n, coding) in [Coding::Gzip, Coding::Deflate].into_iter().enumerate() {
        let reply = struck(&world, Fault::new(FaultAction::Encoded { coding }), n).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("content-encoding"), "");
        assert!(reply.message_id().starts_with("wamid."), "{}", reply.json);
    }
}

async fn a_campaign_counts_who_refused(backend: Backend) {
    let world = World::on(backend).await;
    for (n, fault) in
        [Fault::refuse(131_026), status(403), status(403), status(307)].into_iter().enumerate()
    {
        world.simulator.fault(fault.next(1));
        world.send(marketing(&indian(n))).campaign("diwali").await;
    }
    let campaign = world.operate(Method::GET, "/campaigns/diwali", json!(null)).await;
    let refused = json!({"131026": 1, "http_307": 1, "http_403": 2});
    assert_eq!(campaign["counts"]["refused"], refused);
    let metrics = world.request(Method::GET, world.client.admin, "/metrics").await;
    let text = String::from_utf8_lossy(&metrics.body);
    let line = "tollgate_upstream_errors_total{code=\"intermediary\"} 3";
    assert!(text.lines().any(|found| found == line), "{text}");
}

async fn what_an_intermediary_refused_may_be_sent_again(backend: Backend) {
    let world = World::on(backend).await;
    let body = marketing(&indian(1));
    world.simulator.fault(status(407).next(1));
    assert_eq!(world.send(body.clone()).idempotency_key("k").await.summary(), "407 #null");
    let again = world.send(body).idempotency_key("k").await;
    assert_eq!(again.summary(), "200 0.0118 USD marketing India");
    let left = 100_000_000 - MARKETING_INDIA;
    assert_eq!(world.books().await, Books { settled: left, held: 0, available: left });
}
