//! Unit tests of the price: cards by date and zone, the October 2026 switch, policy, mark-up, and
//! versions put in by an operator.

use jiff::Timestamp;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

use super::super::recipient;
use super::super::{Category, Markup, ServiceWindow, Terms, Unpriced};
use super::PriceBook;

const INDIA: &str = "IST-5:30";
const LOS_ANGELES: &str = "PST8PDT,M3.2.0,M11.1.0";

fn ms(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

/// One question to the book, with everything a test does not care about filled in.
struct Ask {
    card: &'static str,
    zone: &'static str,
    markup: Markup,
    international: bool,
    window: ServiceWindow,
}

const PLAIN: Ask = Ask {
    card: "meta-usd",
    zone: "UTC0",
    markup: Markup::NONE,
    international: false,
    window: ServiceWindow::Unknown,
};

impl Ask {
    fn quote(&self, to: &str, category: Category, at: &str) -> Result<super::Quote, Unpriced> {
        self.with(|book, terms| {
            let location = book.locate(&recipient::parse(to).unwrap())?;
            book.quote(terms, location, category, ms(at))
        })
    }

    fn ceiling(&self, to: &str, at: &str) -> super::Quote {
        self.with(|book, terms| {
            let location = book.locate(&recipient::parse(to).unwrap()).unwrap();
            book.ceiling(terms, location, ms(at)).unwrap()
        })
    }

    fn with<T>(&self, ask: impl FnOnce(&PriceBook, &Terms<'_>) -> T) -> T {
        let zone = TimeZone::posix(self.zone).unwrap();
        let terms = Terms {
            card: self.card,
            time_zone: &zone,
            markup: &self.markup,
            authentication_international: self.international,
            window: self.window,
        };
        ask(&PriceBook::builtin(), &terms)
    }

    /// `expected`: country, market, category, version, price.
    fn check(&self, to: &str, category: Category, at: &str, expected: &str) {
        let quote = self.quote(to, category, at).unwrap();
        let seen = format!(
            "{} | {} | {} | {} | {}",
            quote.country, quote.market, quote.category, quote.version, quote.amount
        );
        assert_eq!(seen, expected, "{to} {category} {at}");
    }
}

#[test]
fn a_price_follows_from_country_category_and_date() {
    use Category::{Authentication, Marketing, Service, Utility};
    let (before, after) = ("2026-09-30T12:00:00Z", "2026-11-21T12:00:00Z");
    PLAIN.check("+919812345678", Marketing, after, "IN | India | marketing | 2026-10-01 | 0.0118");
    PLAIN.check("+919812345678", Marketing, before, "IN | India | marketing | 2026-07-01 | 0.0118");
    PLAIN.check(
        "+52 55 1234 5678",
        Marketing,
        before,
        "MX | Mexico | marketing | 2026-07-01 | 0.0305",
    );
    PLAIN.check(
        "+52 55 1234 5678",
        Marketing,
        after,
        "MX | Mexico | marketing | 2026-10-01 | 0.0397",
    );
    PLAIN.check(
        "+8801712345678",
        Utility,
        before,
        "BD | Rest of Asia Pacific | utility | 2026-07-01 | 0.0113",
    );
    PLAIN.check(
        "+8801712345678",
        Utility,
        after,
        "BD | Bangladesh | utility | 2026-10-01 | 0.0037",
    );
    PLAIN.check("+77011234567", Marketing, before, "KZ | Other | marketing | 2026-07-01 | 0.0604");
    PLAIN.check("+77011234567", Utility, after, "KZ | Kazakhstan | utility | 2026-10-01 | 0.018");
    PLAIN.check("+79161234567", Utility, after, "RU | Russia | utility | 2026-10-01 | 0.04");
    PLAIN.check(
        "+14165550123",
        Marketing,
        after,
        "CA | North America | marketing | 2026-10-01 | 0.025",
    );
    PLAIN.check(
        "+18095550123",
        Marketing,
        after,
        "DO | Rest of Latin America | marketing | 2026-10-01 | 0.074",
    );
    PLAIN.check(
        "US.13400000000000000001",
        Authentication,
        after,
        "US | North America | authentication | 2026-10-01 | 0.0034",
    );
    PLAIN.check("+919812345678", Service, before, "IN | India | service | 2026-07-01 | 0.00");
    PLAIN.check("+919812345678", Service, after, "IN | India | service | 2026-10-01 | 0.0014");
    assert_eq!(PLAIN.quote("+99912345678", Marketing, after), Err(Unpriced::NoCountry));
    assert_eq!(PLAIN.quote("+18005550123", Marketing, after), Err(Unpriced::NoCountry));
    assert_eq!(PLAIN.quote("QQ.1", Marketing, after), Err(Unpriced::NoCountry));
    assert_eq!(
        PLAIN.quote("+919812345678", Marketing, "2026-06-30T23:59:59Z"),
        Err(Unpriced::NoVersion("meta-usd".into()))
    );
    assert_eq!(
        Ask { card: "none", ..PLAIN }.quote("+919812345678", Marketing, after),
        Err(Unpriced::UnknownCard("none".to_owned()))
    );
}

#[test]
fn the_switch_comes_at_the_wabas_midnight() {
    for (zone, midnight) in [
        ("UTC0", "2026-10-01T00:00:00Z"),
        (INDIA, "2026-09-30T18:30:00Z"),
        (LOS_ANGELES, "2026-10-01T07:00:00Z"),
    ] {
        let ask = Ask { zone, ..PLAIN };
        let just_before =
            Timestamp::from_millisecond(ms(midnight).saturating_sub(1)).unwrap().to_string();
        ask.check(
            "+5215512345678",
            Category::Marketing,
            &just_before,
            "MX | Mexico | marketing | 2026-07-01 | 0.0305",
        );
        ask.check(
            "+5215512345678",
            Category::Marketing,
            midnight,
            "MX | Mexico | marketing | 2026-10-01 | 0.0397",
        );
        assert_eq!(
            ask.quote("+5215512345678", Category::Marketing, &just_before).unwrap().valid_until_ms,
            ms(midnight)
        );
        assert_eq!(
            ask.quote("+5215512345678", Category::Marketing, midnight).unwrap().valid_until_ms,
            i64::MAX
        );
        assert!(
            ask.quote("+919812345678", Category::Service, &just_before).unwrap().amount.is_zero()
        );
        assert!(
            ask.quote("+919812345678", Category::Service, midnight)
                .unwrap()
                .free_allowance
                .is_some()
        );
    }
}

#[test]
fn a_service_message_may_be_one_of_the_free_ones() {
    let ask = Ask { zone: LOS_ANGELES, ..PLAIN };
    let quote = ask.quote("+919812345678", Category::Service, "2026-11-01T06:59:59Z").unwrap();
    let allowance = quote.free_allowance.unwrap();
    assert_eq!(
        (allowance.limit, allowance.month, allowance.month_end_ms),
        (1000, 2026 * 12 + 9, ms("2026-11-01T07:00:00Z"))
    );
    // November ends in winter time.
    let allowance = ask
        .quote("+919812345678", Category::Service, "2026-11-01T07:00:00Z")
        .unwrap()
        .free_allowance
        .unwrap();
    assert_eq!(
        (allowance.month, allowance.month_end_ms),
        (2026 * 12 + 10, ms("2026-12-01T08:00:00Z"))
    );
    for category in [Category::Marketing, Category::Utility, Category::Authentication] {
        assert_eq!(
            ask.quote("+919812345678", category, "2026-11-01T07:00:00Z").unwrap().free_allowance,
            None
        );
    }
}

#[test]
fn a_card_without_service_rates_takes_the_utility_rate() {
    let ask = Ask { card: "meta-eur", ..PLAIN };
    let at = "2026-11-21T12:00:00Z";
    ask.check("+919812345678", Category::Service, at, "IN | India | service | 2026-07-01 | 0.0012");
    assert_eq!(
        ask.quote("+919812345678", Category::Service, at).unwrap().free_allowance.unwrap().limit,
        1000
    );
    // The version keeps the mapping it was published with.
    ask.check(
        "+8801712345678",
        Category::Utility,
        at,
        "BD | Rest of Asia Pacific | utility | 2026-07-01 | 0.0094",
    );
    let july = ask.quote("+919812345678", Category::Marketing, "2026-08-01T00:00:00Z").unwrap();
    assert_eq!(
        july.valid_until_ms,
        ms("2026-10-01T00:00:00Z"),
        "the policy row switches although the card does not"
    );
}

#[test]
fn an_open_window_spares_utility_until_october() {
    let (before, after) = ("2026-09-30T12:00:00Z", "2026-10-01T12:00:00Z");
    for (window, at, price) in [
        (ServiceWindow::Open, before, "0.00"),
        (ServiceWindow::Closed, before, "0.0014"),
        (ServiceWindow::Unknown, before, "0.0014"),
        (ServiceWindow::Open, after, "0.0014"),
    ] {
        let quote = Ask { window, ..PLAIN }.quote("+919812345678", Category::Utility, at).unwrap();
        assert_eq!(quote.amount.to_string(), price, "{window:?} {at}");
    }
    let marketing = Ask { window: ServiceWindow::Open, ..PLAIN }
        .quote("+919812345678", Category::Marketing, before)
        .unwrap();
    assert_eq!(marketing.amount.to_string(), "0.0118");
}

#[test]
fn international_authentication_is_for_flagged_accounts() {
    let at = "2026-11-21T12:00:00Z";
    let flagged = Ask { international: true, ..PLAIN };
    PLAIN.check(
        "+919812345678",
        Category::Authentication,
        at,
        "IN | India | authentication | 2026-10-01 | 0.0014",
    );
    flagged.check(
        "+919812345678",
        Category::Authentication,
        at,
        "IN | India | authentication_international | 2026-10-01 | 0.0304",
    );
    PLAIN.check(
        "+919812345678",
        Category::AuthenticationInternational,
        at,
        "IN | India | authentication_international | 2026-10-01 | 0.0304",
    );
    // A market without such a rate.
    flagged.check(
        "+5511987650001",
        Category::Authentication,
        at,
        "BR | Brazil | authentication | 2026-10-01 | 0.0068",
    );
    assert_eq!(
        flagged.ceiling("+919812345678", at).category,
        Category::AuthenticationInternational
    );
    assert_eq!(PLAIN.ceiling("+919812345678", at).category, Category::Marketing);
    assert_eq!(PLAIN.ceiling("+919812345678", at).amount.to_string(), "0.0118");
}

#[test]
fn the_mark_up_is_for_what_is_charged() {
    let markup: Markup = serde_json::from_str(r#"{"percent":"10","per_message":"0.001"}"#).unwrap();
    let ask = Ask { markup, ..PLAIN };
    ask.check(
        "+919812345678",
        Category::Marketing,
        "2026-11-21T12:00:00Z",
        "IN | India | marketing | 2026-10-01 | 0.01398",
    );
    ask.check(
        "+919812345678",
        Category::Service,
        "2026-09-21T12:00:00Z",
        "IN | India | service | 2026-07-01 | 0.00",
    );
}

#[test]
fn a_message_credit_is_one_template() {
    let ask = Ask { card: "message", window: ServiceWindow::Open, ..PLAIN };
    for at in ["2025-07-01T00:00:00Z", "2026-09-30T12:00:00Z", "2026-11-21T12:00:00Z"] {
        for category in Category::ALL {
            let quote = ask.quote("+8801712345678", category, at).unwrap();
            let price = if category == Category::Service { "0.00" } else { "1.00" };
            assert_eq!(
                (quote.amount.to_string().as_str(), quote.free_allowance, &*quote.currency),
                (price, None, "message")
            );
        }
        assert_eq!(ask.ceiling("+8801712345678", at).amount.to_string(), "1.00");
    }
}

#[test]
fn every_market_of_every_card_has_every_price() {
    let book = PriceBook::builtin();
    let counts: Vec<String> = book
        .cards()
        .flat_map(|card| {
            card.versions().iter().map(move |version| {
                format!("{} {} {}", card.id(), version.effective(), version.markets().len())
            })
        })
        .collect();
    assert_eq!(
        counts,
        [
            "message 2025-07-01 32",
            "message 2026-07-01 38",
            "message 2026-10-01 47",
            "meta-eur 2026-07-01 38",
            "meta-usd 2026-07-01 38",
            "meta-usd 2026-10-01 47"
        ]
    );
    for card in book.cards() {
        for version in card.versions() {
            for market in version.markets() {
                for category in [Category::Marketing, Category::Utility, Category::Authentication] {
                    let rate = version.rate(market, category);
                    assert!(
                        rate.is_some_and(|rate| rate.is_positive()),
                        "{} {market} {category}",
                        card.id()
                    );
                }
                if version.effective() >= date(2026, 10, 1) && &**card.currency() == "USD" {
                    assert_eq!(
                        version.rate(market, Category::Service),
                        version.rate(market, Category::Utility),
                        "{market}"
                    );
                }
            }
        }
    }
}

/// The October card with every marketing rate raised and its first line replaced.
fn january(header: &str) -> String {
    let csv = include_str!("../../../config/rates/meta-usd-2026-10-01.csv");
    let rows = csv.split_once('\n').unwrap().1;
    format!("{header}\n{}", rows.replace("India,USD,0.0118", "India,USD,0.0150"))
}

const HEADER: &str =
    "market,currency,marketing,utility,authentication,authentication_international,service";
const NEW_YEAR: Date = date(2027, 1, 1);

#[test]
fn an_operator_puts_in_the_next_version() {
    let old = PriceBook::builtin();
    let book = old.with_version("meta-usd", NEW_YEAR, &january(HEADER)).unwrap();
    let location = book.markets().locate("919812345678").unwrap();
    let terms = Terms {
        card: "meta-usd",
        time_zone: &TimeZone::UTC,
        markup: &Markup::NONE,
        authentication_international: false,
        window: ServiceWindow::Unknown,
    };
    let price = |book: &PriceBook, at: &str| {
        book.quote(&terms, location, Category::Marketing, ms(at)).unwrap()
    };
    assert_eq!(price(&book, "2026-12-31T23:59:59Z").amount.to_string(), "0.0118");
    assert_eq!(price(&book, "2026-12-31T23:59:59Z").valid_until_ms, ms("2027-01-01T00:00:00Z"));
    assert_eq!(price(&book, "2027-01-01T00:00:00Z").amount.to_string(), "0.015");
    assert_eq!(
        price(&old, "2027-01-01T00:00:00Z").amount.to_string(),
        "0.0118",
        "the old book is as it was"
    );
    let again = book
        .with_version("meta-usd", NEW_YEAR, &january(HEADER).replace("0.0150", "0.0160"))
        .unwrap();
    assert_eq!(price(&again, "2027-01-01T00:00:00Z").amount.to_string(), "0.016");
    assert_eq!(again.card("meta-usd").unwrap().versions().len(), 3);
    let own = book.with_version("acme-special", date(2026, 10, 1), &january(HEADER)).unwrap();
    assert_eq!(&**own.card("acme-special").unwrap().currency(), "USD");
}

#[test]
fn a_version_in_force_is_not_touched() {
    let book = PriceBook::builtin();
    let may = |card, at: &str| book.may_put_version(card, NEW_YEAR, ms(at));
    assert!(may("meta-usd", "2026-12-30T12:00:00Z"));
    // In the first zone of the Earth the new year has begun.
    assert!(!may("meta-usd", "2026-12-31T10:00:00Z"));
    assert!(!may("meta-usd", "2027-02-01T00:00:00Z"));
    assert!(may("acme-special", "2027-02-01T00:00:00Z"));
}

#[test]
fn a_version_with_mistakes_changes_nothing_and_names_them_all() {
    let mistakes = |card: &str, date: Date, csv: &str| -> Vec<String> {
        PriceBook::builtin()
            .with_version(card, date, csv)
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(
        mistakes(
            "meta usd",
            NEW_YEAR,
            &january(HEADER)
                .replace("Peru,USD,0.0703", "Peru,USD,x")
                .replace("\nChile", "\nChilli")
        ),
        [
            "line 5: the market \"Chilli\" is unknown",
            "line 27: the marketing rate \"x\" of Peru is not a rate: an amount is written as \
             digits with an optional minus sign and decimal point, for example \"100.00\"",
            "a card's id is 1 to 64 letters, digits, '_' or '-'",
            "the market Chile is missing",
        ]
    );
    assert_eq!(
        mistakes("meta-eur", NEW_YEAR, &january(HEADER)),
        ["line 2: the currency is USD, but EUR was expected"]
    );
    assert_eq!(
        mistakes("message", NEW_YEAR, &january(HEADER))[0],
        "the card message is built in and has no further versions"
    );
    assert_eq!(
        mistakes("acme", date(2025, 6, 30), &january(HEADER)),
        ["a version cannot begin before 2025-07-01, the first date of the market table"]
    );
    // An October card under a July date: nine markets did not exist.
    let nine = mistakes("acme", date(2026, 9, 30), &january(HEADER));
    assert_eq!(nine.len(), 9);
    assert_eq!(
        nine[0],
        "line 3: the market Bangladesh does not exist in the market mapping of 2026-07-01, \
         which a version beginning on this date has"
    );
    assert_eq!(mistakes("acme", NEW_YEAR, HEADER).len(), 47, "an empty card misses every market");
    assert_eq!(mistakes("acme", NEW_YEAR, "<html>").len(), 1, "what is no card has one mistake");
}

#[test]
fn a_card_is_listed_with_its_rates() {
    let book = PriceBook::builtin();
    let json = serde_json::to_value(book.card("meta-usd").unwrap()).unwrap();
    assert_eq!(json["id"], "meta-usd");
    assert_eq!(json["currency"], "USD");
    let october = &json["versions"][1];
    assert_eq!(
        (&october["effective"], &october["market_mapping"]),
        (&"2026-10-01".into(), &"2026-10-01".into())
    );
    let india = serde_json::json!({
        "marketing": "0.0118",
        "utility": "0.0014",
        "authentication": "0.0014",
        "authentication_international": "0.0304",
        "service": "0.0014",
    });
    assert_eq!(october["rates"]["India"], india);
    assert_eq!(october["rates"].as_object().unwrap().len(), 47);
}
