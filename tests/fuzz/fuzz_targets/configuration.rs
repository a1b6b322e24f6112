//! Reading a configuration ends in a configuration or in mistakes that each name a line or a key,
//! never in a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::config::Config;

fuzz_target!(|text: &str| {
    if let Err(mistakes) = Config::from_parts(text, "fuzz.toml", []) {
        assert!(!mistakes.is_empty(), "a refused configuration says why");
    }
});
