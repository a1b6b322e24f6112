//! Which spellings are one person and which are not, country by country.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::Identity;
use super::table::SpellingTable;
use crate::pricing::MarketTable;
use crate::pricing::recipient::{self, Recipient};

/// The identity of a recipient as it is written.
fn identity(written: &str) -> String {
    let recipient = recipient::parse(written).unwrap_or_else(|error| panic!("{written}: {error}"));
    Identity::of(&recipient).as_str().to_owned()
}

/// All spellings of one person have this identity.
#[track_caller]
fn one_person(expected: &str, spellings: &[&str]) {
    for written in spellings.iter().chain([&expected]) {
        assert_eq!(identity(written), expected, "{written}");
    }
}

/// Each is another person, and already written as its identity is.
#[track_caller]
fn as_they_are(numbers: &[&str]) {
    for written in numbers {
        assert_eq!(identity(written), *written);
    }
}

#[test]
fn mexico_has_one_spelling() {
    one_person(
        "525512345678",
        &[
            "+52 1 55 1234 5678",
            "5215512345678",
            "+52 (55) 1234-5678",
            "+52 01 55 1234 5678",
            "+52 044 55 1234 5678",
            "+52 045 55 1234 5678",
        ],
    );
    // No area code begins with 1 or 0, so what would be left is no number; nor is one too short.
    as_they_are(&[
        "521123456789",
        "5211234567890",
        "5210234567890",
        "52123456789",
        "52155123456789",
    ]);
}

#[test]
fn brazil_has_one_spelling() {
    one_person("5511987654321", &["+55 11 8765-4321", "551187654321", "+55 0 11 98765 4321"]);
    one_person("5551999998888", &["+55 51 9999-8888", "+55 0 21 51 9999-8888"]);
    one_person("5585961234567", &["558561234567"]);
    one_person("5531971234567", &["553171234567"]);
    // A landline begins with 2 to 5 and has no ninth digit; its ninth digit is another person's.
    for first in 2..=5 {
        let landline = format!("5511{first}1234567");
        assert_eq!(identity(&landline), landline);
        assert_ne!(identity(&format!("55119{first}1234567")), landline);
    }
    as_they_are(&["551132345678", "5511932345678", "5500987654321", "551098765432", "55119876543"]);
}

#[test]
fn argentina_has_one_spelling() {
    let spellings = |area: &str, number: &str| {
        let whole = format!("54{area}{number}");
        let written = [
            format!("+54 9 {area} {number}"),
            format!("+54 {area} 15 {number}"),
            format!("+54 0 {area} {number}"),
            format!("549{area}{number}"),
            format!("54{area}15{number}"),
            format!("54{area}{number}"),
            format!("+54 0 {area} 15 {number}"),
            format!("+54 9 {area} 15 {number}"),
        ];
        for written in &written {
            assert_eq!(identity(written), whole, "{written}");
        }
    };
    spellings("11", "23456789");
    spellings("221", "4567890");
    spellings("351", "6123456");
    spellings("2202", "456789");
    spellings("3777", "123456");
    spellings("2945", "415151");
    // A 15 that belongs to the number: area code and number have ten digits without it.
    spellings("11", "15151515");
    spellings("341", "1515151");
    one_person("541115123456", &["5491115123456"]);
    // A 15 where no area code ends, and what is too short or too long for one.
    as_they_are(&["542215612345678", "54221456157890", "5411152345678", "541115234567890"]);
    assert_ne!(identity("+54 9 221 456 7890"), identity("+54 9 2214 56 7891"));
}

#[test]
fn a_national_prefix_behind_the_calling_code_is_dropped() {
    one_person("447911123456", &["+44 (0) 7911 123456", "4407911123456"]);
    one_person("4915112345678", &["+49 (0)151 1234 5678"]);
    one_person("919812345678", &["+91 0 98123 45678"]);
    one_person("6281234567890", &["+62 0812-3456-7890"]);
    one_person("36201234567", &["+36 06 20 123 4567"]);
    one_person("79123456789", &["+7 8 912 345-67-89"]);
    one_person("77071234567", &["+7 8 707 123 4567"]);
    one_person("16505550144", &["+1 1 650 555 0144"]);
    one_person("375291234567", &["+375 8 029 123 45 67", "+375 0 29 123 45 67"]);
    one_person("573001234567", &["+57 0 300 1234567", "+57 03 300 1234567"]);
    one_person("3780549886377", &["+378 886377"]);
}

