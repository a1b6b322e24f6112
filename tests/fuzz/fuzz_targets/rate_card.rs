//! Importing a rate card ends in rates or in mistakes, never in a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::pricing::PriceBook;

fuzz_target!(|csv: &str| {
    let date = "2027-01-01".parse().expect("a date");
    if let Err(mistakes) = PriceBook::builtin().with_version("fuzz", date, csv) {
        assert!(!mistakes.is_empty(), "a refused card says why");
    }
});
