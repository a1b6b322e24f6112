//! What Meta charges for, by date: whether service messages cost something, how many of them are
//! free, and whether utility templates are free while the service window is open.
#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

use jiff::civil::Date;

use super::start::{Dated, StartDate};

/// The rules in force from one date on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRow {
    start: StartDate,
    /// Whether service messages cost the utility rate (or the card's own service rate).
    pub service_charged: bool,
    /// How many service messages of each channel and calendar month (of the WABA's zone) are free
    /// although service is charged.
    ///
    /// That the month is the WABA's is an assumption: Meta does not name the zone in which the
    /// allowance starts anew.
    pub free_service_messages: u32,
    /// Whether a utility template costs something while the recipient's service window is open.
    pub utility_charged_in_open_window: bool,
}

impl Dated for PolicyRow {
    fn start(&self) -> StartDate {
        self.start
    }
}

/// The compiled-in rows, ascending.
pub fn builtin() -> Vec<PolicyRow> {
    parse(include_str!("../../config/rates/policy.csv"))
        .expect("the compiled-in policy rows are read by a unit test")
}

/// Columns: effective, service (`free` or `charged`), free_service_messages, utility_in_open_window
/// (`free` or `charged`), note.
fn parse(text: &str) -> Result<Vec<PolicyRow>, String> {
    let mut rows: Vec<PolicyRow> = Vec::new();
    for record in csv::Reader::from_reader(text.as_bytes()).records() {
        let record = record.map_err(|error| error.to_string())?;
        let cell = |at: usize| record.get(at).unwrap_or_default();
        let date: Date = cell(0).parse().map_err(|error| format!("{}: {error}", cell(0)))?;
        if rows.last().is_some_and(|last| last.start.date() >= date) {
            return Err(format!("{date} does not follow the row before"));
        }
        rows.push(PolicyRow {
            start: StartDate::new(date),
            service_charged: is_charged(cell(1))?,
            free_service_messages: cell(2)
                .parse()
                .map_err(|error| format!("{}: {error}", cell(2)))?,
            utility_charged_in_open_window: is_charged(cell(3))?,
        });
    }
    Ok(rows)
}

fn is_charged(text: &str) -> Result<bool, String> {
    match text {
        "charged" => Ok(true),
        "free" => Ok(false),
        other => Err(format!("{other:?} is neither \"free\" nor \"charged\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::{builtin, parse};

    #[test]
    fn both_ages_are_there() {
        let rows = builtin();
        let seen: Vec<_> = rows
            .iter()
            .map(|row| {
                (
                    row.start.date().to_string(),
                    row.service_charged,
                    row.free_service_messages,
                    row.utility_charged_in_open_window,
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("2025-07-01".to_owned(), false, 0, false),
                ("2026-10-01".to_owned(), true, 1000, true)
            ]
        );
    }

    #[test]
    fn mistakes_are_named() {
        let header = "effective,service,free_service_messages,utility_in_open_window,note\n";
        for row in [
            "2026-13-01,free,0,free,",
            "2026-10-01,maybe,0,free,",
            "2026-10-01,free,-1,free,",
            "2026-10-01,free,0,,",
        ] {
            assert!(parse(&format!("{header}{row}\n")).is_err(), "{row}");
        }
        assert!(
            parse(&format!("{header}2026-10-01,free,0,free,\n2026-10-01,free,0,free,\n")).is_err()
        );
    }
}
