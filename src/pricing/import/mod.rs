//! Reads rate cards: the CSV files Meta publishes and our own, which has the same columns.
//! Everything wrong with a file is reported at once.
//!
//! Meta's files have seen comment lines before the header, header cells broken over lines inside
//! quotes, `n/a` for no rate, `$US` for `USD`, a byte-order mark and Windows line ends. What is not
//! understood is an error, never skipped.
#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

mod format;
mod problem;

use std::sync::Arc;

use crate::amount::{Amount, MICROS_PER_CREDIT};

use super::category::Category;
use super::markets::{Market, MarketTable};
pub use format::{confirmation, confirmed, confirms, text_of};
pub use problem::{BadRate, ImportError, ImportProblem};

/// The unit of cards that count messages instead of money.
pub const MESSAGE_UNIT: &str = "message";

/// No message costs a million; a rate above it is a slip, or another file.
const MAX_RATE_MICROS: i64 = 1_000_000 * MICROS_PER_CREDIT;

/// The rates of one market, by [`Category::index`]; `None` if the card has none.
pub type Rates = [Option<Amount>; Category::COUNT];

/// A rate card file as read: one currency, one row per market.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateSheet {
    /// ISO 4217 code, or [`MESSAGE_UNIT`].
    pub currency: Arc<str>,
    /// One per market, in the order of the file.
    pub rows: Vec<RateRow>,
}

/// The rates of one market, as read from one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateRow {
    /// The line of the file on which the row begins, from 1.
    pub line: u64,
    /// The market the rates are for.
    pub market: Market,
    /// Its rates, by category.
    pub rates: Rates,
}

/// Reads a rate card file. Whether all markets of a date are there is checked when it becomes a
/// version, see [`PriceBook::with_version`](super::PriceBook::with_version).
pub fn parse_rate_csv(text: &str) -> Result<RateSheet, Vec<ImportError>> {
    let (sheet, errors) = read(text);
    if errors.is_empty() { Ok(sheet) } else { Err(errors) }
}

/// What could be read and what could not; a row with a bad rate is still among the rows.
pub(super) fn read(text: &str) -> (RateSheet, Vec<ImportError>) {
    let mut reading = Reading::default();
    reading.file(text);
    let currency = reading.currency.unwrap_or_else(|| MESSAGE_UNIT.into());
    (RateSheet { currency, rows: reading.rows }, reading.errors)
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Market,
    Currency,
    Rate(Category),
    Empty,
}

impl Column {
    const fn name(self) -> &'static str {
        match self {
            Column::Market => "market",
            Column::Currency => "currency",
            Column::Rate(category) => category.as_str(),
            Column::Empty => "",
        }
    }

    fn from_header(cell: &str) -> Option<Column> {
        let words: Vec<String> = cell
            .split(|letter: char| !letter.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect();
        match words.join("_").as_str() {
            "" => Some(Column::Empty),
            "market" => Some(Column::Market),
            "currency" => Some(Column::Currency),
            name => name.parse().ok().map(Column::Rate),
        }
    }
}

/// Columns without which a file prices nothing.
const REQUIRED: [Column; 5] = [
    Column::Market,
    Column::Currency,
    Column::Rate(Category::Marketing),
    Column::Rate(Category::Utility),
    Column::Rate(Category::Authentication),
];

#[derive(Default)]
struct Reading {
    columns: Vec<Column>,
    currency: Option<Arc<str>>,
    rows: Vec<RateRow>,
    errors: Vec<ImportError>,
}

