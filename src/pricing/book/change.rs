//! Rates that look like a slip: all zero, or more than tenfold away from those before.
#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

use jiff::civil::Date;

use super::PriceBook;
use crate::amount::Amount;
use crate::pricing::card::RateCardVersion;
use crate::pricing::category::Category;
use crate::pricing::import::{ImportError, ImportProblem};

/// A rate may move so many times up or down without a person's word.
const FACTOR: i64 = 10;

impl PriceBook {
    /// Which rates of the card's version of `date` a person must confirm: every one if all are
    /// zero; those that move more than tenfold against the version before it, or against the one of
    /// the same date in `before`. Empty if none.
    pub fn large_changes(&self, card_id: &str, date: Date, before: &PriceBook) -> Vec<ImportError> {
        let Some(card) = self.card(card_id) else { return Vec::new() };
        let Some(version) = card.version(date) else { return Vec::new() };
        let earlier = card.versions().iter().rev().find(|known| known.effective() < date);
        let replaced = before.card(card_id).and_then(|card| card.version(date));
        let mut found: Vec<ImportProblem> = Vec::new();
        if rates(version).all(|(_, _, rate)| rate.is_zero()) {
            found.push(ImportProblem::AllZero);
        }
        for old in earlier.into_iter().chain(replaced) {
            for (market, category, now) in rates(version) {
                let Some(then) = old.rate(market, category).filter(|then| leaps(*then, now)) else {
                    continue;
                };
                let problem = ImportProblem::LargeChange { market, category, then, now };
                if !found.contains(&problem) {
                    found.push(problem);
                }
            }
        }
        found.into_iter().map(|problem| ImportError { line: None, problem }).collect()
    }

    /// The same book with a card of `other`, if it has it.
    #[must_use]
    pub fn with_card_of(&self, other: &PriceBook, card_id: &str) -> PriceBook {
        let mut book = self.clone();
        if let Some(card) = other.card(card_id) {
            book.insert(card.clone());
        }
        book
    }

    /// The same book with one version as `other` has it; `None` if it has none.
    pub fn with_version_of(
        &self,
        other: &PriceBook,
        card_id: &str,
        date: Date,
    ) -> Option<PriceBook> {
        let theirs = other.card(card_id)?;
        let version = theirs.version(date)?.clone();
        let mut book = self.clone();
        let card = match self.card(card_id) {
            Some(card) => card.with(version),
            None => super::RateCard::new(card_id, theirs.currency()).with(version),
        };
        book.insert(card);
        Some(book)
    }
}

fn rates(
    version: &RateCardVersion,
) -> impl Iterator<Item = (crate::pricing::Market, Category, Amount)> {
    version.markets().into_iter().flat_map(move |market| {
        Category::ALL.into_iter().filter_map(move |category| {
            version.rate(market, category).map(|rate| (market, category, rate))
        })
    })
}

/// Whether one is more than [`FACTOR`] times the other; from or to zero is.
fn leaps(then: Amount, now: Amount) -> bool {
    let (low, high) = if then < now { (then, now) } else { (now, then) };
    high.micros() > low.micros().saturating_mul(FACTOR)
}
