//! One person is one recipient, however the number is written and whatever upstream calls it: caps,
//! the messaging limit and campaigns count the person, prices are the same, and what is forwarded
//! stays as it was written.

use std::time::Duration;

use serde_json::json;
use tollgate_simulator::{Fault, FaultAction};

use crate::support::{Backend, Setup, World, marketing, on_every_ledger, text};

on_every_ledger!(
    a_cap_counts_a_person_by_every_spelling,
    the_messaging_limit_counts_a_person_by_every_spelling,
    a_campaign_writes_to_a_person_by_one_spelling,
    different_people_stay_different,
    every_spelling_costs_the_same_and_travels_as_written,
    an_answer_corrects_who_the_recipient_is,
    an_answer_that_confirms_the_identity_changes_nothing,
    an_answer_links_a_user_id_and_a_number,
    a_corrected_identity_is_known_to_the_next_gateway,
);

/// Spellings of one person each, and the country whose price applies.
const PEOPLE: [(&str, &[&str]); 6] = [
    ("Mexico", &["+52 55 1234 5678", "+5215512345678", "5215512345678", "+52 044 55 1234 5678"]),
    ("Brazil", &["+5511987654321", "+55 11 8765-4321", "551187654321", "+55 0 11 98765-4321"]),
    ("Argentina", &["+5491123456789", "+54 11 15 2345-6789", "541123456789", "+5401123456789"]),
    ("Argentina", &["+5492202456789", "+54 2202 15 456789", "542202456789"]),
    ("United Kingdom", &["+447911123456", "+44 (0) 7911 123456", "4407911123456"]),
    ("India", &["+919812345678", "+91 0 98123 45678"]),
];

const CAPPED: &str = "403 frequency_capped";

