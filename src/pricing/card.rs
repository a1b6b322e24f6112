//! Rate cards: all rates in one currency, in dated versions, each with the
//! mapping from countries to markets of its own date.
#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

use std::sync::Arc;

use jiff::civil::Date;
use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Serialize, Serializer};

use crate::amount::Amount;

use super::category::Category;
use super::import::{MESSAGE_UNIT, Rates};
use super::markets::{Mapping, Market, MarketTable};
use super::start::{Dated, StartDate};

/// All rates in one currency. JSON: `{"id","currency","versions":[...]}`, newest version last.
#[derive(Debug, Clone, Serialize)]
pub struct RateCard {
    #[serde(serialize_with = "text")]
    id: Arc<str>,
    #[serde(serialize_with = "text")]
    currency: Arc<str>,
    versions: Vec<RateCardVersion>,
}

/// The rates of a card from one date on. JSON: `{"effective":"2026-10-01",`
/// `"market_mapping":"2026-10-01","rates":{"India":{"marketing":"0.0118",...}}}`.
#[derive(Debug, Clone)]
pub struct RateCardVersion {
    start: StartDate,
    mapping: Mapping,
    /// By [`Market::position`]; markets of other mappings have no rates.
    rates: Vec<Rates>,
}

impl RateCard {
    /// A card without versions; it prices nothing yet.
    pub(super) fn new(id: &str, currency: &str) -> RateCard {
        RateCard { id: id.into(), currency: currency.into(), versions: Vec::new() }
    }

    /// The same card with `version` added, or replacing the one of the same date.
    pub(super) fn with(&self, version: RateCardVersion) -> RateCard {
        let mut versions = self.versions.clone();
        match versions.binary_search_by_key(&version.start, |known| known.start) {
            Ok(at) => {
                if let Some(known) = versions.get_mut(at) {
                    *known = version;
                }
            }
            Err(at) => versions.insert(at, version),
        }
        RateCard { id: self.id.clone(), currency: self.currency.clone(), versions }
    }

    /// The card's name, `meta-usd`.
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// ISO 4217 code, or `message`.
    pub fn currency(&self) -> &Arc<str> {
        &self.currency
    }

    /// Its versions, in ascending order of their dates.
    pub fn versions(&self) -> &[RateCardVersion] {
        &self.versions
    }

    /// The version of exactly that date.
    pub fn version(&self, date: Date) -> Option<&RateCardVersion> {
        self.versions.iter().find(|version| version.start.date() == date)
    }

    /// Whether what Meta charges and what it lets go free decides the price. A card that counts
    /// messages has its own simple rule.
    pub(super) fn follows_policy(&self) -> bool {
        *self.currency != *MESSAGE_UNIT
    }
}

impl RateCardVersion {
    pub(super) fn new(
        date: Date,
        mapping: Mapping,
        rows: impl IntoIterator<Item = (Market, Rates)>,
    ) -> RateCardVersion {
        let mut rates = vec![[None; Category::COUNT]; MarketTable::builtin().market_count()];
        for (market, row) in rows {
            if let Some(entry) = rates.get_mut(market.position()) {
                *entry = row;
            }
        }
        RateCardVersion { start: StartDate::new(date), mapping, rates }
    }

    /// The date from whose midnight, in the WABA's zone, it is in force.
    pub const fn effective(&self) -> Date {
        self.start.date()
    }

    /// The mapping from country to market it was published with.
    pub const fn mapping(&self) -> Mapping {
        self.mapping
    }

    /// The rate of a category in a market; `None` if the card has none.
    pub fn rate(&self, market: Market, category: Category) -> Option<Amount> {
        self.rates
            .get(market.position())
            .and_then(|rates| rates.get(usize::from(category.index())))
            .copied()
            .flatten()
    }

    /// The rate at which a message of the category is charged, and the category that it is charged
    /// as. If the card has no rate of its own for service messages, it is that of utility; if none
    /// for authentication from abroad, that of authentication.
    pub(super) fn charged(&self, market: Market, category: Category) -> Option<(Category, Amount)> {
        let of = |category| self.rate(market, category).map(|rate| (category, rate));
        match category {
            Category::Service => {
                of(category).or_else(|| of(Category::Utility).map(|(_, rate)| (category, rate)))
            }
            Category::AuthenticationInternational => {
                of(category).or_else(|| of(Category::Authentication))
            }
            Category::Marketing | Category::Utility | Category::Authentication => of(category),
        }
    }

    /// The markets of its mapping.
    pub fn markets(&self) -> Vec<Market> {
        MarketTable::builtin().markets_in(self.mapping)
    }
}

impl Dated for RateCardVersion {
    fn start(&self) -> StartDate {
        self.start
    }
}

fn text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

impl Serialize for RateCardVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("RateCardVersion", 3)?;
        out.serialize_field("effective", &self.effective())?;
        out.serialize_field("market_mapping", &MarketTable::builtin().mapping_date(self.mapping))?;
        out.serialize_field("rates", &AllRates(self))?;
        out.end()
    }
}

struct AllRates<'a>(&'a RateCardVersion);

impl Serialize for AllRates<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            self.0.markets().into_iter().map(|market| (market, MarketRates(self.0, market))),
        )
    }
}

struct MarketRates<'a>(&'a RateCardVersion, Market);

impl Serialize for MarketRates<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(None)?;
        for category in Category::ALL {
            if let Some(rate) = self.0.rate(self.1, category) {
                out.serialize_entry(category.as_str(), &rate)?;
            }
        }
        out.end()
    }
}
