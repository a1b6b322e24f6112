//! The price book: an immutable snapshot of cards, market table and policy rows, and the one
//! function that computes a price from them.
#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;

use crate::amount::{Amount, MICROS_PER_CREDIT};
use crate::ids::WalletId;

use super::card::{RateCard, RateCardVersion};
use super::category::Category;
use super::import::{self, ImportError, ImportProblem, MESSAGE_UNIT, Rates};
use super::markets::{Location, Mapping, Market, MarketTable};
use super::policy::{self, PolicyRow};
use super::quote::{FreeAllowance, Quote, ServiceWindow, Terms, Unpriced};
use super::recipient::Recipient;
use super::start::{Month, StartDate, in_force};

mod change;

/// Meta's cards: id, date, file.
const META_CARDS: [(&str, Date, &str); 3] = [
    (
        "meta-usd",
        Date::constant(2026, 7, 1),
        include_str!("../../../config/rates/meta-usd-2026-07-01.csv"),
    ),
    (
        "meta-usd",
        Date::constant(2026, 10, 1),
        include_str!("../../../config/rates/meta-usd-2026-10-01.csv"),
    ),
    (
        "meta-eur",
        Date::constant(2026, 7, 1),
        include_str!("../../../config/rates/meta-eur-2026-07-01.csv"),
    ),
];

/// The card whose unit is one template message.
const MESSAGE_CARD: &str = "message";

/// Cards, market table and policy rows as they are at one time; a change makes a new book.
#[derive(Debug, Clone)]
pub struct PriceBook {
    markets: &'static MarketTable,
    policy: Arc<[PolicyRow]>,
    cards: BTreeMap<Arc<str>, Arc<RateCard>>,
}

impl PriceBook {
    /// The compiled-in cards: `meta-usd`, `meta-eur` and `message`.
    pub fn builtin() -> PriceBook {
        let mut book = PriceBook {
            markets: MarketTable::builtin(),
            policy: policy::builtin().into(),
            cards: BTreeMap::new(),
        };
        for (id, date, csv) in META_CARDS {
            book = book
                .with_version(id, date, csv)
                .expect("the compiled-in cards are read by a unit test");
        }
        book.insert(message_card(book.markets));
        book
    }

    /// The table from recipients to countries and markets.
    pub fn markets(&self) -> &'static MarketTable {
        self.markets
    }

    /// All cards, in ascending order of their ids.
    pub fn cards(&self) -> impl Iterator<Item = &RateCard> {
        self.cards.values().map(|card| &**card)
    }

    /// The card of that id, if there is one.
    pub fn card(&self, id: &str) -> Option<&RateCard> {
        self.cards.get(id).map(|card| &**card)
    }

    /// A new book in which the card has the version read from `csv`, beginning on `date`; the card
    /// is made if there is none of that id, and a version of the same date is replaced.
    ///
    /// # Errors
    /// Every mistake that was found, not only the first.
    pub fn with_version(
        &self,
        card_id: &str,
        date: Date,
        csv: &str,
    ) -> Result<PriceBook, Vec<ImportError>> {
        let (sheet, mut errors) = import::read(csv);
        // If no row could be read, listing every market as missing would only hide the reason.
        let unreadable = sheet.rows.is_empty() && !errors.is_empty();
        let mut fail = |line, problem| errors.push(ImportError { line, problem });
        // A card's id has the same form as every id of ours.
        if card_id.parse::<WalletId>().is_err() {
            fail(None, ImportProblem::BadCardId);
        }
        if card_id == MESSAGE_CARD {
            fail(None, ImportProblem::FixedCard(card_id.to_owned()));
        }
        let expected = self
            .card(card_id)
            .map(RateCard::currency)
            .filter(|expected| **expected != sheet.currency);
        if let (Some(expected), Some(row)) = (expected, sheet.rows.first()) {
            let (found, expected) = (sheet.currency.to_string(), expected.to_string());
            fail(Some(row.line), ImportProblem::MixedCurrency { found, expected });
        }
        let Some(mapping) = self.markets.mapping(date) else {
            let first = self.markets.mapping_dates().first().copied().unwrap_or(date);
            fail(None, ImportProblem::TooEarly(first));
            return Err(errors);
        };
        let wanted = self.markets.markets_in(mapping);
        for row in sheet.rows.iter().filter(|row| !wanted.contains(&row.market)) {
            let mapping = self.markets.mapping_date(mapping).unwrap_or(date);
            fail(Some(row.line), ImportProblem::MarketNotInMapping { market: row.market, mapping });
        }
        for market in wanted
            .into_iter()
            .filter(|market| !unreadable && !sheet.rows.iter().any(|row| row.market == *market))
        {
            fail(None, ImportProblem::MissingMarket(market));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let version = RateCardVersion::new(
            date,
            mapping,
            sheet.rows.into_iter().map(|row| (row.market, row.rates)),
        );
        let mut book = self.clone();
        let card = self.card(card_id).map_or_else(
            || RateCard::new(card_id, &sheet.currency).with(version.clone()),
            |card| card.with(version.clone()),
        );
        book.insert(card);
        Ok(book)
    }

    /// Whether a version beginning on `date` may be put into a card at `now_ms` without touching
    /// prices already in force: the card is new, or the date has not begun anywhere on Earth.
    pub fn may_put_version(&self, card_id: &str, date: Date, now_ms: i64) -> bool {
        self.card(card_id).is_none() || !StartDate::new(date).may_have_begun(now_ms)
    }

    fn insert(&mut self, card: RateCard) {
        self.cards.insert(card.id().clone(), Arc::new(card));
    }

    /// The country of a recipient, or [`Unpriced::NoCountry`] if none is known.
    pub fn locate(&self, recipient: &Recipient) -> Result<Location, Unpriced> {
        self.markets.locate_recipient(recipient).ok_or(Unpriced::NoCountry)
    }

    /// The price of a message of `category` to `location` at `at_ms` (Unix milliseconds).
    pub fn quote(
        &self,
        terms: &Terms<'_>,
        location: Location,
        category: Category,
        at_ms: i64,
    ) -> Result<Quote, Unpriced> {
        self.find(terms, location, at_ms)?.quote(terms, category)
    }

    /// The price of a template whose category is not known: the dearest of marketing, utility and
    /// authentication.
    pub fn ceiling(
        &self,
        terms: &Terms<'_>,
        location: Location,
        at_ms: i64,
    ) -> Result<Quote, Unpriced> {
        let found = self.find(terms, location, at_ms)?;
        let mut dearest = found.quote(terms, Category::Marketing)?;
        for category in [Category::Utility, Category::Authentication] {
            let quote = found.quote(terms, category)?;
            if quote.amount > dearest.amount {
                dearest = quote;
            }
        }
        Ok(dearest)
    }

    fn find(
        &self,
        terms: &Terms<'_>,
        location: Location,
        at_ms: i64,
    ) -> Result<Found<'_>, Unpriced> {
        let card =
            self.card(terms.card).ok_or_else(|| Unpriced::UnknownCard(terms.card.to_owned()))?;
        let no_version = || Unpriced::NoVersion(card.id().clone());
        let (version, version_until_ms) = in_force(card.versions(), at_ms, terms.time_zone);
        let version = version.ok_or_else(no_version)?;
        let market = self.markets.market(location, version.mapping()).ok_or(Unpriced::NoCountry)?;
        let (policy, policy_until_ms) = if card.follows_policy() {
            let (policy, until_ms) = in_force(&self.policy, at_ms, terms.time_zone);
            (Some(policy.ok_or_else(no_version)?), until_ms)
        } else {
            (None, i64::MAX)
        };
        Ok(Found {
            card,
            version,
            policy,
            market,
            location,
            at_ms,
            valid_until_ms: version_until_ms.min(policy_until_ms),
        })
    }
}

