//! Registers metrics with the recorder: help texts, buckets, and families along one label.

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, SharedString,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};

use super::labels::position;

pub(super) const STAGE_SECONDS: &str = "tollgate_stage_seconds";
pub(super) const LEDGER_SECONDS: &str = "tollgate_ledger_seconds";
pub(super) const LEDGER_BATCH_SIZE: &str = "tollgate_ledger_batch_size";

/// Upper bounds in seconds, from what a lookup costs to what a patient client waits.
const SECONDS: &[f64] = &[
    0.000_01, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1,
    0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Upper bounds of batch sizes; 64 is the cap of a batch.
const SIZES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

static METADATA: Metadata<'static> = Metadata::new("tollgate", Level::INFO, None);

/// A recorder with the buckets of every histogram.
pub(super) fn recorder() -> PrometheusRecorder {
    let buckets = [(STAGE_SECONDS, SECONDS), (LEDGER_SECONDS, SECONDS), (LEDGER_BATCH_SIZE, SIZES)];
    let builder = buckets.into_iter().fold(PrometheusBuilder::new(), |builder, (name, bounds)| {
        builder
            .set_buckets_for_metric(Matcher::Full(name.to_owned()), bounds)
            .expect("fails for an empty list only, and none is")
    });
    builder.build_recorder()
}

/// The handles of one metric along one label.
pub(super) struct Family<H> {
    values: Vec<&'static str>,
    handles: Vec<H>,
}

impl<H> Family<H> {
    /// One handle for each value, in their order.
    pub(super) fn new(
        values: impl Iterator<Item = &'static str>,
        mut handle: impl FnMut(&'static str) -> H,
    ) -> Family<H> {
        let values: Vec<&'static str> = values.collect();
        let handles = values.iter().map(|value| handle(value)).collect();
        Family { values, handles }
    }

    /// One handle for each value of a list.
    pub(super) fn of(
        values: &'static [&'static str],
        handle: impl FnMut(&'static str) -> H,
    ) -> Family<H> {
        Family::new(values.iter().copied(), handle)
    }

    /// The handle of a value; that of `other` for an unknown one.
    pub(super) fn at(&self, value: &str) -> &H {
        &self.handles[position(&self.values, value)]
    }

    /// The handle of the value at that position of the list.
    pub(super) fn at_index(&self, index: usize) -> &H {
        &self.handles[index]
    }
}

/// Registers metrics with their help texts.
pub(super) struct Registrar<'a>(pub(super) &'a PrometheusRecorder);

impl Registrar<'_> {
    pub(super) fn counter(
        &self,
        name: &'static str,
        help: &'static str,
        labels: Vec<Label>,
    ) -> Counter {
        self.0.describe_counter(KeyName::from_const_str(name), None, SharedString::const_str(help));
        self.0.register_counter(&Key::from_parts(name, labels), &METADATA)
    }

    pub(super) fn gauge(
        &self,
        name: &'static str,
        help: &'static str,
        labels: Vec<Label>,
    ) -> Gauge {
        self.0.describe_gauge(KeyName::from_const_str(name), None, SharedString::const_str(help));
        self.0.register_gauge(&Key::from_parts(name, labels), &METADATA)
    }

    pub(super) fn histogram(
        &self,
        name: &'static str,
        help: &'static str,
        labels: Vec<Label>,
    ) -> Histogram {
        self.0.describe_histogram(
            KeyName::from_const_str(name),
            None,
            SharedString::const_str(help),
        );
        self.0.register_histogram(&Key::from_parts(name, labels), &METADATA)
    }
}
