//! Registers metrics with the recorder: help texts, and families along one label.

use metrics::{Counter, Gauge, Key, KeyName, Label, Level, Metadata, Recorder, SharedString};
use metrics_exporter_prometheus::PrometheusRecorder;

use super::labels::position;

static METADATA: Metadata<'static> = Metadata::new("tollgate", Level::INFO, None);

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
}
