//! What happened in each second of a run; shown while it runs, plotted afterwards.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::generate::Plan;
use crate::tally::Tally;

/// One second, or what was left of the last.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Point {
    /// Seconds from the run's start to the end of this stretch.
    pub at_s: f64,
    /// Sends that were due.
    pub intended: u64,
    pub answered: u64,
    pub succeeded: u64,
    pub rejected: u64,
    pub errors: u64,
    /// Latencies of the replies, from the intended starts.
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

/// Looks at a plan's tallies every second until `done`; each second is a line on stderr if `shown`.
pub async fn watch(
    plan: Arc<Plan>,
    done: CancellationToken,
    shown: bool,
) -> anyhow::Result<Vec<Point>> {
    let mut points = Vec::new();
    let mut sums = Point::default();
    loop {
        let next = Duration::from_secs(points.len() as u64 + 1);
        let more = tokio::select! {
            () = plan.reach(next) => true,
            () = done.cancelled() => false,
        };
        let point = look(&plan, &mut sums)?;
        if shown && more {
            show(&point, &sums);
        }
        points.push(point);
        if !more {
            return Ok(points);
        }
    }
}

/// Returns what was added since `sums`, and makes them the sums until now.
fn look(plan: &Plan, sums: &mut Point) -> anyhow::Result<Point> {
    let total = plan.total()?;
    let now =
        Point { at_s: plan.elapsed().as_secs_f64(), intended: plan.intended(), ..sum(&total) };
    let point = Point {
        at_s: now.at_s,
        intended: now.intended - sums.intended,
        answered: now.answered - sums.answered,
        succeeded: now.succeeded - sums.succeeded,
        rejected: now.rejected - sums.rejected,
        errors: now.errors - sums.errors,
        p50_ms: total.stretch_ms(0.5),
        p99_ms: total.stretch_ms(0.99),
        max_ms: total.stretch_ms(1.0),
    };
    *sums = now;
    Ok(point)
}

fn sum(total: &Tally) -> Point {
    Point {
        answered: total.answered(),
        succeeded: total.succeeded(),
        rejected: total.rejections.values().sum(),
        errors: total.failed(),
        ..Point::default()
    }
}

fn show(point: &Point, sums: &Point) {
    eprintln!(
        "{:>4.0} s  {:>7}/s of {:>7}  p50 {:.2} ms  p99 {:.2} ms  \
         answered {}  succeeded {}  rejected {}  errors {}",
        point.at_s,
        point.answered,
        point.intended,
        point.p50_ms,
        point.p99_ms,
        sums.answered,
        sums.succeeded,
        sums.rejected,
        sums.errors,
    );
}
