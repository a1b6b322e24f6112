//! Histograms of the gateway's own: a sample is two additions to whole numbers, needs no clock, and
//! is in its bucket at once, so that nothing has to be kept or sorted later.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The histograms of one metric along one label.
pub(super) struct Histograms {
    name: &'static str,
    help: &'static str,
    scale: Scale,
    /// With the label, as it is rendered; empty without one.
    series: Vec<(String, Buckets)>,
}

/// What samples are, and the upper bounds of their buckets, ascending.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    bounds: &'static [u64],
    /// Samples that make one of the metric's unit.
    per_unit: u32,
}

/// Durations in nanoseconds, rendered in seconds: from what a lookup costs to what a patient client
/// waits.
pub(super) const SECONDS: Scale = Scale {
    bounds: &[
        10_000,
        50_000,
        100_000,
        250_000,
        500_000,
        1_000_000,
        2_500_000,
        5_000_000,
        10_000_000,
        25_000_000,
        50_000_000,
        100_000_000,
        250_000_000,
        500_000_000,
        1_000_000_000,
        2_500_000_000,
        5_000_000_000,
        10_000_000_000,
    ],
    per_unit: 1_000_000_000,
};

/// Batch sizes; 64 is the cap of a batch.
pub(super) const SIZES: Scale = Scale { bounds: &[1, 2, 4, 8, 16, 32, 64], per_unit: 1 };

/// How many samples are in each bucket, the one above all bounds last, and what they add up to.
struct Buckets {
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histograms {
    /// Empty ones: one for each value of the label, in their order.
    pub(super) fn along(
        label: &str,
        values: impl Iterator<Item = &'static str>,
        (name, help): (&'static str, &'static str),
    ) -> Histograms {
        let series = values.map(|value| (format!("{label}=\"{value}\","), Buckets::of(SECONDS)));
        Histograms { name, help, scale: SECONDS, series: series.collect() }
    }

    /// An empty one without a label.
    pub(super) fn single(scale: Scale, (name, help): (&'static str, &'static str)) -> Histograms {
        Histograms { name, help, scale, series: vec![(String::new(), Buckets::of(scale))] }
    }

    /// Adds a duration to the histogram of the value at that position.
    pub(super) fn record(&self, index: usize, elapsed: Duration) {
        self.add(index, u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Adds a sample to the histogram of the value at that position.
    pub(super) fn add(&self, index: usize, sample: u64) {
        let Some((_, buckets)) = self.series.get(index) else { return };
        let at = self.scale.bounds.partition_point(|bound| *bound < sample);
        buckets.counts[at].fetch_add(1, Ordering::Relaxed);
        buckets.sum.fetch_add(sample, Ordering::Relaxed);
    }

    /// Appends all series in Prometheus' text format.
    pub(super) fn render(&self, text: &mut String) {
        // Writing to a text cannot fail.
        let _ = self.write(text);
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let Histograms { name, help, scale, series } = self;
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} histogram")?;
        for (label, buckets) in series {
            let mut count = 0_u64;
            for (at, in_bucket) in buckets.counts.iter().enumerate() {
                count = count.saturating_add(in_bucket.load(Ordering::Relaxed));
                let bound = scale.bounds.get(at).map(|bound| scale.in_units(*bound));
                let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| bound.to_string());
                writeln!(text, "{name}_bucket{{{label}le=\"{bound}\"}} {count}")?;
            }
            let sum = scale.in_units(buckets.sum.load(Ordering::Relaxed));
            let label = label.strip_suffix(',').map(|label| format!("{{{label}}}"));
            let label = label.unwrap_or_default();
            writeln!(text, "{name}_sum{label} {sum}\n{name}_count{label} {count}")?;
        }
        Ok(())
    }
}

impl Scale {
    #[allow(clippy::cast_precision_loss, reason = "a sum is read to a few digits")]
    fn in_units(self, samples: u64) -> f64 {
        samples as f64 / f64::from(self.per_unit)
    }
}

impl Buckets {
    fn of(scale: Scale) -> Buckets {
        let counts = (0..=scale.bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Buckets { counts, sum: AtomicU64::new(0) }
    }
}
