//! Sends that come twice: with an idempotency key, or without one from an SDK that repeats by
//! itself. One message, one charge.

use std::time::Duration;

use tollgate_simulator::{Fault, FaultAction};

use crate::support::{
    Backend, Client, MARKETING_INDIA, Setup, World, indian, marketing, on_every_ledger, template,
};

on_every_ledger!(
    a_key_gives_the_first_answer_again,
    a_key_belongs_to_one_body,
    a_key_in_flight_and_one_in_doubt_are_distinguished,
    what_was_rejected_or_refused_may_be_repeated,
    an_sdk_that_repeats_after_its_own_time_out_sends_one_message,
    an_sdk_that_repeats_an_unknown_outcome_sends_one_message,
    two_clients_that_both_wait_send_two_messages,
);

const SENT: &str = "200 0.0118 USD marketing India";

async fn a_key_gives_the_first_answer_again(backend: Backend) {
    let world = World::on(backend).await;
    let send = async || world.send(marketing(&indian(1))).idempotency_key("order-77").await;
    let first = send().await;
    assert_eq!(first.summary(), SENT);
    assert!(!first.headers.contains_key("idempotency-replayed"));
    for hours in [0, 1, 22] {
        world.pass(Duration::from_secs(hours * 3600));
        let again = send().await;
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!((again.summary(), again.message_id()), (SENT.into(), first.message_id()));
        assert_eq!(
            (again.header("tollgate-hold"), again.charge()),
            (first.header("tollgate-hold"), MARKETING_INDIA)
        );
        assert_eq!(again.text("/contacts/0/wa_id"), first.text("/contacts/0/wa_id"));
    }
    assert_eq!(world.simulator.accepted_count(), 1);
    assert_eq!(world.books().await.settled, 100_000_000 - MARKETING_INDIA);
    // Keys are kept 24 to 36 hours.
    world.pass(Duration::from_secs(14 * 3600));
    assert_eq!(send().await.header("idempotency-replayed"), "");
    assert_eq!(world.simulator.accepted_count(), 2);
}

async fn a_key_belongs_to_one_body(backend: Backend) {
    let world = World::on(backend).await;
    let longest = "k".repeat(255);
    for key in ["k", longest.as_str()] {
        assert_eq!(world.send(marketing(&indian(1))).idempotency_key(key).await.summary(), SENT);
        assert_eq!(
            world.send(marketing(&indian(2))).idempotency_key(key).await.summary(),
            "422 idempotency_conflict"
        );
    }
    for key in ["", "a b", "\u{7f}", &"k".repeat(256)] {
        let request = world.send(marketing(&indian(3)));
        let request = if key == "\u{7f}" {
            request.idempotency_key("a").and_header("idempotency-key", "b")
        } else {
            request.idempotency_key(key)
        };
        assert_eq!(request.await.summary(), "400 malformed", "{key:?}");
    }
    assert_eq!(world.simulator.accepted_count(), 2);
}

async fn a_key_in_flight_and_one_in_doubt_are_distinguished(backend: Backend) {
    let world = World::of(Setup::on(backend).set("upstream.answer_timeout_ms", 1_500)).await;
    let (first, second) = (marketing(&indian(1)), marketing(&indian(2)));
    world.simulator.fault(Fault::new(FaultAction::Delay { ms: 600 }).next(1));
    let slow = async { world.send(first.clone()).idempotency_key("slow").await.summary() };
    let meanwhile = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        world.send(first.clone()).idempotency_key("slow").await.summary()
    };
    assert_eq!(tokio::join!(slow, meanwhile), (SENT.into(), "409 idempotency_in_flight".into()));
    world.simulator.fault(Fault::new(FaultAction::Reset).after_accepting().next(1));
    for _ in 0..2 {
        assert_eq!(
            world.send(second.clone()).idempotency_key("lost").await.summary(),
            "409 outcome_unknown"
        );
    }
    assert_eq!(world.simulator.accepted_count(), 2);
}

