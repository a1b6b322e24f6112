//! Unit tests of the market table: prefixes, the shared calling codes +1 and +7, and the three
//! dated mappings.

use jiff::civil::date;
use proptest::prelude::*;

use super::super::recipient;
use super::{Country, MarketTable};

/// `where_` is country and market under the newest mapping, `"IN India"`.
fn check(digits: &str, expected: Option<&str>) {
    let table = MarketTable::builtin();
    let mapping = table.mapping(date(2026, 11, 1)).unwrap();
    let seen = table
        .locate(digits)
        .map(|found| format!("{} {}", found.country, table.market(found, mapping).unwrap()));
    assert_eq!(seen.as_deref(), expected, "{digits}");
}

fn check_country(code: &str, expected: Option<&str>) {
    let table = MarketTable::builtin();
    let mapping = table.mapping(date(2026, 11, 1)).unwrap();
    let found = table.locate_country(code.parse().unwrap());
    assert!(found.is_none_or(|found| found.country.as_str() == code));
    assert_eq!(
        found.and_then(|found| table.market(found, mapping)).map(|market| market.as_str()),
        expected,
        "{code}"
    );
}

#[test]
fn the_longest_prefix_decides() {
    check("919812345678", Some("IN India"));
    check("5511987650001", Some("BR Brazil"));
    check("447700900123", Some("GB United Kingdom"));
    check("4915112345678", Some("DE Germany"));
    check("8801712345678", Some("BD Bangladesh"));
    check("821012345678", Some("KR Other"));
    check("3725123456", Some("EE Other"));
    check("966501234567", Some("SA Saudi Arabia"));
    check("59995123456", Some("CW Other"));
    check("5997123456", Some("BQ Other"));
    check("9", None);
    check("91", Some("IN India"));
    check("", None);
}

#[test]
fn plus_one_is_many_countries() {
    check("16505550144", Some("US North America"));
    check("15551234567", Some("US North America"));
    check("12125550123", Some("US North America"));
    check("14165550123", Some("CA North America"));
    check("15145550123", Some("CA North America"));
    check("18675550123", Some("CA North America"));
    check("19025550123", Some("CA North America"));
    check("18095550123", Some("DO Rest of Latin America"));
    check("18295550123", Some("DO Rest of Latin America"));
    check("18765550123", Some("JM Rest of Latin America"));
    check("16585550123", Some("JM Rest of Latin America"));
    check("17875550123", Some("PR Rest of Latin America"));
    check("19395550123", Some("PR Rest of Latin America"));
    check("12425550123", Some("BS Other"));
    check("16715550123", Some("GU Other"));
    for area in [
        "800", "888", "877", "866", "855", "844", "833", "900", "500", "533", "600", "622", "700",
        "710", "911", "123", "012",
    ] {
        check(&format!("1{area}5550123"), None);
    }
}

#[test]
fn every_area_code_of_canada_is_canadian() {
    let codes = "204 226 236 249 250 257 263 273 289 306 343 354 365 367 368 382 403 416 418 428 \
                 431 437 438 450 468 474 506 514 519 548 579 581 584 587 604 613 639 647 672 683 \
                 705 709 742 753 778 780 782 807 819 825 867 873 879 902 905 942";
    for code in codes.split_whitespace() {
        check(&format!("1{code}5550123"), Some("CA North America"));
    }
}

#[test]
fn every_island_of_plus_one_is_a_country_of_its_own() {
    for (codes, country) in [
        ("242", "BS"),
        ("246", "BB"),
        ("264", "AI"),
        ("268", "AG"),
        ("284", "VG"),
        ("340", "VI"),
        ("345", "KY"),
        ("441", "BM"),
        ("473", "GD"),
        ("649", "TC"),
        ("658 876", "JM"),
        ("664", "MS"),
        ("670", "MP"),
        ("671", "GU"),
        ("684", "AS"),
        ("721", "SX"),
        ("758", "LC"),
        ("767", "DM"),
        ("784", "VC"),
        ("787 939", "PR"),
        ("809 829 849", "DO"),
        ("868", "TT"),
        ("869", "KN"),
    ] {
        for code in codes.split(' ') {
            let found = MarketTable::builtin().locate(&format!("1{code}5550123"));
            assert_eq!(found.map(|found| found.country.to_string()).as_deref(), Some(country));
        }
    }
}

