//! Unit tests of the rate card import: the oddities of Meta's files, and every mistake named with
//! its line.

use super::super::Category;
use super::{RateSheet, parse_rate_csv};

const HEADER: &str =
    "market,currency,marketing,utility,authentication,authentication_international,service\n";

fn rates(sheet: &RateSheet, market: &str) -> Vec<Option<String>> {
    let row = sheet.rows.iter().find(|row| row.market.as_str() == market).unwrap();
    row.rates.iter().map(|rate| rate.map(|amount| amount.to_string())).collect()
}

/// Every mistake of `text`, as shown to a person, in order.
fn check(text: &str, mistakes: &[&str]) {
    let seen: Vec<String> =
        parse_rate_csv(text).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(seen, mistakes, "{text}");
}

#[test]
fn reads_a_file_as_meta_writes_it() {
    let text = "\u{feff}WhatsApp Business Platform rates, effective October 1, 2026. \
        All rates in $US, \"per message\"\r\n\
        \r\n\
        Market,Currency,Marketing,Utility,Authentication,\
        \"Authentication-\r\nInternational\",Service,\r\n\
        India,$US,0.0118,0.0014,0.0014,0.0304,0.0014,\r\n\
        \"Rest of Central &\r\nEastern Europe\",$US, 0.0860 ,0.0212,0.0212,n/a,N/A,\r\n\
        ,,,,,,,\r\n\
        North America,usd,0.0250,0.0034,0.0034,,-,\r\n";
    let sheet = parse_rate_csv(text).unwrap();
    assert_eq!(&*sheet.currency, "USD");
    assert_eq!(sheet.rows.len(), 3);
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        rates(&sheet, "India"),
        [some("0.0118"), some("0.0014"), some("0.0014"), some("0.0304"), some("0.0014")]
    );
    assert_eq!(
        rates(&sheet, "Rest of Central & Eastern Europe"),
        [some("0.086"), some("0.0212"), some("0.0212"), None, None]
    );
    assert_eq!(
        rates(&sheet, "North America"),
        [some("0.025"), some("0.0034"), some("0.0034"), None, None]
    );
    assert_eq!(sheet.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [5, 6, 9]);
}

#[test]
fn columns_may_stand_in_any_order_and_optional_ones_be_absent() {
    let text = "# ours\n\
        authentication,Utility,marketing,CURRENCY,Market\n\
        # India follows\n\
        3,2,1,INR,India\n";
    let sheet = parse_rate_csv(text).unwrap();
    assert_eq!(&*sheet.currency, "INR");
    assert_eq!(
        rates(&sheet, "India"),
        ["1.00", "2.00", "3.00"]
            .map(|text| Some(text.to_owned()))
            .into_iter()
            .chain([None, None])
            .collect::<Vec<_>>()
    );
    assert_eq!(sheet.rows[0].rates[usize::from(Category::Service.index())], None);
}

#[test]
fn all_mistakes_come_at_once_with_their_lines() {
    let text = format!(
        "{HEADER}India,USD,0.0118,0.0014,0.0014,,\n\
        Atlantis,USD,1,1,1,,\n\
        Brazil,EUR,0.1,0.1,0.1,,\n\
        India,USD,1,1,1,,\n\
        Mexico,XXX,0.1,0.1,0.1,,\n\
        Egypt,USD,-0.1,0.1,0.1,,\n\
        Chile,USD,0.1234567,0.1,0.1,,\n\
        Peru,USD,\"1,234.5\",0.1,n/a,,\n\
        Poland,USD,1000000.01,-0,,,\n\
        Spain,USD,0.1,0.1,0.1,,,0.1\n"
    );
    check(
        &text,
        &[
            "line 3: the market \"Atlantis\" is unknown",
            "line 4: the currency is EUR, but USD was expected",
            "line 5: the market India stands already on line 2",
            "line 6: the currency \"XXX\" is unknown; it is an ISO 4217 code such as USD, \
             or \"message\"",
            "line 7: the marketing rate \"-0.1\" of Egypt is not a rate: it is negative",
            "line 8: the marketing rate \"0.1234567\" of Chile is not a rate: an amount has at \
             most 6 decimals",
            "line 9: the marketing rate \"1,234.5\" of Peru is not a rate: an amount is written \
             as digits with an optional minus sign and decimal point, for example \"100.00\"",
            "line 9: Peru has no authentication rate",
            "line 10: the marketing rate \"1000000.01\" of Poland is not a rate: it is above \
             1000000",
            "line 10: the utility rate \"-0\" of Poland is not a rate: it is negative",
            "line 10: Poland has no authentication rate",
            "line 11: the row has more cells than the header",
        ],
    );
}

#[test]
fn a_file_without_a_usable_header_says_so() {
    let no_header = "no header line with the columns market, currency, marketing, utility, \
                     authentication was found";
    check("", &[no_header]);
    check(
        "market;currency;marketing\nIndia;USD;1\n",
        &["line 1: its cells are separated by ';', not by commas"],
    );
    check(
        "market,marketing,marketing,price\nIndia,1,1,1\n",
        &[
            "line 1: the column marketing stands twice",
            "line 1: the column \"price\" is unknown",
            "line 1: the header has no column currency",
            "line 1: the header has no column utility",
            "line 1: the header has no column authentication",
        ],
    );
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_the_import(text in "\\PC*", rows in "([a-zA-Z&\", $\n0-9./-]{0,30}\n){0,5}") {
        let _ = parse_rate_csv(&text);
        let _ = parse_rate_csv(&format!("{HEADER}{rows}"));
    }
}
