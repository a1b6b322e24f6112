//! Names and labels are the contract; series stay bounded.

use std::time::Duration;

use super::charged::SERIES_MAX;
use super::{Metrics, SendOutcome, Stage};
use crate::amount::Amount;
use crate::rejection::RejectionKind;

fn amount(text: &str) -> Amount {
    text.parse().expect("an amount")
}

fn has(metrics: &Metrics, line: &str) {
    let text = metrics.render();
    assert!(text.lines().any(|rendered| rendered == line), "{line}\n{text}");
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("an id")
}

#[test]
fn names_and_labels_are_the_contract() {
    let metrics = Metrics::new(1);
    metrics.send(SendOutcome::Accepted, "marketing");
    metrics.rejection(RejectionKind::InsufficientBalance);
    metrics.stage(Stage::Reserve, Duration::from_micros(300));
    metrics.upstream_error(Some(131_026));
    metrics.upstream_error(None);
    metrics.ledger("batch", Duration::from_millis(2));
    metrics.ledger_batch(3);
    metrics.ledger_up(true);
    metrics.ledger_durability("everysec");
    metrics.holds_in_doubt(4);
    metrics.event("low_balance");
    metrics.charged("USD", "marketing", "IN", amount("0.0118"));
    metrics.charged("USD", "marketing", "IN", amount("1"));
    metrics.wallet_available(&id("acme"), &id("main"), amount("98.82"));
    for line in [
        "tollgate_sends_total{outcome=\"accepted\",category=\"marketing\"} 1",
        "tollgate_sends_total{outcome=\"refused\",category=\"utility\"} 0",
        "tollgate_rejections_total{rejection=\"insufficient_balance\"} 1",
        "tollgate_stage_seconds_bucket{stage=\"reserve\",le=\"0.00025\"} 0",
        "tollgate_stage_seconds_bucket{stage=\"reserve\",le=\"0.0005\"} 1",
        "tollgate_upstream_errors_total{code=\"131026\"} 1",
        "tollgate_upstream_errors_total{code=\"none\"} 1",
        "tollgate_ledger_seconds_count{operation=\"batch\"} 1",
        "tollgate_ledger_batch_size_bucket{le=\"2\"} 0",
        "tollgate_ledger_batch_size_bucket{le=\"4\"} 1",
        "tollgate_ledger_batch_size_bucket{le=\"+Inf\"} 1",
        "tollgate_ledger_batch_size_sum 3",
        "tollgate_stage_seconds_bucket{stage=\"reserve\",le=\"+Inf\"} 1",
        "tollgate_stage_seconds_sum{stage=\"reserve\"} 0.0003",
        "tollgate_ledger_up 1",
        "tollgate_ledger_durability{tier=\"everysec\"} 1",
        "tollgate_holds_in_doubt 4",
        "tollgate_low_balance_total 1",
        "tollgate_events_total{event=\"low_balance\"} 1",
        "tollgate_charged_credits_total{currency=\"USD\",category=\"marketing\",country=\"IN\"} \
         1.011800",
        "tollgate_wallet_available_credits{account=\"acme\",wallet=\"main\"} 98.82",
        concat!("tollgate_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        "# TYPE tollgate_charged_credits_total counter",
        "# TYPE tollgate_stage_seconds histogram",
    ] {
        has(&metrics, line);
    }
}

#[test]
fn what_is_in_no_list_is_other() {
    let metrics = Metrics::new(0);
    metrics.upstream_error(Some(999));
    metrics.charged("USD", "marketing", "I\"N", amount("1"));
    has(&metrics, "tollgate_upstream_errors_total{code=\"other\"} 1");
    has(
        &metrics,
        "tollgate_charged_credits_total{currency=\"USD\",category=\"marketing\",country=\"other\"} \
         1.000000",
    );
}

#[test]
fn only_the_first_wallets_get_a_gauge() {
    let metrics = Metrics::new(1);
    for wallet in ["main", "second", "main"] {
        metrics.wallet_available(&id("acme"), &id(wallet), amount("-1.5"));
    }
    has(&metrics, "tollgate_wallet_available_credits{account=\"acme\",wallet=\"main\"} -1.5");
    assert!(!metrics.render().contains("wallet=\"second\""));
}

#[test]
fn series_of_charges_are_bounded() {
    let metrics = Metrics::new(0);
    let letters = || b'A'..=b'Z';
    for currency in
        ["USD", "EUR", "INR", "GBP", "BRL", "MXN", "IDR", "AUD", "CLP", "COP", "SAR", "AED", "ARS"]
    {
        for (first, second) in
            letters().flat_map(|first| letters().map(move |second| (first, second)))
        {
            metrics.charged(
                currency,
                "marketing",
                &String::from_utf8_lossy(&[first, second]),
                amount("1"),
            );
        }
    }
    assert_eq!(metrics.charged.series(), SERIES_MAX + 1);
    let beyond = 13 * 26 * 26 - SERIES_MAX;
    let line = format!(
        "tollgate_charged_credits_total{{currency=\"other\",category=\"marketing\",\
         country=\"other\"}} {beyond}.000000"
    );
    has(&metrics, &line);
}

#[test]
fn sends_in_work_are_counted_until_dropped() {
    let metrics = Metrics::new(0);
    let first = metrics.in_flight();
    let second = metrics.in_flight();
    drop(first);
    has(&metrics, "tollgate_in_flight_sends 1");
    drop(second);
    has(&metrics, "tollgate_in_flight_sends 0");
}

#[test]
fn gateways_do_not_share_their_metrics() {
    let (one, other) = (Metrics::new(0), Metrics::new(0));
    one.rejection(RejectionKind::Malformed);
    has(&one, "tollgate_rejections_total{rejection=\"malformed\"} 1");
    has(&other, "tollgate_rejections_total{rejection=\"malformed\"} 0");
}
