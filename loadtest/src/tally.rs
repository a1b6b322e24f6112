//! Counts the sends of a run and the latencies of their responses.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// Longest latency recorded as such, in microseconds: ten minutes.
const LATENCY_MAX_MICROS: u64 = 600_000_000;

/// Counts and latencies of some sends; tallies of several connections are merged.
pub struct Tally {
    pub statuses: BTreeMap<u16, u64>,
    /// Values of the `Tollgate-Rejection` header.
    pub rejections: BTreeMap<String, u64>,
    /// Sends without an answer, by what went wrong.
    pub errors: BTreeMap<&'static str, u64>,
    /// Sends whose time never came because all connections were busy to the end.
    pub unsent: u64,
    all: Histogram<u64>,
    successes: Histogram<u64>,
    /// Of the replies since the last `start_stretch`.
    stretch: Histogram<u64>,
}

impl Tally {
    pub fn new() -> anyhow::Result<Tally> {
        let histogram = || {
            Histogram::new_with_bounds(1, LATENCY_MAX_MICROS, 3).context("cannot make a histogram")
        };
        Ok(Tally {
            statuses: BTreeMap::new(),
            rejections: BTreeMap::new(),
            errors: BTreeMap::new(),
            unsent: 0,
            all: histogram()?,
            successes: histogram()?,
            stretch: histogram()?,
        })
    }

    /// Counts one answer, `latency` after the send was due.
    pub fn answer(&mut self, status: u16, rejection: Option<&str>, latency: Duration) {
        *self.statuses.entry(status).or_default() += 1;
        if let Some(rejection) = rejection {
            match self.rejections.get_mut(rejection) {
                Some(count) => *count += 1,
                None => {
                    self.rejections.insert(rejection.to_owned(), 1);
                }
            }
        }
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1);
        self.all.saturating_record(micros);
        self.stretch.saturating_record(micros);
        if (200..300).contains(&status) {
            self.successes.saturating_record(micros);
        }
    }

    pub fn error(&mut self, what: &'static str) {
        *self.errors.entry(what).or_default() += 1;
    }

    pub fn merge(&mut self, other: &Tally) -> anyhow::Result<()> {
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (rejection, count) in &other.rejections {
            *self.rejections.entry(rejection.clone()).or_default() += count;
        }
        for (what, count) in &other.errors {
            *self.errors.entry(what).or_default() += count;
        }
        self.unsent += other.unsent;
        self.all.add(&other.all).context("cannot add histograms")?;
        self.stretch.add(&other.stretch).context("cannot add histograms")?;
        let added = self.successes.add(&other.successes);
        added.context("cannot add histograms")
    }

    /// Forgets the latencies that `stretch_ms` looks at, and nothing else.
    pub fn start_stretch(&mut self) {
        self.stretch.reset();
    }

    pub fn answered(&self) -> u64 {
        self.statuses.values().sum()
    }

    pub fn succeeded(&self) -> u64 {
        self.statuses.range(200..300).map(|(_, count)| count).sum()
    }

    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Returns a latency quantile over every answer, in milliseconds.
    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        self.all.value_at_quantile(quantile) as f64 / 1_000.0
    }

    /// Returns a quantile of the replies since the last stretch began, in milliseconds.
    pub fn stretch_ms(&self, quantile: f64) -> f64 {
        self.stretch.value_at_quantile(quantile) as f64 / 1_000.0
    }

    /// Returns the latencies of all replies, in microseconds.
    pub fn latencies(&self) -> &Histogram<u64> {
        &self.all
    }

    /// Returns the counts and percentiles as JSON; latencies are in microseconds.
    pub fn describe(&self) -> Value {
        let statuses: BTreeMap<String, u64> =
            self.statuses.iter().map(|(status, count)| (status.to_string(), *count)).collect();
        json!({
            "answered": self.answered(),
            "succeeded": self.succeeded(),
            "statuses": statuses,
            "rejections": self.rejections,
            "errors": self.errors,
            "unsent": self.unsent,
            "latency_us": percentiles(&self.all),
            "latency_us_succeeded": percentiles(&self.successes),
        })
    }
}

fn percentiles(histogram: &Histogram<u64>) -> Value {
    let at = |quantile| histogram.value_at_quantile(quantile);
    json!({
        "count": histogram.len(),
        "mean": histogram.mean().round(),
        "p50": at(0.5),
        "p90": at(0.9),
        "p99": at(0.99),
        "p99_9": at(0.999),
        "max": histogram.max(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_add_up() {
        let mut left = Tally::new().unwrap();
        let mut right = Tally::new().unwrap();
        for millis in 1..=100 {
            left.answer(200, None, Duration::from_millis(millis));
        }
        right.answer(402, Some("insufficient_balance"), Duration::from_secs(1));
        right.error("timeout");
        left.start_stretch();
        left.answer(503, None, Duration::from_millis(7));
        assert!((6.9..7.1).contains(&left.stretch_ms(0.5)));
        left.merge(&right).unwrap();
        assert_eq!((left.answered(), left.succeeded(), left.failed()), (102, 100, 1));
        let all = left.describe();
        assert_eq!(all["rejections"]["insufficient_balance"], 1);
        assert_eq!(all["statuses"]["402"], 1);
        assert_eq!(all["latency_us_succeeded"]["count"], 100);
        let p50 = all["latency_us"]["p50"].as_u64().unwrap();
        assert!((50_000..=52_000).contains(&p50), "{p50}");
        assert!(all["latency_us"]["max"].as_u64().unwrap() >= 1_000_000);
    }
}
