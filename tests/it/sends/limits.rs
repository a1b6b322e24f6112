//! Limits on sends that have nothing to do with credits: throughput, messaging limit, frequency
//! caps, campaign budgets, one message a recipient.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use serde_json::Value;
use tollgate_simulator::Fault;

use crate::support::{
    Backend, MARKETING_INDIA, NUMBER, RIVAL_KEY, RIVAL_NUMBER, Setup, World, indian, marketing,
    on_every_ledger, template, text,
};

on_every_ledger!(
    throughput_is_limited_per_channel,
    a_send_waits_a_little_for_its_turn,
    the_messaging_limit_counts_unique_recipients,
    frequency_caps_count_per_recipient,
    a_budget_stops_its_campaign_alone,
    a_deduping_campaign_sends_to_each_recipient_once,
    a_person_stops_restarts_and_finishes_a_campaign,
    more_work_than_the_gateway_takes_is_refused,
);

const SENT: &str = "200 0.0118 USD marketing India";

async fn throughput_is_limited_per_channel(backend: Backend) {
    let world = Arc::new(
        World::of(
            Setup::on(backend).channel("throughput_limit = 2").set("throttle.max_wait_ms", 0),
        )
        .await,
    );
    let begin = Instant::now();
    let send = |n| {
        let world = world.clone();
        tokio::spawn(async move { world.send(marketing(&indian(n))).await })
    };
    let sends: Vec<_> = (0..12).map(send).collect();
    let (mut sent, mut limited) = (0, 0);
    for send in sends {
        let reply = send.await.unwrap();
        match reply.summary().as_str() {
            SENT => sent += 1,
            "429 throughput_limited" => {
                assert_eq!(reply.header("retry-after"), "1");
                limited += 1;
            }
            other => panic!("{other}"),
        }
    }
    // Two at once, and two for each second that has begun since.
    let most = 2 + 2 * (i64::try_from(begin.elapsed().as_secs()).unwrap() + 1);
    assert!(sent >= 2 && sent <= most && limited == 12 - sent, "{sent} sent, {limited} limited");
    // Another channel has a limit of its own.
    let path = format!("/v24.0/{RIVAL_NUMBER}/messages");
    assert_eq!(world.post(&path, text(&indian(1))).key(RIVAL_KEY).await.status, 200);
    assert_eq!(
        world.simulator.stats().accepted_by_phone_number_id.get(NUMBER),
        Some(&u64::try_from(sent).unwrap())
    );
    assert_eq!(world.books().await.settled, 100_000_000 - sent * MARKETING_INDIA);
}

async fn a_send_waits_a_little_for_its_turn(backend: Backend) {
    let world = World::of(Setup::on(backend).channel("throughput_limit = 20")).await;
    let begin = Instant::now();
    let bodies: Vec<String> = (0..30).map(|n| marketing(&indian(n))).collect();
    for body in &bodies {
        assert_eq!(world.send(body.clone()).await.summary(), SENT);
    }
    // Twenty at once, the other ten at twenty a second.
    assert!(begin.elapsed() >= Duration::from_millis(400), "{:?}", begin.elapsed());
}

async fn the_messaging_limit_counts_unique_recipients(backend: Backend) {
    let world = World::of(Setup::on(backend).account("messaging_limit = 3")).await;
    for n in [1, 2, 1, 2, 1] {
        assert_eq!(world.send(marketing(&indian(n))).await.summary(), SENT, "recipient {n}");
        world.pass(Duration::from_secs(60));
    }
    // A refused send takes no slot.
    world.simulator.fault(Fault::refuse(131_026).next(1));
    assert_eq!(world.send(marketing(&indian(3))).await.summary(), "400 #131026");
    assert_eq!(world.send(marketing(&indian(4))).await.summary(), SENT);
    let limited = world.send(marketing(&indian(5))).await;
    assert_eq!(limited.summary(), "429 messaging_limit_reached");
    // A slot frees when the recipient who was written to longest ago leaves the window: number 2,
    // last written to four minutes after the first send, one minute before now.
    let retry: u64 = limited.header("retry-after").parse().unwrap();
    assert!((23 * 3600..=24 * 3600 + 60).contains(&retry), "{retry}");
    // Who has a slot keeps it; free-form messages need none.
    assert_eq!(world.send(marketing(&indian(1))).await.summary(), SENT);
    assert_eq!(world.send(text(&indian(6))).await.summary(), "200 0.00 USD service India");
    let limits = world.operate(Method::GET, "/limits", Value::Null).await;
    assert_eq!(
        (&limits["messaging_limit"], &limits["portfolios"][0]["used"]),
        (&3.into(), &3.into()),
        "{limits}"
    );
    world.pass(Duration::from_secs(retry + 60));
    assert_eq!(
        world.send(marketing(&indian(5))).await.summary(),
        SENT,
        "the announced time has come"
    );
}