#[test]
fn territories_are_countries_of_their_own_in_their_neighbours_market() {
    let table = MarketTable::builtin();
    for (digits, country, neighbour) in [
        ("441481960194", "GG", "442079460000"),
        ("447781123456", "GG", "447700900123"),
        ("447839123456", "GG", "447700900123"),
        ("447911123456", "GG", "447700900123"),
        ("447911723456", "GG", "447700900123"),
        ("441534612345", "JE", "442079460000"),
        ("447797712345", "JE", "447700900123"),
        ("447700312345", "JE", "447700900123"),
        ("447509123456", "JE", "447700900123"),
        ("447829123456", "JE", "447700900123"),
        ("447937123456", "JE", "447700900123"),
        ("441624756789", "IM", "442079460000"),
        ("447924123456", "IM", "447700900123"),
        ("447624123456", "IM", "447700900123"),
        ("447457612345", "IM", "447700900123"),
        ("3581812345", "AX", "358401234567"),
        ("262269601234", "YT", "262692123456"),
        ("262639012345", "YT", "262692123456"),
        ("262709351234", "YT", "262709201234"),
        ("4779123456", "SJ", "4740612345"),
        ("390669812345", "VA", "390612345678"),
        ("212528812345", "EH", "212650123456"),
        ("61891641234", "CX", "61412345678"),
        ("61891621234", "CC", "61412345678"),
    ] {
        let (found, near) = (table.locate(digits).unwrap(), table.locate(neighbour).unwrap());
        assert_eq!(found.country.as_str(), country, "{digits}");
        assert_ne!(near.country.as_str(), country, "{neighbour}");
        for date in table.mapping_dates() {
            let mapping = table.mapping(*date).unwrap();
            assert_eq!(table.market(found, mapping), table.market(near, mapping), "{digits}");
        }
    }
}

#[test]
fn plus_seven_is_two_countries() {
    check("79161234567", Some("RU Russia"));
    check("77011234567", Some("KZ Kazakhstan"));
    check("76001234567", Some("KZ Kazakhstan"));
}

#[test]
fn what_no_table_holds_is_nowhere() {
    for digits in [
        "99912345678",
        "80012345678",
        "88312345678",
        "88212345678",
        "87012345678",
        "97912345678",
        "2101234567",
        "0123456789",
    ] {
        check(digits, None);
    }
}

#[test]
fn a_user_id_names_its_country() {
    check_country("US", Some("North America"));
    check_country("CA", Some("North America"));
    check_country("IN", Some("India"));
    check_country("KZ", Some("Kazakhstan"));
    check_country("KR", Some("Other"));
    check_country("JE", Some("United Kingdom"));
    check_country("AX", Some("Rest of Western Europe"));
    check_country("AQ", Some("Other"));
    check_country("QQ", None);
    let table = MarketTable::builtin();
    let user = recipient::parse("US.ENT.13490000000000000001").unwrap();
    assert_eq!(table.locate_recipient(&user).unwrap().country.as_str(), "US");
    assert_eq!(table.country_name("US".parse().unwrap()), Some("United States"));
    assert_eq!(table.country_name("IN".parse().unwrap()), Some("India"));
}

#[test]
fn a_mapping_begins_on_its_date() {
    let table = MarketTable::builtin();
    let market = |digits: &str, year, month, day| {
        let mapping = table.mapping(date(year, month, day)).unwrap();
        table.market(table.locate(digits).unwrap(), mapping).unwrap().as_str()
    };
    assert_eq!(market("8801712345678", 2026, 10, 1), "Bangladesh");
    assert_eq!(market("8801712345678", 2026, 9, 30), "Rest of Asia Pacific");
    assert_eq!(market("77011234567", 2026, 9, 30), "Other");
    assert_eq!(market("48501234567", 2026, 7, 1), "Poland");
    assert_eq!(market("48501234567", 2026, 6, 30), "Rest of Central & Eastern Europe");
    assert_eq!(market("263771234567", 2026, 6, 30), "Other");
    assert_eq!(table.mapping(date(2025, 6, 30)), None);
    let counts: Vec<usize> = table
        .mapping_dates()
        .iter()
        .map(|date| table.markets_in(table.mapping(*date).unwrap()).len())
        .collect();
    assert_eq!(counts, [32, 38, 47]);
}

#[test]
fn market_names_are_forgiven_their_spelling() {
    let table = MarketTable::builtin();
    let named = |name: &str| table.market_named(name).map(|market| market.as_str());
    assert_eq!(
        named("Rest of Central &\nEastern Europe"),
        Some("Rest of Central & Eastern Europe")
    );
    assert_eq!(
        named(" rest of central and eastern europe "),
        Some("Rest of Central & Eastern Europe")
    );
    assert_eq!(named("Atlantis"), None);
    assert_eq!(named(""), None);
}

#[test]
fn a_country_is_two_capitals() {
    assert_eq!("IN".parse::<Country>().map(|country| country.to_string()).as_deref(), Ok("IN"));
    for text in ["", "I", "in", "IND", "1N", "é"] {
        assert!(text.parse::<Country>().is_err(), "{text:?}");
    }
}

proptest! {
    #[test]
    fn no_text_breaks_the_lookup(text in "\\PC*", digits in "[0-9]{0,20}") {
        let table = MarketTable::builtin();
        table.locate(&text);
        if let Ok(recipient) = recipient::parse(&text) {
            table.locate_recipient(&recipient);
        }
        // More digits never lead out of the table, except into the prefixes of +1 that belong to no
        // country.
        if let Some(found) = table.locate(&digits) {
            let mapping = table.mapping(date(2026, 11, 1)).unwrap();
            prop_assert!(table.market(found, mapping).is_some());
            let longer = format!("{digits}0");
            prop_assert!(digits.starts_with('1') || table.locate(&longer).is_some());
        }
    }
}
