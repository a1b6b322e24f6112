//! Rates that look like a slip: all zero, or more than tenfold away from those before. What is
//! compared is what messages cost, not what is written: if a card has no rate of its own for them,
//! that of another category counts.
#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

use jiff::civil::Date;

use super::PriceBook;
use crate::amount::Amount;
use crate::pricing::card::RateCardVersion;
use crate::pricing::category::Category;
use crate::pricing::import::{ImportError, ImportProblem};
use crate::pricing::markets::Market;

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
        let mut rates = version.markets().into_iter().flat_map(|market| charged(version, market));
        if rates.all(|(_, rate)| rate.is_zero()) {
            found.push(ImportProblem::AllZero);
        }
        for old in earlier.into_iter().chain(replaced) {
            // A country may have been in another market then.
            for (before, market) in self.markets.moves(old.mapping(), version.mapping()) {
                for (category, now) in charged(version, market) {
                    let then = old.charged(before, category).map(|(_, then)| then);
                    let Some(then) = then.filter(|then| leaps(*then, now)) else { continue };
                    let problem = ImportProblem::LargeChange { market, category, then, now };
                    if !found.contains(&problem) {
                        found.push(problem);
                    }
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

/// What a message of each category costs in the market.
fn charged(
    version: &RateCardVersion,
    market: Market,
) -> impl Iterator<Item = (Category, Amount)> + use<'_> {
    Category::ALL.into_iter().filter_map(move |category| {
        version.charged(market, category).map(|(_, rate)| (category, rate))
    })
}

/// Whether one is more than [`FACTOR`] times the other; from or to zero is.
fn leaps(then: Amount, now: Amount) -> bool {
    let (low, high) = if then < now { (then, now) } else { (now, then) };
    high.micros() > low.micros().saturating_mul(FACTOR)
}

#[cfg(test)]
mod tests {
    use jiff::civil::{Date, date};

    use super::PriceBook;
    use crate::pricing::Category;
    use crate::pricing::import::ImportProblem;

    const JULY: &str = include_str!("../../../config/rates/meta-eur-2026-07-01.csv");
    const OCTOBER: &str = include_str!("../../../config/rates/meta-usd-2026-10-01.csv");

    /// The file with another content in a column, by its position, of every row.
    fn with_column(csv: &str, column: usize, content: &str) -> String {
        let row = |line: &str| {
            let mut cells: Vec<&str> = line.split(',').collect();
            if line.contains(",EUR,") {
                cells[column] = content;
            }
            cells.join(",") + "\n"
        };
        csv.lines().map(row).collect()
    }

    /// The markets whose messages of the category need a person's word.
    fn found(begins: Date, csv: &str, category: Category) -> Vec<String> {
        let before = PriceBook::builtin();
        let book = before.with_version("meta-eur", begins, csv).expect("a version");
        let changes = book.large_changes("meta-eur", begins, &before);
        let of = |problem: &ImportProblem| match problem {
            ImportProblem::LargeChange { market, category: found, .. } if *found == category => {
                Some(market.to_string())
            }
            _ => None,
        };
        changes.iter().filter_map(|error| of(&error.problem)).collect()
    }

    #[test]
    fn an_empty_cell_counts_as_what_it_is_charged_at() {
        let july = date(2026, 7, 1);
        let rows = JULY.lines().filter(|line| line.contains(",EUR,")).count();
        assert_eq!(found(july, JULY, Category::Service).len(), 0);
        for (column, category) in
            [(6, Category::Service), (5, Category::AuthenticationInternational)]
        {
            let free = with_column(JULY, column, "0");
            assert_eq!(found(july, &free, category).len(), rows, "{category}");
            let dear = with_column(JULY, column, "9");
            assert!(found(july, &dear, category).len() > rows / 2, "{category}");
        }
    }

    #[test]
    fn a_market_of_its_own_is_compared_with_the_one_its_country_was_in() {
        let october = OCTOBER.replace(",USD,", ",EUR,");
        let rows = october.lines().filter(|line| line.contains(",EUR,")).count();
        assert_eq!(rows, 47);
        let free = with_column(&october, 3, "0");
        let mut markets = found(date(2026, 10, 1), &free, Category::Utility);
        markets.dedup();
        assert_eq!(markets.len(), rows, "{markets:?}");
        assert!(markets.iter().any(|market| market == "Bangladesh"));
    }
}
