//! Every recipient has an identity, which is a recipient and its own identity, and a price leads to
//! one country for both.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::pricing::{Identity, MarketTable, recipient};

fuzz_target!(|text: &str| {
    let Ok(found) = recipient::parse(text) else { return };
    let identity = Identity::of(&found).as_str().to_owned();
    let again = recipient::parse(&identity).expect("an identity is a recipient");
    assert_eq!(Identity::of(&again).as_str(), identity, "an identity is its own identity");
    let markets = MarketTable::builtin();
    assert_eq!(markets.locate_recipient(&found), markets.locate_recipient(&again));
});
