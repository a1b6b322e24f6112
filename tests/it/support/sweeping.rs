//! The job that looks after all accounts, over a ledger without a gateway around it.

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tollgate::clock::Clock;
use tollgate::jobs::{Jobs, SweepOptions};
use tollgate::ledger::batcher::BatcherOptions;
use tollgate::ledger::{InDoubtPolicies, InDoubtPolicy, OpenLedger, Retention};
use tollgate::metrics::Metrics;

use super::services::services;

/// Nothing takes longer unless it hangs.
const DEADLINE: Duration = Duration::from_secs(60);

/// A running one.
pub struct Sweeping {
    metrics: std::sync::Arc<Metrics>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Sweeping {
    /// Rounds at `interval`; open holds become in doubt after 38 s and are charged after a day.
    pub fn start(ledger: &OpenLedger, clock: &Clock, interval: Duration) -> Sweeping {
        let batching = BatcherOptions { deadline: Duration::from_secs(20), queue: 100 };
        let services = services(ledger, clock, batching);
        let metrics = services.metrics.clone();
        let options = SweepOptions {
            interval,
            open_age: Duration::from_secs(38),
            in_doubt_age: Duration::from_secs(86_400),
            policies: InDoubtPolicies::always(InDoubtPolicy::Charge),
            retention: Retention::default(),
        };
        let stop = CancellationToken::new();
        let task = tokio::spawn(Jobs { services }.sweep(options, stop.clone()));
        Sweeping { metrics, stop, task }
    }

    /// Whether the metrics have this line.
    pub fn shows(&self, line: &str) -> bool {
        self.metrics.render().lines().any(|shown| shown == line)
    }

    /// Waits until the metrics have this line; returns how long that took.
    pub async fn until(&self, line: &str) -> Duration {
        let begin = Instant::now();
        while !self.shows(line) {
            assert!(begin.elapsed() < DEADLINE, "no {line:?} in:\n{}", self.metrics.render());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        begin.elapsed()
    }

    pub async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}
