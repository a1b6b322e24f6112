//! Reading a send's body strictly.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use tollgate::send::message::{self, Endpoint};

const TEMPLATE: &[u8] = include_bytes!("../../tests/payloads/send-template-marketing.json");
const TEXT: &[u8] = include_bytes!("../../tests/payloads/send-text.json");

pub fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    group.throughput(Throughput::Elements(1));
    for (name, body) in [("template", TEMPLATE), ("text", TEXT)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                drop(black_box(
                    message::parse(black_box(body), Endpoint::Messages).expect("a message"),
                ))
            });
        });
    }
    group.finish();
}