#[test]
fn a_zero_that_belongs_to_the_number_stays() {
    // Italy, San Marino, Ivory Coast, Congo, Benin: the zero is a digit of the number.
    as_they_are(&[
        "390612345678",
        "393123456789",
        "3780549886377",
        "2250701234567",
        "242061234567",
    ]);
    as_they_are(&["2290195123456", "37052123456"]);
    assert_ne!(identity("+39 06 1234 5678"), identity("+39 6 1234 5678"));
    assert_ne!(identity("+225 07 0123 4567"), identity("+225 7 0123 4567"));
    // Two zeros are no national prefix, and nothing is left of a number behind one.
    as_they_are(&["44007911123456", "4401234", "810012345678"]);
}

#[test]
fn what_no_rule_knows_is_its_own_identity() {
    as_they_are(&["999123456789012", "8881234567", "8001234567890", "1234567", "6591234567"]);
    as_they_are(&["US.13491208655302741918", "US.ENT.11815799212886844830", "MX.5215512345678"]);
    assert_ne!(identity("BR.5511987654321"), identity("5511987654321"));
}

/// Numbers and what libphonenumber reads them as, in `examples.csv`: of every country its example
/// numbers, which stay as they are, and the same behind each national prefix.
fn examples() -> Vec<(String, String)> {
    let mut reader = csv::Reader::from_reader(include_str!("examples.csv").as_bytes());
    reader.deserialize().map(|row| row.unwrap()).collect()
}

#[test]
fn every_country_is_read_as_its_numbering_plan_says() {
    let examples = examples();
    assert!(examples.len() > 1_000);
    for (written, expected) in &examples {
        assert_eq!(identity(written), *expected, "{written}");
    }
}

#[test]
fn every_spelling_has_the_country_of_the_number() {
    let markets = MarketTable::builtin();
    let country = |digits: &str| markets.locate(digits).map(|location| location.country);
    let located = |written: &str| {
        let recipient = recipient::parse(written).unwrap();
        markets.locate_recipient(&recipient).map(|location| location.country)
    };
    for (written, expected) in examples() {
        assert_eq!(located(&written), country(&expected), "{written}");
    }
    assert_eq!(located("+7 8 707 123 4567").unwrap().as_str(), "KZ");
    assert_eq!(located("+1 1 242 359 1234").unwrap().as_str(), "BS");
}

#[test]
fn different_numbers_of_a_plan_stay_different() {
    let mut by_identity = BTreeMap::new();
    for (_, expected) in examples() {
        by_identity.entry(identity(&expected)).or_insert_with(Vec::new).push(expected);
    }
    for (identity, mut numbers) in by_identity {
        numbers.dedup();
        assert_eq!(numbers.len(), 1, "{identity} is shared by {numbers:?}");
    }
}

fn check_any(digits: &str) -> Result<(), TestCaseError> {
    let Ok(recipient) = recipient::parse(digits) else { return Ok(()) };
    let once = Identity::of(&recipient).as_str().to_owned();
    let again = recipient::parse(&once);
    prop_assert!(matches!(&again, Ok(Recipient::Phone(_))), "{digits} becomes {once}");
    prop_assert_eq!(identity(&once), once.as_str(), "{} has two identities", digits);
    prop_assert_eq!(&once[..1], &digits[..1]);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_096, ..ProptestConfig::default() })]

    #[test]
    fn an_identity_is_its_own_identity(digits in "[1-9][0-9]{6,14}") {
        check_any(&digits)?;
    }

    #[test]
    fn so_is_one_of_a_calling_code_with_rules(
        rule in any::<prop::sample::Index>(),
        prefix in "(0|9|09|8|80|06|1|15|044|0[1-9][1-9])?",
        area in "(11|[2-9][0-9]{1,3})?",
        token in "(15|9)?",
        rest in "[0-9]{3,10}",
    ) {
        let codes = SpellingTable::builtin().calling_codes();
        let number = format!("{}{prefix}{area}{token}{rest}", rule.get(&codes));
        check_any(&number[..number.len().min(15)])?;
    }
}
