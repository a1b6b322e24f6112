//! What a send costs inside the process - reading it, pricing it, deciding about it, encoding it -
//! as criterion benchmarks, and as plain loops whose instructions can be counted.
#![allow(missing_docs, reason = "criterion's macro makes public items without documentation")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot be set up has nothing to measure"
)]

mod decide;
mod instructions;
mod price;
mod read;

use criterion::{Criterion, criterion_group};

criterion_group!(
    gateway,
    read::parse,
    price::quote,
    decide::rules,
    decide::encode,
    decide::embedded,
    decide::start
);

fn main() {
    if !instructions::ran() {
        gateway();
        Criterion::default().configure_from_args().final_summary();
    }
}
