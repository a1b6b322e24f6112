//! One criterion harness for what a send costs inside the process: reading it, pricing it, and
//! deciding about it.
#![allow(missing_docs, reason = "criterion's macros make public items without documentation")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot be set up has nothing to measure"
)]

mod decide;
mod price;
mod read;

use criterion::{criterion_group, criterion_main};

criterion_group!(
    gateway,
    read::parse,
    price::quote,
    decide::rules,
    decide::embedded,
    decide::start
);
criterion_main!(gateway);