async fn frequency_caps_count_per_recipient(backend: Backend) {
    let world = World::of(
        Setup::on(backend)
            .account(r#"caps = [{ categories = ["marketing"], max = 2, window_s = 3600 }]"#),
    )
    .await;
    let send = async |n| world.send(marketing(&indian(n))).await;
    assert_eq!(send(1).await.summary(), SENT);
    world.simulator.fault(Fault::refuse(131_026).next(1));
    assert_eq!(send(1).await.summary(), "400 #131026", "and it is no cap hit");
    assert_eq!(send(1).await.summary(), SENT);
    let capped = send(1).await;
    assert_eq!(capped.summary(), "403 frequency_capped");
    let retry: u64 = capped.header("retry-after").parse().unwrap();
    assert!((3_540..=3_660).contains(&retry), "{retry}");
    assert_eq!(send(2).await.summary(), SENT, "another recipient");
    assert_eq!(
        world.send(template(&indian(1), "login_code", "en")).await.summary(),
        "200 0.0014 USD authentication India"
    );
    assert_eq!(world.simulator.accepted_count(), 4);
    world.pass(Duration::from_secs(retry + 60));
    assert_eq!(send(1).await.summary(), SENT);
}

async fn a_budget_stops_its_campaign_alone(backend: Backend) {
    let world = World::of(Setup::on(backend).campaign("small", "budget = \"0.03\"")).await;
    let mut summaries = Vec::new();
    for n in 0..4 {
        summaries.push(world.send(marketing(&indian(n))).campaign("small").await.summary());
    }
    assert_eq!(summaries, [SENT, SENT, "409 campaign_stopped", "409 campaign_stopped"]);
    assert_eq!(world.campaign("small").await, "stopped budget_spent");
    assert_eq!(world.send(marketing(&indian(9))).campaign("other").await.summary(), SENT);
    let events = world.events().await;
    assert_eq!(events.iter().filter(|event| *event == "campaign_stopped").count(), 1, "{events:?}");
}

async fn a_deduping_campaign_sends_to_each_recipient_once(backend: Backend) {
    let world = World::of(Setup::on(backend).campaign("once", "dedupe = \"recipient\"")).await;
    let send = async |n| world.send(marketing(&indian(n))).campaign("once").await.summary();
    assert_eq!(send(1).await, SENT);
    world.simulator.fault(Fault::refuse(131_026).next(1));
    assert_eq!(
        (send(2).await.as_str(), send(2).await.as_str()),
        ("400 #131026", SENT),
        "a refused send frees its recipient"
    );
    world.pass(Duration::from_secs(10 * 24 * 3600));
    for n in [1, 2] {
        assert_eq!(send(n).await, "409 already_sent");
    }
    assert_eq!(world.send(marketing(&indian(1))).await.summary(), SENT, "without the campaign");
    assert_eq!(world.simulator.accepted_count(), 3);
}

async fn a_person_stops_restarts_and_finishes_a_campaign(backend: Backend) {
    let world = World::on(backend).await;
    let send = async |n| world.send(marketing(&indian(n))).campaign("diwali").await.summary();
    let order = async |verb: &str| {
        drop(world.operate(Method::POST, &format!("/campaigns/diwali/{verb}"), Value::Null).await)
    };
    assert_eq!(send(1).await, SENT);
    order("stop").await;
    world.pass(Duration::from_secs(2));
    for n in [2, 3] {
        assert_eq!(send(n).await, "409 campaign_stopped");
    }
    assert_eq!(world.campaign("diwali").await, "stopped operator");
    order("restart").await;
    assert_eq!(send(2).await, SENT);
    order("finish").await;
    world.pass(Duration::from_secs(2));
    assert_eq!(send(3).await, "409 campaign_stopped");
    assert_eq!(world.campaign("diwali").await, "finished");
    assert_eq!(world.simulator.accepted_count(), 2);
}

async fn more_work_than_the_gateway_takes_is_refused(backend: Backend) {
    let world = World::of(Setup::on(backend).set("send.max_in_flight", 2)).await;
    world.simulator.set_latency(Duration::from_millis(400));
    let send = async |n| world.send(marketing(&indian(n))).await;
    let late = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        send(3).await
    };
    let (one, two, three) = tokio::join!(send(1), send(2), late);
    assert_eq!(
        (one.summary().as_str(), two.summary().as_str(), three.summary().as_str()),
        (SENT, SENT, "503 overloaded")
    );
    assert_eq!(three.header("retry-after"), "1");
    assert_eq!(send(3).await.summary(), SENT);
    assert_eq!(world.books().await.settled, 100_000_000 - 3 * MARKETING_INDIA);
}
