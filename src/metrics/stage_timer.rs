//! Measures the stages of one send, one after the other.

use std::time::Duration;

use super::Metrics;
use super::labels::Stage;
use crate::clock::Stopwatch;

/// Started with the send; each [`StageTimer::end`] begins the next stage.
pub struct StageTimer<'a> {
    metrics: &'a Metrics,
    whole: Stopwatch,
    stage: Stopwatch,
}

impl<'a> StageTimer<'a> {
    /// A timer whose first stage begins now.
    pub fn start(metrics: &'a Metrics) -> StageTimer<'a> {
        let now = Stopwatch::start();
        StageTimer { metrics, whole: now, stage: now }
    }

    /// Begins a stage now; the time since the last end belongs to none.
    pub fn restart(&mut self) {
        self.stage = Stopwatch::start();
    }

    /// Records the time since the last end as that of `stage`.
    pub fn end(&mut self, stage: Stage) {
        self.metrics.stage(stage, self.stage.lap());
    }

    /// Records and returns the time since the start.
    pub fn finish(self) -> Duration {
        let elapsed = self.whole.elapsed();
        self.metrics.stage(Stage::Total, elapsed);
        elapsed
    }
}