async fn what_was_rejected_or_refused_may_be_repeated(backend: Backend) {
    let world = World::of(Setup::on(backend).credits(0)).await;
    let send =
        async || world.send(marketing(&indian(1))).idempotency_key("order-1").await.summary();
    assert_eq!(send().await, "402 insufficient_balance");
    world.top_up("1.00", "first payment").await;
    world.simulator.fault(Fault::refuse(131_056).next(1));
    assert_eq!(send().await, "400 #131056");
    assert_eq!(send().await, SENT);
    assert_eq!(world.simulator.accepted_count(), 1);
}

/// What an SDK with a time-out of 300 ms and three repetitions sees: a connection it closed itself,
/// or a status it does not repeat. At one gateway it may repeat at once; to reach another it
/// takes longer than this one takes to notice that its client hung up and to report it.
async fn repeat_after_time_out(gateways: &[&Client], body: &str) -> Vec<String> {
    let mut seen = Vec::new();
    for attempt in 0..4 {
        let client = gateways[attempt % gateways.len()];
        match client.send(body.to_owned()).within(Duration::from_millis(300)).await {
            None => {
                seen.push("time-out".to_owned());
                if gateways.len() > 1 {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            Some(reply) => seen.push(reply.summary()),
        }
    }
    seen
}

async fn an_sdk_that_repeats_after_its_own_time_out_sends_one_message(backend: Backend) {
    let world = World::of(Setup::on(backend)).await;
    world.simulator.set_latency(Duration::from_secs(2));
    let body = marketing(&indian(1));
    let seen = repeat_after_time_out(&[&world], &body).await;
    assert_eq!(
        seen,
        ["time-out", "409 outcome_unknown", "409 outcome_unknown", "409 outcome_unknown"]
    );
    if backend == Backend::Redis {
        let (other, client) = world.another_gateway().await;
        let seen = repeat_after_time_out(&[&client, &world], &body).await;
        assert!(seen.iter().all(|summary| summary == "409 outcome_unknown"), "{seen:?}");
        let elsewhere = marketing(&indian(2));
        let seen = repeat_after_time_out(&[&world, &client], &elsewhere).await;
        assert_eq!(
            seen,
            ["time-out", "409 outcome_unknown", "409 outcome_unknown", "409 outcome_unknown"]
        );
        assert!(other.shutdown().await.clean);
    }
    let messages = if backend == Backend::Redis { 2 } else { 1 };
    assert_eq!(world.simulator.accepted_count(), messages);
    // The work went on without the client: the message is charged once its response is here.
    let charged = 100_000_000 - i64::try_from(messages).unwrap() * MARKETING_INDIA;
    for _ in 0..100 {
        if world.books().await.settled == charged {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let books = world.books().await;
    assert_eq!((books.settled, books.held), (charged, 0));
}

async fn an_sdk_that_repeats_an_unknown_outcome_sends_one_message(backend: Backend) {
    let world = World::of(Setup::on(backend)).await;
    let (another, other) = match backend {
        Backend::Redis => {
            let (gateway, client) = world.another_gateway().await;
            (Some(gateway), client)
        }
        Backend::Embedded => (None, Client::new(world.data, world.admin)),
    };
    for (n, fault) in
        [FaultAction::Reset, FaultAction::Garbage, FaultAction::Status { status: 502 }]
            .into_iter()
            .enumerate()
    {
        world.simulator.fault(Fault::new(fault).after_accepting().next(1));
        for attempt in 0..6 {
            let client = if attempt % 2 == 0 { &world.client } else { &other };
            assert_eq!(
                client.send(template(&indian(n), "spring_offer", "en_US")).await.summary(),
                "409 outcome_unknown"
            );
        }
        assert_eq!(world.simulator.accepted_count(), n as u64 + 1);
    }
    assert_eq!(world.books().await.held, 3 * MARKETING_INDIA);
    if let Some(gateway) = another {
        assert!(gateway.shutdown().await.clean);
    }
}

async fn two_clients_that_both_wait_send_two_messages(backend: Backend) {
    let world = World::on(backend).await;
    world.simulator.set_latency(Duration::from_millis(300));
    let body = marketing(&indian(1));
    let (one, two) = tokio::join!(async { world.send(body.clone()).await.summary() }, async {
        world.send(body.clone()).await.summary()
    });
    assert_eq!((one.as_str(), two.as_str()), (SENT, SENT));
    assert_eq!(world.simulator.accepted_count(), 2);
}
