//! Months in the life of an account that uses everything, with a clock that the test moves: once
//! the longest retention has passed, nothing grows but the journal and the statement entries.
//!
//! `TOLLGATE_GROWTH_DAYS=N` makes it that many days; from two years on aliases are learned that
//! nobody confirms.

mod life;
mod measure;

use std::collections::BTreeMap;

use life::Life;
use measure::{Size, sizes};
use tollgate::ledger::Retention;

use crate::support::{Backend, on_every_ledger};

on_every_ledger!(nothing_grows_without_an_end);

/// Writers are remembered for 90 days, longer than anything that a setting names here.
const DAYS: usize = 180;

/// Days of which the peaks are compared, twice.
const MONTH: usize = 30;

const RETENTION: Retention =
    Retention { usage_days: 30, events_days: 20, campaign_days: 30, reference_days: 40 };

async fn nothing_grows_without_an_end(backend: Backend) {
    let days = std::env::var("TOLLGATE_GROWTH_DAYS").map_or(DAYS, |days| days.parse().unwrap());
    let mut life = Life::begin(backend, days >= 730).await;
    let mut history: Vec<BTreeMap<String, Size>> = Vec::new();
    for _ in 0..days {
        life.day(RETENTION).await;
        history.push(sizes(&life.case, &life.model, backend));
    }
    let [.., before, last] = &history.rchunks(MONTH).map(peaks).rev().collect::<Vec<_>>()[..]
    else {
        panic!("{days} days are no two months")
    };
    let lines = last.iter().map(|(kind, last)| {
        let before = before.get(kind).copied().unwrap_or_default();
        let grows = grows(before.items, last.items, 8) || grows(before.bytes, last.bytes, 4_096);
        let mark = if grows { "!" } else { " " };
        (grows, format!("{mark} {kind}: {before:?}, then {last:?}"))
    });
    let (grown, lines): (Vec<bool>, Vec<String>) = lines.unzip();
    println!("{}", lines.join("\n"));
    assert!(!grown.contains(&true), "something grows");
    for kind in life.uses(backend) {
        let peak = last.get(*kind).copied().unwrap_or_default();
        assert!(peak.items > 0, "there is no {kind:?}, so it proves nothing");
    }
}

/// More than a twentieth above the month before; of what is small, more than `slack`.
fn grows(before: i64, last: i64, slack: i64) -> bool {
    last > before + (before / 20).max(slack)
}

/// The largest size that each kind had on any of these days, and all of them together.
fn peaks(days: &[BTreeMap<String, Size>]) -> BTreeMap<String, Size> {
    let mut peaks: BTreeMap<String, Size> = BTreeMap::new();
    for day in days {
        let mut all = Size::default();
        for (kind, size) in day {
            all = Size { items: all.items + size.items, bytes: all.bytes + size.bytes };
            peaks.entry(kind.clone()).or_default().raise(*size);
        }
        peaks.entry("everything".to_owned()).or_default().raise(all);
    }
    peaks
}