impl Reading {
    fn file(&mut self, text: &str) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let mut lines = Lines { text, counted: 0, line: 1 };
        for record in reader.records() {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    return self.fail(
                        error.position().map(csv::Position::line),
                        ImportProblem::NotCsv(error.to_string()),
                    );
                }
            };
            let line = lines.of(record.position());
            if record.iter().all(str::is_empty)
                || record.get(0).is_some_and(|cell| cell.starts_with('#'))
            {
                continue;
            }
            if self.columns.is_empty() {
                self.header(&record, line);
            } else {
                self.row(&record, line);
            }
        }
        if self.columns.is_empty() {
            self.errors = format::foreign(text, is_header);
            if self.errors.is_empty() {
                self.fail(None, ImportProblem::NoHeader);
            }
        }
    }

    /// Takes the line as header if it is one; all lines before the header are comment.
    fn header(&mut self, record: &csv::StringRecord, line: u64) {
        let columns: Vec<Option<Column>> = record.iter().map(Column::from_header).collect();
        let holds = |column: Column| columns.contains(&Some(column));
        if !holds(Column::Market) || !holds(Column::Rate(Category::Marketing)) {
            return;
        }
        for (column, cell) in columns.iter().zip(record) {
            if column.is_none() {
                self.fail(
                    Some(line),
                    ImportProblem::UnknownColumn(
                        cell.split_whitespace().collect::<Vec<_>>().join(" "),
                    ),
                );
            }
            let column = column.unwrap_or(Column::Empty);
            if column != Column::Empty && self.columns.contains(&column) {
                self.fail(Some(line), ImportProblem::DuplicateColumn(column.name()));
            }
            self.columns.push(column);
        }
        for column in REQUIRED {
            if !self.columns.contains(&column) {
                self.fail(Some(line), ImportProblem::NoColumn(column.name()));
            }
        }
    }

    fn row(&mut self, record: &csv::StringRecord, line: u64) {
        if record.iter().skip(self.columns.len()).any(|cell| !cell.is_empty()) {
            if format::splits_decimals(record, self.columns.len()) {
                return self.fail(Some(line), ImportProblem::CommaDecimals);
            }
            self.fail(Some(line), ImportProblem::TooManyCells);
        }
        let cells: Vec<(Column, &str)> = self.columns.iter().copied().zip(record).collect();
        let cell = |wanted: Column| {
            cells.iter().find(|(column, _)| *column == wanted).map_or("", |(_, cell)| *cell)
        };
        if self.columns.contains(&Column::Currency) {
            self.take_currency(cell(Column::Currency), line);
        }
        let name = cell(Column::Market);
        let Some(market) = MarketTable::builtin().market_named(name) else {
            return self.fail(Some(line), ImportProblem::UnknownMarket(name.to_owned()));
        };
        if let Some(earlier) = self.rows.iter().find(|row| row.market == market) {
            let first = earlier.line;
            return self.fail(Some(line), ImportProblem::DuplicateMarket { market, first });
        }
        let mut rates: Rates = [None; Category::COUNT];
        for (category, entry) in Category::ALL.into_iter().zip(&mut rates) {
            let column = Column::Rate(category);
            if !self.columns.contains(&column) {
                continue;
            }
            match rate(cell(column)) {
                Ok(None) if REQUIRED.contains(&column) => {
                    self.fail(Some(line), ImportProblem::NoRate { market, category })
                }
                Ok(found) => *entry = found,
                Err(reason) => {
                    let text = cell(column).to_owned();
                    self.fail(
                        Some(line),
                        ImportProblem::BadRate { market, category, text, reason },
                    );
                }
            }
        }
        self.rows.push(RateRow { line, market, rates });
    }

    fn take_currency(&mut self, cell: &str, line: u64) {
        let Some(found) = currency(cell) else {
            return self.fail(Some(line), ImportProblem::UnknownCurrency(cell.to_owned()));
        };
        match &self.currency {
            None => self.currency = Some(found.into()),
            Some(expected) if **expected != *found => {
                let expected = expected.to_string();
                self.fail(
                    Some(line),
                    ImportProblem::MixedCurrency { found: found.to_owned(), expected },
                );
            }
            Some(_) => {}
        }
    }

    fn fail(&mut self, line: Option<u64>, problem: ImportProblem) {
        self.errors.push(ImportError { line, problem });
    }
}

/// Counts lines up to a record. The reader's own count is taken before a record's empty lines and
/// between the two characters of a Windows line end.
struct Lines<'a> {
    text: &'a str,
    counted: usize,
    line: u64,
}

impl Lines<'_> {
    fn of(&mut self, position: Option<&csv::Position>) -> u64 {
        let start = position
            .and_then(|position| usize::try_from(position.byte()).ok())
            .unwrap_or(0)
            .max(self.counted);
        let rest = self.text.as_bytes().get(self.counted..).unwrap_or_default();
        let passed = rest
            .iter()
            .zip(self.counted..)
            .take_while(|(byte, at)| *at < start || matches!(byte, b'\r' | b'\n'));
        for (byte, _) in passed {
            self.counted = self.counted.saturating_add(1);
            self.line = self.line.saturating_add(u64::from(*byte == b'\n'));
        }
        self.line
    }
}

fn is_header(line: &str, separator: char) -> bool {
    let holds = |wanted: Column| {
        line.split(separator)
            .any(|cell| Column::from_header(cell.trim_matches(['"', ' '])) == Some(wanted))
    };
    holds(Column::Market) && holds(Column::Rate(Category::Marketing))
}

fn rate(cell: &str) -> Result<Option<Amount>, BadRate> {
    if cell.is_empty() || cell == "-" || cell.eq_ignore_ascii_case("n/a") {
        return Ok(None);
    }
    if format::has_comma_decimal(cell) {
        return Err(BadRate::Comma);
    }
    let amount: Amount = cell.parse()?;
    match amount.micros() {
        micros if micros < 0 || cell.starts_with('-') => Err(BadRate::Negative),
        micros if micros > MAX_RATE_MICROS => Err(BadRate::TooLarge),
        _ => Ok(Some(amount)),
    }
}

/// The currency a cell names: an ISO 4217 code in any case, one of the older spellings of the US
/// dollar, or `message`.
fn currency(cell: &str) -> Option<&'static str> {
    if ["$US", "US$", "$"].iter().any(|spelling| cell.eq_ignore_ascii_case(spelling)) {
        return Some("USD");
    }
    if cell.eq_ignore_ascii_case(MESSAGE_UNIT) {
        return Some(MESSAGE_UNIT);
    }
    ISO_4217.split_ascii_whitespace().find(|code| cell.eq_ignore_ascii_case(code))
}

/// The currencies in circulation, ISO 4217 list one, without funds, metals and testing codes.
const ISO_4217: &str = "\
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN \
    BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL \
    GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF \
    KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN \
    MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD \
    SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH \
    UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG";

#[cfg(test)]
mod tests;
