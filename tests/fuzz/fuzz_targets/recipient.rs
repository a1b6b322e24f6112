//! A recipient has one spelling, which reads as itself, and looking its price up never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::pricing::{PriceBook, recipient};

fuzz_target!(|text: &str| {
    let Ok(found) = recipient::parse(text) else { return };
    let again = recipient::parse(found.as_str()).expect("the one spelling is a recipient");
    assert_eq!(again.as_str(), found.as_str());
    let _ = PriceBook::builtin().locate(&found);
});
