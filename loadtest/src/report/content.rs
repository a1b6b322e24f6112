//! What a run found, before it has a form.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::Value;

use crate::audit::Check;
use crate::date;
use crate::tally::Tally;
use crate::timeline::Point;

/// Everything about one run. Latencies count from the intended starts.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub name: String,
    pub about: String,
    /// `YYYY-MM-DD HH:MM UTC`, when it ended.
    pub date: String,
    /// The ledger's kind, if the run started the gateway.
    pub ledger: Option<&'static str>,
    pub connections: usize,
    pub seconds: f64,
    /// Counts and percentiles.
    pub sends: Value,
    /// Latencies at more and more of the sends.
    pub percentiles: Vec<Percentile>,
    /// What happened in each second.
    pub timeline: Vec<Point>,
    pub events: Vec<Happening>,
    /// Accounts whose books were compared with upstream's.
    pub audited: u32,
    /// The comparison of the only account, or what disagrees.
    pub checks: Vec<Check>,
    /// Why the run failed; empty if it did not.
    pub failures: Vec<String>,
}

/// Something that the scenario let happen.
#[derive(Debug, Clone, Serialize)]
pub struct Happening {
    pub at_s: f64,
    pub what: String,
}

/// The latency that `percent` of all replies had at most.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Percentile {
    pub percent: f64,
    pub ms: f64,
}

impl Report {
    pub fn new(total: &Tally, ran: Duration, timeline: Vec<Point>) -> Report {
        Report {
            name: "run".to_owned(),
            about: String::new(),
            date: date::now(),
            ledger: None,
            connections: 0,
            seconds: ran.as_secs_f64(),
            sends: total.describe(),
            percentiles: percentiles(total.latencies()),
            timeline,
            events: Vec::new(),
            audited: 0,
            checks: Vec::new(),
            failures: Vec::new(),
        }
    }
}

/// From half of all replies on, each step halves what is left.
fn percentiles(latencies: &Histogram<u64>) -> Vec<Percentile> {
    let steps = (0..=20).map(|step| 1.0 - 0.5f64.powi(step)).chain([1.0]);
    let enough =
        |quantile: &f64| *quantile == 1.0 || latencies.len() as f64 * (1.0 - quantile) >= 1.0;
    steps
        .filter(enough)
        .map(|quantile| Percentile {
            percent: quantile * 100.0,
            ms: latencies.value_at_quantile(quantile) as f64 / 1_000.0,
        })
        .collect()
}
