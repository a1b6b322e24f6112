//! Pricing a send: from the text of its recipient to a quote.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use jiff::tz::TimeZone;
use tollgate::pricing::{Category, Markup, PriceBook, ServiceWindow, Terms, recipient};

/// 2026-11-21T12:00:00Z.
const NOW_MS: i64 = 1_795_262_400_000;

/// Returns what prices one send: from the text of its recipient to a quote.
pub fn pricing() -> impl FnMut() {
    let book = PriceBook::builtin();
    let time_zone = TimeZone::get("Asia/Kolkata").expect("a zone");
    move || {
        let terms = Terms {
            card: "meta-usd",
            time_zone: &time_zone,
            markup: &Markup::NONE,
            authentication_international: false,
            window: ServiceWindow::Unknown,
        };
        let recipient = recipient::parse(black_box("+919812345678")).expect("a recipient");
        let location = book.locate(&recipient).expect("a country");
        let quote = book.quote(&terms, location, Category::Marketing, NOW_MS);
        drop(black_box(quote.expect("a price")));
    }
}

pub fn quote(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("price");
    group.throughput(Throughput::Elements(1));
    group.bench_function("quote", |bencher| bencher.iter(pricing()));
    group.finish();
}