/// The part of a price's inputs that is the same for every category.
struct Found<'a> {
    card: &'a RateCard,
    version: &'a RateCardVersion,
    policy: Option<&'a PolicyRow>,
    market: Market,
    location: Location,
    at_ms: i64,
    valid_until_ms: i64,
}

impl Found<'_> {
    fn quote(&self, terms: &Terms<'_>, category: Category) -> Result<Quote, Unpriced> {
        let (category, rate) = self.rate(terms, category)?;
        let amount = terms.markup.apply(rate).ok_or(Unpriced::OutOfRange)?;
        let free_allowance = if category == Category::Service && !amount.is_zero() {
            self.free_allowance(terms)?
        } else {
            None
        };
        Ok(Quote {
            amount,
            free_allowance,
            country: self.location.country,
            market: self.market,
            category,
            card: self.card.id().clone(),
            currency: self.card.currency().clone(),
            version: self.version.effective(),
            valid_until_ms: self.valid_until_ms,
        })
    }

    /// The category a message is priced as, and the rate before mark-up.
    fn rate(&self, terms: &Terms<'_>, category: Category) -> Result<(Category, Amount), Unpriced> {
        let of = |category| self.version.charged(self.market, category);
        let found = match category {
            Category::Authentication if terms.authentication_international => {
                of(Category::AuthenticationInternational)
            }
            Category::Utility
                if terms.window == ServiceWindow::Open
                    && self.policy.is_some_and(|row| !row.utility_charged_in_open_window) =>
            {
                Some((category, Amount::ZERO))
            }
            Category::Service if self.policy.is_some_and(|row| !row.service_charged) => {
                Some((category, Amount::ZERO))
            }
            _ => of(category),
        };
        found.ok_or_else(|| Unpriced::NoRate {
            card: self.card.id().clone(),
            version: self.version.effective(),
            market: self.market,
            category,
        })
    }

    fn free_allowance(&self, terms: &Terms<'_>) -> Result<Option<FreeAllowance>, Unpriced> {
        let Some(limit) =
            self.policy.map(|row| row.free_service_messages).filter(|limit| *limit > 0)
        else {
            return Ok(None);
        };
        let month = Month::at(self.at_ms, terms.time_zone).ok_or(Unpriced::OutOfRange)?;
        Ok(Some(FreeAllowance { limit, month: month.number, month_end_ms: month.end_ms }))
    }
}

/// The card on which a template message costs one credit and a service message nothing, in every
/// market and at every date.
fn message_card(markets: &MarketTable) -> RateCard {
    let one = Amount::from_micros(MICROS_PER_CREDIT);
    let rates: Rates = Category::ALL
        .map(|category| if category == Category::Service { Some(Amount::ZERO) } else { one });
    // One version per mapping, so that reports name the market as it is at the time.
    let version = |(date, mapping): (Date, Mapping)| {
        RateCardVersion::new(
            date,
            mapping,
            markets.markets_in(mapping).into_iter().map(|market| (market, rates)),
        )
    };
    let dated =
        markets.mapping_dates().iter().filter_map(|date| Some((*date, markets.mapping(*date)?)));
    dated
        .map(version)
        .fold(RateCard::new(MESSAGE_CARD, MESSAGE_UNIT), |card, version| card.with(version))
}

#[cfg(test)]
mod tests;
