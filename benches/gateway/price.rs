//! Pricing a send: from the text of its recipient to a quote.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use jiff::tz::TimeZone;
use tollgate::pricing::{Category, Markup, PriceBook, ServiceWindow, Terms, recipient};

/// 2026-11-21T12:00:00Z.
const NOW_MS: i64 = 1_795_262_400_000;

pub fn quote(criterion: &mut Criterion) {
    let book = PriceBook::builtin();
    let time_zone = TimeZone::get("Asia/Kolkata").expect("a zone");
    let terms = Terms {
        card: "meta-usd",
        time_zone: &time_zone,
        markup: &Markup::NONE,
        authentication_international: false,
        window: ServiceWindow::Unknown,
    };
    let mut group = criterion.benchmark_group("price");
    group.throughput(Throughput::Elements(1));
    group.bench_function("quote", |bencher| {
        bencher.iter(|| {
            let recipient = recipient::parse(black_box("+919812345678")).expect("a recipient");
            let location = book.locate(&recipient).expect("a country");
            black_box(book.quote(&terms, location, Category::Marketing, NOW_MS).expect("a price"))
        });
    });
    group.finish();
}
