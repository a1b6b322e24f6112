//! What becomes of a send after upstream accepted it, refused it, or left it unknown: one table,
//! and the books after each row.

use std::time::Duration;

use http::Method;
use serde_json::json;
use tollgate_simulator::{Coding, Fault, FaultAction};

use crate::support::{
    Backend, Books, MARKETING_INDIA, Setup, World, free_address, indian, marketing, on_every_ledger,
};

on_every_ledger!(
    every_outcome_leaves_the_books_right,
    an_unknown_outcome_guards_its_body_until_it_is_resolved,
    what_was_not_sent_is_given_back,
    a_hold_in_doubt_is_resolved_by_an_operator,
);

/// What becomes of the hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    Charged,
    Released,
    InDoubt,
}
use Hold::{Charged, InDoubt, Released};

/// Upstream's behaviour, the reply, the hold, messages accepted.
fn table() -> Vec<(Fault, &'static str, Hold, u64)> {
    let status = |status| Fault::new(FaultAction::Status { status });
    let error = |code, status| Fault::new(FaultAction::Refuse { code, status: Some(status) });
    let encoded = |coding| Fault::new(FaultAction::Encoded { coding });
    let unknown = "409 outcome_unknown";
    vec![
        (Fault::new(FaultAction::Delay { ms: 50 }), "200 0.0118 USD marketing India", Charged, 1),
        (Fault::new(FaultAction::Held), "200 0.0118 USD marketing India", Charged, 1),
        (Fault::refuse(131_026), "400 #131026", Released, 0),
        (Fault::refuse(131_056), "400 #131056", Released, 0),
        (error(190, 401), "401 #190", Released, 0),
        (error(130_429, 429), "429 #130429", Released, 0),
        (error(2, 500), "500 #2", Released, 0),
        (error(131_016, 503), "503 #131016", Released, 0),
        (error(131_057, 500), "500 #131057", Released, 0),
        (error(133_004, 503), "503 #133004", Released, 0),
        (error(131_000, 500), unknown, InDoubt, 0),
        (error(131_000, 500).after_accepting(), unknown, InDoubt, 1),
        (error(1, 503), unknown, InDoubt, 0),
        (status(500), unknown, InDoubt, 0),
        (status(502), unknown, InDoubt, 0),
        (status(502).after_accepting(), unknown, InDoubt, 1),
        (status(302), "302 #null", Released, 0),
        (status(308), "308 #null", Released, 0),
        (status(403), "403 #null", Released, 0),
        (status(429), "429 #null", Released, 0),
        (error(190, 302), "302 #190", Released, 0),
        (status(408), unknown, InDoubt, 0),
        (status(408).after_accepting(), unknown, InDoubt, 1),
        (status(499), unknown, InDoubt, 0),
        (error(131_026, 408), unknown, InDoubt, 0),
        (error(131_026, 499).after_accepting(), unknown, InDoubt, 1),
        (Fault::new(FaultAction::Portal), unknown, InDoubt, 0),
        (encoded(Coding::Gzip), "200 0.0118 USD marketing India", Charged, 1),
        (encoded(Coding::Deflate), "200 0.0118 USD marketing India", Charged, 1),
        (Fault::new(FaultAction::ByteOrderMark), "200 0.0118 USD marketing India", Charged, 1),
        (Fault::new(FaultAction::Reset), unknown, InDoubt, 0),
        (Fault::new(FaultAction::Reset).after_accepting(), unknown, InDoubt, 1),
        (Fault::new(FaultAction::Truncate).after_accepting(), unknown, InDoubt, 1),
        (Fault::new(FaultAction::Garbage).after_accepting(), unknown, InDoubt, 1),
        (Fault::new(FaultAction::Garbage), unknown, InDoubt, 0),
        (Fault::new(FaultAction::NoId).after_accepting(), unknown, InDoubt, 1),
        (Fault::new(FaultAction::Hang), unknown, InDoubt, 0),
        (Fault::new(FaultAction::Hang).after_accepting(), unknown, InDoubt, 1),
    ]
}

