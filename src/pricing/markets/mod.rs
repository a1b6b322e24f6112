//! Which country a recipient is in and which of Meta's markets that country belongs to, by date.
//! The tables are data, compiled in.
//!
//! `markets.csv` carries Meta's mapping, one column per date on which it changed; `numbering.csv`
//! adds what Meta's table leaves open: which area codes of +1 are Canadian, which belong to no
//! country, and territories that share a neighbour's calling code.
#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

use std::collections::BTreeSet;
use std::fmt;
use std::sync::LazyLock;

use jiff::civil::Date;
use serde::{Serialize, Serializer};

use super::country::Country;
use super::identity::Identity;
use super::recipient::Recipient;

static BUILTIN: LazyLock<MarketTable> = LazyLock::new(|| {
    let markets = include_str!("../../../config/rates/markets.csv");
    let numbering = include_str!("../../../config/rates/numbering.csv");
    MarketTable::parse(markets, numbering)
        .expect("the compiled-in market table is read by a unit test")
});

/// Countries for which Meta has the same prices; most markets are a single country.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Market(u8);

impl Market {
    /// Meta's name for it, for example `Rest of Asia Pacific`.
    pub fn as_str(self) -> &'static str {
        BUILTIN.names.get(self.position()).map_or("unknown", |name| name)
    }

    /// Its position among all markets, for dense tables.
    pub(super) fn position(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for Market {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Market {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Market {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The country of a recipient; [`MarketTable::market`] returns its market under a given mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// The country, for reports.
    pub country: Country,
    row: u16,
}

/// Which of the dated mappings from country to market applies; a card version keeps the one it was
/// published with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping(usize);

/// The table of countries, their prefixes and their markets.
#[derive(Debug)]
pub struct MarketTable {
    names: Vec<Box<str>>,
    /// The same names as [`normal`] spells them.
    normal_names: Vec<String>,
    /// Ascending dates; the position is that of the market in [`Row::markets`].
    mapping_dates: Vec<Date>,
    rows: Vec<Row>,
    countries: Vec<(Country, Location)>,
    prefixes: PrefixTree,
}

#[derive(Debug, Clone)]
struct Row {
    country: Country,
    name: Box<str>,
    markets: Vec<Market>,
}

impl MarketTable {
    /// The compiled-in table.
    pub fn builtin() -> &'static MarketTable {
        &BUILTIN
    }

    /// The country of a number given as digits, calling code first, by its longest known prefix.
    /// `None` for a prefix in no table and for prefixes of +1 that belong to no country (toll-free
    /// and the like).
    pub fn locate(&self, digits: &str) -> Option<Location> {
        let row = self.prefixes.longest(digits.as_bytes())?;
        self.rows.get(usize::from(row)).map(|found| Location { country: found.country, row })
    }

    /// The country of a business-scoped user id.
    pub fn locate_country(&self, country: Country) -> Option<Location> {
        let at = self.countries.binary_search_by_key(&country, |(country, _)| *country).ok()?;
        self.countries.get(at).map(|(_, location)| *location)
    }

    /// The country of a recipient: by the prefix of its number, which is the same for every
    /// spelling, or by its user id's country code.
    pub fn locate_recipient(&self, recipient: &Recipient) -> Option<Location> {
        match Identity::of(recipient) {
            Identity::Phone(phone) => self.locate(phone.digits()),
            Identity::UserId(user) => self.locate_country(user.country()),
        }
    }

    /// The market of a location under a mapping.
    pub fn market(&self, location: Location, mapping: Mapping) -> Option<Market> {
        self.rows.get(usize::from(location.row))?.markets.get(mapping.0).copied()
    }

    /// The country's name in English.
    pub fn country_name(&self, country: Country) -> Option<&str> {
        let location = self.locate_country(country)?;
        self.rows.get(usize::from(location.row)).map(|row| &*row.name)
    }

    /// The mapping in force for a card version that begins on `date`; `None` before the first.
    pub fn mapping(&self, date: Date) -> Option<Mapping> {
        self.mapping_dates.iter().rposition(|begins| *begins <= date).map(Mapping)
    }

    /// The dates on which the mapping changed, ascending.
    pub fn mapping_dates(&self) -> &[Date] {
        &self.mapping_dates
    }

    /// When a mapping began.
    pub fn mapping_date(&self, mapping: Mapping) -> Option<Date> {
        self.mapping_dates.get(mapping.0).copied()
    }

    /// Every market some country belongs to under `mapping`, in the table's order.
    pub fn markets_in(&self, mapping: Mapping) -> Vec<Market> {
        let used = |market: &Market| {
            self.rows.iter().any(|row| row.markets.get(mapping.0) == Some(market))
        };
        (0..=u8::MAX).map(Market).take(self.names.len()).filter(used).collect()
    }

    /// The markets that countries have under one mapping, each with the one that the same countries
    /// have under another.
    pub(super) fn moves(&self, from: Mapping, to: Mapping) -> BTreeSet<(Market, Market)> {
        let of = |row: &Row| Some((*row.markets.get(from.0)?, *row.markets.get(to.0)?));
        self.rows.iter().filter_map(of).collect()
    }

    /// How many markets the table knows over all its mappings.
    pub(super) fn market_count(&self) -> usize {
        self.names.len()
    }

    /// The market of that name; case and white space (Meta breaks names over lines) do not matter,
    /// nor does `and` for `&`.
    pub fn market_named(&self, name: &str) -> Option<Market> {
        let wanted = normal(name);
        let at = self.normal_names.iter().position(|known| *known == wanted)?;
        u8::try_from(at).ok().map(Market)
    }

    fn parse(markets: &str, numbering: &str) -> Result<MarketTable, String> {
        let mut table = MarketTable {
            names: Vec::new(),
            normal_names: Vec::new(),
            mapping_dates: Vec::new(),
            rows: Vec::new(),
            countries: Vec::new(),
            prefixes: PrefixTree::new(),
        };
        table.read_markets(markets).map_err(|error| format!("markets.csv: {error}"))?;
        table.read_numbering(numbering).map_err(|error| format!("numbering.csv: {error}"))?;
        table.countries.sort_by_key(|(country, _)| *country);
        Ok(table)
    }

    /// Columns: prefix, iso2, country, then one `market_from_YYYY_MM_DD` per mapping, then notes.
    fn read_markets(&mut self, text: &str) -> Result<(), String> {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header = reader.headers().map_err(|error| error.to_string())?.clone();
        let mut columns = Vec::new();
        for (at, name) in header.iter().enumerate() {
            if let Some(date) = name.strip_prefix("market_from_") {
                let date =
                    date.replace('_', "-").parse::<Date>().map_err(|error| error.to_string())?;
                columns.push((date, at));
            }
        }
        columns.sort_unstable();
        self.mapping_dates = columns.iter().map(|(date, _)| *date).collect();
        for record in reader.records() {
            let record = record.map_err(|error| error.to_string())?;
            let cell = |at: usize| record.get(at).unwrap_or_default();
            let mut markets = Vec::with_capacity(columns.len());
            for (_, at) in &columns {
                markets.push(self.intern(cell(*at))?);
            }
            let country = cell(1).parse().map_err(|error| format!("{}: {error}", cell(1)))?;
            let row = self.add_row(Row { country, name: cell(2).into(), markets })?;
            self.prefixes.insert(cell(0), Some(row))?;
        }
        Ok(())
    }

    /// Columns: prefix (empty: no number leads to this country), iso2 (empty: the prefix belongs
    /// to no country), country, `priced_as` (a prefix whose markets it shares, or `other`), note. A
    /// row replaces an earlier one about the same country.
    fn read_numbering(&mut self, text: &str) -> Result<(), String> {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        for record in reader.records() {
            let record = record.map_err(|error| error.to_string())?;
            let cell = |at: usize| record.get(at).unwrap_or_default();
            if cell(1).is_empty() {
                self.prefixes.insert(cell(0), None)?;
                continue;
            }
            let markets = if cell(3) == "other" {
                let other = self.market_named("Other").ok_or("there is no market Other")?;
                vec![other; self.mapping_dates.len()]
            } else {
                let like =
                    self.prefixes.exact(cell(3)).and_then(|row| self.rows.get(usize::from(row)));
                like.ok_or_else(|| format!("no country has the prefix {:?}", cell(3)))?
                    .markets
                    .clone()
            };
            let country = cell(1).parse().map_err(|error| format!("{}: {error}", cell(1)))?;
            self.countries.retain(|(known, _)| *known != country);
            let row = self.add_row(Row { country, name: cell(2).into(), markets })?;
            if !cell(0).is_empty() {
                self.prefixes.insert(cell(0), Some(row))?;
            }
        }
        Ok(())
    }

    fn add_row(&mut self, row: Row) -> Result<u16, String> {
        let at = u16::try_from(self.rows.len()).map_err(|_| "too many rows")?;
        if !self.countries.iter().any(|(known, _)| *known == row.country) {
            self.countries.push((row.country, Location { country: row.country, row: at }));
        }
        self.rows.push(row);
        Ok(at)
    }

    fn intern(&mut self, name: &str) -> Result<Market, String> {
        if name.trim().is_empty() {
            return Err("a market without a name".to_owned());
        }
        let at = self.names.iter().position(|known| &**known == name).unwrap_or(self.names.len());
        if at == self.names.len() {
            self.names.push(name.into());
            self.normal_names.push(normal(name));
        }
        u8::try_from(at).map(Market).map_err(|_| "too many markets".to_owned())
    }
}

fn normal(name: &str) -> String {
    let words: Vec<String> =
        name.replace('&', " and ").split_whitespace().map(str::to_lowercase).collect();
    words.join(" ")
}

/// Digits to rows, one step per digit: a lookup touches as many small nodes as the longest prefix
/// has digits and allocates nothing.
#[derive(Debug)]
struct PrefixTree {
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    /// 0 is no child: the root is never a child.
    children: [u16; 10],
    entry: Option<Entry>,
}

/// `None` ends the search: this prefix belongs to no country although a shorter one does.
type Entry = Option<u16>;

impl PrefixTree {
    fn new() -> PrefixTree {
        PrefixTree { nodes: vec![Node { children: [0; 10], entry: None }] }
    }

    fn insert(&mut self, prefix: &str, entry: Entry) -> Result<(), String> {
        let mut at = 0usize;
        for byte in prefix.bytes() {
            let digit = digit(byte).ok_or_else(|| format!("{prefix:?} is no prefix"))?;
            let fresh = self.nodes.len();
            let child = self
                .nodes
                .get_mut(at)
                .and_then(|node| node.children.get_mut(digit))
                .ok_or("a node without children")?;
            if *child == 0 {
                *child = u16::try_from(fresh).map_err(|_| "too many prefixes")?;
            }
            at = usize::from(*child);
            if at == fresh {
                self.nodes.push(Node { children: [0; 10], entry: None });
            }
        }
        let node = self.nodes.get_mut(at).filter(|_| at != 0).ok_or("an empty prefix")?;
        if node.entry.replace(entry).is_some() {
            return Err(format!("the prefix {prefix} is given twice"));
        }
        Ok(())
    }

    fn longest(&self, digits: &[u8]) -> Option<u16> {
        let mut node = self.nodes.first()?;
        let mut found = None;
        for byte in digits {
            let Some(child) = digit(*byte)
                .and_then(|digit| node.children.get(digit))
                .filter(|child| **child != 0)
            else {
                break;
            };
            node = self.nodes.get(usize::from(*child))?;
            found = node.entry.unwrap_or(found);
        }
        found
    }

    fn exact(&self, prefix: &str) -> Entry {
        let mut node = self.nodes.first()?;
        for byte in prefix.bytes() {
            let child = digit(byte)
                .and_then(|digit| node.children.get(digit))
                .filter(|child| **child != 0)?;
            node = self.nodes.get(usize::from(*child))?;
        }
        node.entry.flatten()
    }
}

fn digit(byte: u8) -> Option<usize> {
    char::from(byte).to_digit(10).and_then(|digit| usize::try_from(digit).ok())
}

#[cfg(test)]
mod tests;
