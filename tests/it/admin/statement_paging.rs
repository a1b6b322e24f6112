//! Statements are read to their end in pages, on either ledger: every entry once, in order.

use std::collections::HashSet;
use std::time::Duration;

use http::Method;
use serde_json::Value;

use crate::support::{
    Backend, MARKETING_INDIA, OPERATOR_KEY, World, indian, marketing, micros, on_every_ledger,
};

on_every_ledger!(
    a_statement_in_pages_is_the_whole_statement,
    cursors_that_no_list_gave_are_refused
);

const CHARGES: usize = 7;
const STATEMENT: &str = "/wallets/main/statement";

/// All entries, read in pages of `limit`.
async fn read(world: &World, limit: usize, further: &str) -> Vec<Value> {
    let mut entries = Vec::new();
    let mut cursor = String::new();
    for _ in 0..50 {
        let page = world
            .operate(
                Method::GET,
                &format!("{STATEMENT}?limit={limit}{further}{cursor}"),
                Value::Null,
            )
            .await;
        let items = page["items"].as_array().unwrap_or_else(|| panic!("no items in {page}"));
        assert!(items.len() <= limit, "{page}");
        entries.extend(items.iter().cloned());
        let Some(next) = page["next"].as_str() else { return entries };
        assert_eq!(items.len(), limit, "a page that is not the last is full: {page}");
        cursor = format!("&cursor={next}");
    }
    panic!("the statement has no end");
}

async fn a_statement_in_pages_is_the_whole_statement(backend: Backend) {
    let world = World::on(backend).await;
    for n in 0..CHARGES {
        assert_eq!(
            world.send(marketing(&indian(n))).await.summary(),
            "200 0.0118 USD marketing India"
        );
        // The charge is booked before time goes on: two charges at each instant.
        world.books().await;
        world.pass(Duration::from_millis(if n % 2 == 0 { 0 } else { 10 }));
    }
    let whole = read(&world, 100, "").await;
    assert_eq!(whole.len(), CHARGES + 1, "the opening top-up and the charges");
    // Even and odd: the last page full, and not.
    for limit in [1, 2, 3, CHARGES + 1] {
        assert_eq!(read(&world, limit, "").await, whole, "pages of {limit}");
    }
    let text = |entry: &Value, name: &str| {
        entry[name].as_str().unwrap_or_else(|| panic!("no {name} in {entry}")).to_owned()
    };
    let sequences: Vec<u64> =
        whole.iter().map(|entry| entry["sequence"].as_u64().unwrap()).collect();
    assert!(sequences.is_sorted_by(|one, next| one < next), "{sequences:?}");
    let holds: HashSet<&str> =
        whole[1..].iter().map(|entry| entry["charge"]["hold"].as_str().unwrap()).collect();
    assert_eq!(holds.len(), CHARGES);
    let mut balance = 0;
    for entry in &whole {
        balance += micros(&text(entry, "amount"));
        assert_eq!(micros(&text(entry, "balance_after")), balance, "{entry}");
    }
    assert_eq!(balance, 100_000_000 - i64::try_from(CHARGES).unwrap() * MARKETING_INDIA);
    // Within a period, too: from the third charge's instant on.
    let from = format!("&from={}", text(&whole[3], "at"));
    for limit in [2, 3, 100] {
        assert_eq!(read(&world, limit, &from).await, whole[3..], "pages of {limit} since {from}");
    }
}

async fn cursors_that_no_list_gave_are_refused(backend: Backend) {
    let world = World::on(backend).await;
    for cursor in ["x", "-", "1-", "-1", "1-2-3", "+1", "1-x", "123456789012345678901", "%20"] {
        let path =
            format!("/v1/accounts/{}{STATEMENT}?limit=2&cursor={cursor}", crate::support::ACCOUNT);
        let reply = world.admin(Method::GET, &path, OPERATOR_KEY).await;
        assert_eq!(reply.status, 400, "{cursor}: {}", reply.json);
    }
}