async fn every_outcome_leaves_the_books_right(backend: Backend) {
    let world = World::of(impatient(backend)).await;
    let mut books = world.books().await;
    let mut in_doubt = 0;
    for (n, (fault, expected, hold, accepted)) in table().into_iter().enumerate() {
        let what = format!("{fault:?}");
        let before = world.simulator.accepted_count();
        world.simulator.fault(fault.next(1));
        let reply = world.send(marketing(&indian(n))).await;
        assert_eq!(reply.summary(), expected, "{what}: {}", reply.json);
        assert_eq!(world.simulator.accepted_count() - before, accepted, "{what}");
        match hold {
            Charged => {
                (books.settled, books.available) =
                    (books.settled - MARKETING_INDIA, books.available - MARKETING_INDIA)
            }
            Released => {}
            InDoubt => {
                (books.held, books.available) =
                    (books.held + MARKETING_INDIA, books.available - MARKETING_INDIA);
                in_doubt += 1;
            }
        }
        assert_eq!(world.books().await, books, "{what}");
        assert_eq!(reply.headers.contains_key("tollgate-charge"), hold != InDoubt, "{what}");
    }
    assert_eq!(world.holds("in_doubt").await.len(), in_doubt);
    let events = world.events().await;
    assert_eq!(
        events.iter().filter(|event| *event == "hold_in_doubt").count(),
        in_doubt,
        "{events:?}"
    );
}

async fn an_unknown_outcome_guards_its_body_until_it_is_resolved(backend: Backend) {
    let world = World::of(impatient(backend)).await;
    world.simulator.fault(Fault::new(FaultAction::Reset).after_accepting().next(1));
    let body = marketing(&indian(1));
    for _ in 0..4 {
        assert_eq!(world.send(body.clone()).await.summary(), "409 outcome_unknown");
    }
    assert_eq!(world.simulator.accepted_count(), 1, "the message was sent again");
    // Another body, channel or account is another message.
    assert_eq!(world.send(marketing(&indian(2))).await.summary(), "200 0.0118 USD marketing India");
    let hold = world.holds("in_doubt").await[0]["id"].as_str().unwrap().to_owned();
    world.operate(Method::POST, &format!("/holds/{hold}/release"), json!({})).await;
    assert_eq!(world.send(body).await.summary(), "200 0.0118 USD marketing India");
    assert_eq!(
        world.books().await,
        Books {
            settled: 100_000_000 - 2 * MARKETING_INDIA,
            held: 0,
            available: 100_000_000 - 2 * MARKETING_INDIA
        }
    );
}

async fn what_was_not_sent_is_given_back(backend: Backend) {
    let setup = Setup::on(backend)
        .set("upstream.url", format!("http://{}", free_address()))
        .set("upstream.connect_timeout_ms", 200);
    let world = World::of(setup).await;
    for n in 0..3 {
        let reply = world.send(marketing(&indian(1))).idempotency_key("order-1").await;
        assert_eq!(reply.summary(), "502 upstream_unreachable", "repetition {n}");
        assert!(reply.headers.contains_key("retry-after"));
    }
    assert_eq!(
        world.books().await,
        Books { settled: 100_000_000, held: 0, available: 100_000_000 }
    );
    assert!(world.holds("in_doubt").await.is_empty());
}

async fn a_hold_in_doubt_is_resolved_by_an_operator(backend: Backend) {
    let world = World::of(impatient(backend)).await;
    world.simulator.fault(Fault::new(FaultAction::Reset).after_accepting().next(2));
    for n in [1, 2] {
        assert_eq!(world.send(marketing(&indian(n))).await.summary(), "409 outcome_unknown");
    }
    assert_eq!(
        world.books().await,
        Books {
            settled: 100_000_000,
            held: 2 * MARKETING_INDIA,
            available: 100_000_000 - 2 * MARKETING_INDIA
        }
    );
    let holds = world.holds("in_doubt").await;
    for (hold, verb) in holds.iter().zip(["settle", "release"]) {
        let id = hold["id"].as_str().unwrap();
        world.operate(Method::POST, &format!("/holds/{id}/{verb}"), json!({})).await;
    }
    let left = 100_000_000 - MARKETING_INDIA;
    assert_eq!(world.books().await, Books { settled: left, held: 0, available: left });
}

fn impatient(backend: Backend) -> Setup {
    Setup::on(backend)
        .set("upstream.answer_timeout_ms", Duration::from_millis(300).as_millis())
        .set("upstream.connect_timeout_ms", 100)
}