fn one_an_hour(backend: Backend) -> Setup {
    Setup::on(backend)
        .account(r#"caps = [{ categories = ["marketing"], max = 1, window_s = 3600 }]"#)
}

/// The simulated Cloud API names the next recipient so.
fn name_next(world: &World, wa_id: Option<&str>, user_id: Option<&str>) {
    let owned = |name: Option<&str>| name.map(str::to_owned);
    let action = FaultAction::Contact { wa_id: owned(wa_id), user_id: owned(user_id) };
    world.simulator.fault(Fault::new(action).next(1));
}

async fn a_cap_counts_a_person_by_every_spelling(backend: Backend) {
    let world = World::of(one_an_hour(backend)).await;
    for (_, spellings) in PEOPLE {
        for first in spellings {
            assert_eq!(world.send(marketing(first)).await.status, 200, "{first}");
            for other in spellings {
                assert_eq!(world.send(marketing(other)).await.summary(), CAPPED, "{first} {other}");
            }
            world.pass(Duration::from_secs(3_601));
        }
    }
}

async fn the_messaging_limit_counts_a_person_by_every_spelling(backend: Backend) {
    let limit = PEOPLE.len();
    let world = World::of(Setup::on(backend).account(&format!("messaging_limit = {limit}"))).await;
    for (_, spellings) in PEOPLE {
        for written in spellings {
            assert_eq!(world.send(marketing(written)).await.status, 200, "{written}");
        }
    }
    let limits = world.operate(http::Method::GET, "/limits", serde_json::Value::Null).await;
    assert_eq!(limits["portfolios"][0]["used"], json!(limit), "{limits}");
    assert_eq!(
        world.send(marketing("+525512345679")).await.summary(),
        "429 messaging_limit_reached"
    );
}

async fn a_campaign_writes_to_a_person_by_one_spelling(backend: Backend) {
    let world = World::of(Setup::on(backend).campaign("once", "dedupe = \"recipient\"")).await;
    for (_, spellings) in PEOPLE {
        let (first, others) = spellings.split_first().unwrap();
        world.simulator.fault(Fault::refuse(131_026).next(1));
        let refused = world.send(marketing(others[0])).campaign("once").await;
        assert_eq!(refused.summary(), "400 #131026");
        assert_eq!(world.send(marketing(first)).campaign("once").await.status, 200, "{first}");
        for other in others {
            let again = world.send(marketing(other)).campaign("once").await;
            assert_eq!(again.summary(), "409 already_sent", "{first} {other}");
        }
    }
    assert_eq!(world.simulator.accepted_count(), u64::try_from(PEOPLE.len()).unwrap());
}

async fn different_people_stay_different(backend: Backend) {
    let world = World::of(one_an_hour(backend)).await;
    for to in [
        // Landlines, and the numbers a ninth digit would make of them.
        "+551132345678",
        "+5511932345678",
        "+525512345678",
        "+525512345679",
        "+541123456789",
        "+542212345678",
        // A zero that is part of the number.
        "+390612345678",
        "+39612345678",
        "+2250701234567",
    ] {
        assert_eq!(world.send(marketing(to)).await.status, 200, "{to}");
        assert_eq!(world.send(marketing(to)).await.summary(), CAPPED, "{to}");
    }
}

async fn every_spelling_costs_the_same_and_travels_as_written(backend: Backend) {
    let world = World::on(backend).await;
    let mut sent = Vec::new();
    for (country, spellings) in PEOPLE {
        let first = world.send(marketing(spellings[0])).await;
        assert!(first.summary().ends_with(country), "{}", first.summary());
        sent.push(marketing(spellings[0]));
        for written in &spellings[1..] {
            let reply = world.send(marketing(written)).await;
            assert_eq!(reply.summary(), first.summary(), "{written}");
            sent.push(marketing(written));
        }
    }
    assert_eq!(world.accepted_bodies(), sent);
}

async fn an_answer_corrects_who_the_recipient_is(backend: Backend) {
    let world = World::of(
        one_an_hour(backend)
            .account("messaging_limit = 2")
            .campaign("once", "dedupe = \"recipient\""),
    )
    .await;
    // No rule knows this spelling, which upstream takes for a newer one.
    let (written, corrected) = ("+229 95 12 34 56", "+229 01 95 12 34 56");
    name_next(&world, Some("2290195123456"), None);
    assert_eq!(world.send(marketing(written)).campaign("once").await.status, 200);
    assert_eq!(world.send(marketing(corrected)).await.summary(), CAPPED);
    assert_eq!(world.send(marketing(written)).await.summary(), CAPPED);
    world.pass(Duration::from_secs(3_601));
    assert_eq!(
        world.send(marketing(corrected)).campaign("once").await.summary(),
        "409 already_sent"
    );
    // The slot is the person's too: a second person finds room, a third does not.
    assert_eq!(world.send(marketing(corrected)).await.status, 200);
    assert_eq!(world.send(marketing(written)).await.summary(), CAPPED);
    assert_eq!(world.send(marketing("+919812345678")).await.status, 200);
    assert_eq!(
        world.send(marketing("+919812345679")).await.summary(),
        "429 messaging_limit_reached"
    );
    world.pass(Duration::from_secs(3_601));
    assert_eq!(world.send(marketing(written)).await.status, 200);
    let limits = world.operate(http::Method::GET, "/limits", serde_json::Value::Null).await;
    assert_eq!(limits["portfolios"][0]["used"], 2, "{limits}");
}

async fn an_answer_that_confirms_the_identity_changes_nothing(backend: Backend) {
    let world = World::of(one_an_hour(backend)).await;
    // The simulated Cloud API names people as Meta does, 521..., 5511 8..., 549...
    for (_, spellings) in PEOPLE {
        let reply = world.send(marketing(spellings[0])).await;
        let named = reply.text("/contacts/0/wa_id").to_owned();
        assert_eq!(world.send(marketing(&named)).await.summary(), CAPPED, "{named}");
    }
    // Nothing was learned: somebody who is named otherwise is still somebody else.
    assert_eq!(world.send(marketing("+22995123456")).await.status, 200);
    assert_eq!(world.send(marketing("+2290195123456")).await.status, 200);
    // An answer without a name, or with one that is none, is accepted like any other.
    for wa_id in [None, Some(""), Some("nobody"), Some("1")] {
        name_next(&world, wa_id, None);
        assert_eq!(world.send(marketing("+919812345679")).await.status, 200, "{wa_id:?}");
        world.pass(Duration::from_secs(3_601));
    }
    assert_eq!(world.books().await.held, 0);
}

async fn an_answer_links_a_user_id_and_a_number(backend: Backend) {
    let world = World::of(one_an_hour(backend)).await;
    let to_user =
        |id: &str| marketing("+1").replace(r#""to":"+1""#, &format!(r#""recipient":"{id}""#));
    // A user id is a person of its own, as long as no answer says more.
    let (user, parent, number) = ("MX.134", "MX.ENT.99", "+52 1 55 1234 5678");
    assert_eq!(world.send(to_user(user)).await.status, 200);
    assert_eq!(world.send(marketing(number)).await.status, 200);
    assert_eq!(world.send(to_user(parent)).await.status, 200);
    world.pass(Duration::from_secs(3_601));
    name_next(&world, Some("525512345678"), Some(user));
    assert_eq!(world.send(to_user(user)).await.status, 200);
    assert_eq!(world.send(marketing(number)).await.summary(), CAPPED);
    name_next(&world, None, Some(user));
    assert_eq!(world.send(to_user(parent)).await.status, 200);
    world.pass(Duration::from_secs(3_601));
    assert_eq!(world.send(marketing(number)).await.status, 200);
    assert_eq!(world.send(to_user(parent)).await.summary(), CAPPED);
    assert_eq!(world.send(to_user(user)).await.summary(), CAPPED);
    assert_eq!(world.send(text(number)).await.status, 200, "no cap counts service messages");
}

async fn a_corrected_identity_is_known_to_the_next_gateway(backend: Backend) {
    let world = World::of(one_an_hour(backend)).await;
    name_next(&world, Some("2290195123456"), None);
    assert_eq!(world.send(marketing("+22995123456")).await.status, 200);
    // Waits until what was learned is in the store.
    world.books().await;
    if backend == Backend::Redis {
        let (another, other) = world.another_gateway().await;
        assert_eq!(other.send(marketing("+2290195123456")).await.summary(), CAPPED);
        assert!(another.shutdown().await.clean);
        return;
    }
    let stored = everything_in(&world.home.path().join("ledger"));
    assert!(stored.len() > 10_000, "the ledger's files were not found");
    for digits in ["22995123456", "2290195123456"] {
        let clear = stored.windows(digits.len()).any(|found| found == digits.as_bytes());
        assert!(!clear, "the ledger holds a number in the clear");
    }
}

/// The bytes of all files of a directory.
fn everything_in(directory: &std::path::Path) -> Vec<u8> {
    let files = std::fs::read_dir(directory).unwrap();
    files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
}
