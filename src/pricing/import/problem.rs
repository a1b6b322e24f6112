//! What can be wrong with a rate card file.

use std::fmt;

use crate::amount::{Amount, AmountError};
use crate::pricing::category::Category;
use crate::pricing::markets::Market;

/// One mistake in a rate card file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportError {
    /// The line it is on, from 1; `None` if it concerns the file as a whole.
    pub line: Option<u64>,
    /// What is wrong there.
    pub problem: ImportProblem,
}

/// What can be wrong with a rate card file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportProblem {
    /// No line has both a market and a marketing column.
    #[error(
        "no header line with the columns market, currency, marketing, utility, authentication \
         was found"
    )]
    NoHeader,
    /// A required column is missing.
    #[error("the header has no column {0}")]
    NoColumn(&'static str),
    /// A column of no known meaning.
    #[error("the column {0:?} is unknown")]
    UnknownColumn(String),
    /// A column that is given twice.
    #[error("the column {0} stands twice")]
    DuplicateColumn(&'static str),
    /// A spreadsheet's own file.
    #[error("it is an Excel workbook, not a CSV; save it as \"CSV UTF-8\"")]
    Workbook,
    /// Two bytes a letter.
    #[error("it is in UTF-16; save it as \"CSV UTF-8\"")]
    Utf16,
    /// Another encoding.
    #[error("it is not UTF-8; save it as \"CSV UTF-8\"")]
    NotUtf8,
    /// Cells are not separated by commas.
    #[error("its cells are separated by {}, not by commas", separator(*.0))]
    WrongSeparator(char),
    /// Rates with a comma.
    #[error("its decimals are written with a comma; write 0.0118, not 0,0118")]
    CommaDecimals,
    /// A version that makes everything free.
    #[error("every rate is zero")]
    AllZero,
    /// A rate far from the one before.
    #[error("the {category} rate of {market} moves from {then} to {now}, more than tenfold")]
    LargeChange {
        /// The market.
        market: Market,
        /// The category.
        category: Category,
        /// The rate of the version before, or of the one that is replaced.
        then: Amount,
        /// The new rate.
        now: Amount,
    },
    /// The CSV itself is broken.
    #[error("not CSV: {0}")]
    NotCsv(String),
    /// A row without any cell for a market, or a market no table knows.
    #[error("the market {0:?} is unknown")]
    UnknownMarket(String),
    /// A market of another mapping.
    #[error(
        "the market {market} does not exist in the market mapping of {mapping}, \
         which a version beginning on this date has"
    )]
    MarketNotInMapping {
        /// The market of the row.
        market: Market,
        /// The date of the mapping.
        mapping: jiff::civil::Date,
    },
    /// A market that has two rows.
    #[error("the market {market} stands already on line {first}")]
    DuplicateMarket {
        /// The market of both rows.
        market: Market,
        /// The line of its first row, from 1.
        first: u64,
    },
    /// A market of the mapping without a row.
    #[error("the market {0} is missing")]
    MissingMarket(Market),
    /// A text that is no ISO 4217 code and not `message`.
    #[error("the currency {0:?} is unknown; it is an ISO 4217 code such as USD, or \"message\"")]
    UnknownCurrency(String),
    /// Two currencies in one file, or another than the card has.
    #[error("the currency is {found}, but {expected} was expected")]
    MixedCurrency {
        /// The currency in the row.
        found: String,
        /// The currency of the rows before, or of the card.
        expected: String,
    },
    /// A rate that is no amount.
    #[error("the {category} rate {text:?} of {market} is not a rate: {reason}")]
    BadRate {
        /// The market of the row.
        market: Market,
        /// The category whose column the cell is in.
        category: Category,
        /// The content of the cell.
        text: String,
        /// Why it is no rate.
        reason: BadRate,
    },
    /// A rate every market must have.
    #[error("{market} has no {category} rate")]
    NoRate {
        /// The market of the row.
        market: Market,
        /// The category whose rate is missing.
        category: Category,
    },
    /// More cells than the header has.
    #[error("the row has more cells than the header")]
    TooManyCells,
    /// A card id of the wrong form.
    #[error("a card's id is 1 to 64 letters, digits, '_' or '-'")]
    BadCardId,
    /// A date before Meta charged per message.
    #[error("a version cannot begin before {0}, the first date of the market table")]
    TooEarly(jiff::civil::Date),
    /// A card that does not come from files.
    #[error("the card {0} is built in and has no further versions")]
    FixedCard(String),
}

/// Why a cell is no rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRate {
    /// Not an amount.
    #[error("{0}")]
    Amount(#[from] AmountError),
    /// Below zero.
    #[error("it is negative")]
    Negative,
    /// `0,0118`.
    #[error("decimals are written with a point, not a comma")]
    Comma,
    /// Above a million.
    #[error("it is above 1000000")]
    TooLarge,
}

const fn separator(found: char) -> &'static str {
    match found {
        ';' => "';'",
        _ => "tabs",
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.problem),
            None => self.problem.fmt(f),
        }
    }
}

impl std::error::Error for ImportError {}
