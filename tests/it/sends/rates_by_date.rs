//! Prices that hang on the day and on what was sent before: card versions, the market's dates, the
//! free messages of a month.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::Value;

use crate::support::{
    Backend, Books, OPERATOR_KEY, Setup, World, indian, marketing, micros, on_every_ledger, text,
};

on_every_ledger!(
    a_card_version_begins_at_midnight_of_the_waba,
    a_thousand_free_form_messages_a_month_are_free
);

/// 2026-10-01 00:00 in Asia/Kolkata, the time zone of the world's WABA.
const MIDNIGHT_MS: i64 = 1_790_793_000_000;

/// A number of Kuwait, which becomes a market of its own that day.
const KUWAITI: &str = "+96550012345";

async fn a_card_version_begins_at_midnight_of_the_waba(backend: Backend) {
    let world = World::of(Setup::on(backend).at(MIDNIGHT_MS - 1_000)).await;
    let summary = async |body: String| world.send(body).await.summary();
    assert_eq!(summary(marketing(KUWAITI)).await, "200 0.0341 USD marketing Rest of Middle East");
    assert_eq!(summary(text(KUWAITI)).await, "200 0.00 USD service Rest of Middle East");
    world.pass(Duration::from_millis(999));
    assert_eq!(summary(marketing(KUWAITI)).await, "200 0.0341 USD marketing Rest of Middle East");
    world.pass(Duration::from_millis(1));
    assert_eq!(summary(marketing(KUWAITI)).await, "200 0.0792 USD marketing Kuwait");
    assert_eq!(summary(text(KUWAITI)).await, "200 0.00 USD service Kuwait");
    assert_eq!(world.books().await.settled, 100_000_000 - 2 * 34_100 - 79_200);
}

async fn a_thousand_free_form_messages_a_month_are_free(backend: Backend) {
    let setup =
        Setup::on(backend).channel("throughput_limit = 1000").set("throttle.max_wait_ms", 20_000);
    let world = Arc::new(World::of(setup).await);
    let sends = (0..1_010).map(|n| {
        let world = world.clone();
        tokio::spawn(async move { world.send(text(&indian(n))).await.summary() })
    });
    let (mut free, mut charged) = (0, 0);
    for send in sends.collect::<Vec<_>>() {
        match send.await.unwrap().as_str() {
            "200 0.00 USD service India" => free += 1,
            "200 0.0014 USD service India" => charged += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!((free, charged), (1_000, 10));
    let settled = 100_000_000 - 10 * 1_400;
    assert_eq!(world.books().await, Books { settled, held: 0, available: settled });
    let usage = world.operate(Method::GET, "/usage?group_by=category", Value::Null).await;
    assert_eq!(
        (&usage["total"]["messages"], micros(usage["total"]["credits"].as_str().unwrap())),
        (&1_010.into(), 14_000)
    );
    // A message that upstream refuses gives its free message back only if it had one; the next
    // month has its own thousand.
    world.simulator.fault(tollgate_simulator::Fault::refuse(131_047).next(1));
    assert_eq!(world.send(text(&indian(1))).await.summary(), "400 #131047");
    assert_eq!(world.send(text(&indian(1))).await.summary(), "200 0.0014 USD service India");
    world.pass(Duration::from_secs(16 * 24 * 3600));
    assert_eq!(world.send(text(&indian(1))).await.summary(), "200 0.00 USD service India");
    assert_eq!(world.admin(Method::GET, "/v1/rate-cards/meta-usd", OPERATOR_KEY).await.status, 200);
}
