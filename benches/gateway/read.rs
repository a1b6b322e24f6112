//! Reading a send's body strictly.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use tollgate::send::message::{self, Endpoint};

const TEMPLATE: &[u8] = include_bytes!("../../tests/payloads/send-template-marketing.json");
const TEXT: &[u8] = include_bytes!("../../tests/payloads/send-text.json");

/// Reads one template message, as engines of campaigns send them.
pub fn template() {
    read(TEMPLATE);
}

/// Reads one text message.
pub fn text() {
    read(TEXT);
}

fn read(body: &[u8]) {
    drop(black_box(message::parse(black_box(body), Endpoint::Messages).expect("a message")));
}

pub fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    group.throughput(Throughput::Elements(1));
    group.bench_function("template", |bencher| bencher.iter(template));
    group.bench_function("text", |bencher| bencher.iter(text));
    group.finish();
}
