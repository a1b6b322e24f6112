//! When a dated row begins: at midnight of its date in a WABA's own time zone, so the same row
//! begins at different instants for different WABAs.
#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// No zone is further from UTC than this, so beyond it the zone's rules need no lookup.
const WIDEST_OFFSET_MS: i64 = 26 * 3_600_000;

/// The date from which a card version or a policy row is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StartDate {
    date: Date,
    utc_midnight_ms: i64,
}

impl StartDate {
    /// In force from the first instant of `date`.
    pub fn new(date: Date) -> StartDate {
        StartDate { date, utc_midnight_ms: midnight_ms(date, &TimeZone::UTC) }
    }

    /// The calendar date, without a zone.
    pub const fn date(self) -> Date {
        self.date
    }

    /// The first instant of the date in `zone`, in Unix milliseconds. If the clock skips
    /// midnight, it is the instant of the skip.
    pub fn begins_ms(self, zone: &TimeZone) -> i64 {
        midnight_ms(self.date, zone)
    }

    /// Whether the date has begun in `zone` at `at_ms`.
    pub fn has_begun(self, at_ms: i64, zone: &TimeZone) -> bool {
        if at_ms >= self.utc_midnight_ms.saturating_add(WIDEST_OFFSET_MS) {
            true
        } else if at_ms < self.utc_midnight_ms.saturating_sub(WIDEST_OFFSET_MS) {
            false
        } else {
            at_ms >= self.begins_ms(zone)
        }
    }

    /// Whether the date may already have begun somewhere on Earth at `at_ms`.
    pub fn may_have_begun(self, at_ms: i64) -> bool {
        at_ms >= self.utc_midnight_ms.saturating_sub(WIDEST_OFFSET_MS)
    }
}

/// A row that is in force from a date until the next row's.
pub trait Dated {
    /// When the row begins.
    fn start(&self) -> StartDate;
}

/// The row in force at `at_ms` in `zone`, out of rows in ascending order of their dates, and when
/// the next one begins (`i64::MAX` if none is known).
pub fn in_force<'a, T: Dated>(rows: &'a [T], at_ms: i64, zone: &TimeZone) -> (Option<&'a T>, i64) {
    let mut next_ms = i64::MAX;
    for row in rows.iter().rev() {
        if row.start().has_begun(at_ms, zone) {
            return (Some(row), next_ms);
        }
        next_ms = row.start().begins_ms(zone);
    }
    (None, next_ms)
}

fn midnight_ms(date: Date, zone: &TimeZone) -> i64 {
    // Only dates at the edge of what jiff can represent fail; they are so far away that they never
    // begin.
    zone.to_timestamp(date.at(0, 0, 0, 0)).map_or(i64::MAX, Timestamp::as_millisecond)
}

/// The calendar month of an instant in a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Month {
    /// `year * 12 + (month - 1)`.
    pub number: i32,
    /// When the next month begins, in Unix milliseconds.
    pub end_ms: i64,
}

impl Month {
    /// The month at `at_ms` in `zone`; `None` if the instant is beyond the calendar (years -9999
    /// to 9999).
    pub fn at(at_ms: i64, zone: &TimeZone) -> Option<Month> {
        let date = zone.to_datetime(Timestamp::from_millisecond(at_ms).ok()?).date();
        let next = date.last_of_month().tomorrow().ok()?;
        let number = i32::from(date.year())
            .saturating_mul(12)
            .saturating_add(i32::from(date.month()).saturating_sub(1));
        Some(Month { number, end_ms: midnight_ms(next, zone) })
    }
}

#[cfg(test)]
mod tests {
    use super::{Month, StartDate};
    use jiff::Timestamp;
    use jiff::civil::date;
    use jiff::tz::TimeZone;

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn check(zone: &str, midnight: &str) {
        let zone = TimeZone::posix(zone).unwrap();
        let start = StartDate::new(date(2026, 10, 1));
        assert_eq!(start.begins_ms(&zone), ms(midnight));
        assert!(start.has_begun(ms(midnight), &zone));
        assert!(!start.has_begun(ms(midnight).saturating_sub(1), &zone));
        assert!(start.has_begun(i64::MAX, &zone));
        assert!(!start.has_begun(i64::MIN, &zone));
        assert!(start.may_have_begun(ms(midnight)));
    }

    #[test]
    fn a_date_begins_at_its_own_midnight() {
        check("UTC0", "2026-10-01T00:00:00Z");
        check("IST-5:30", "2026-09-30T18:30:00Z");
        check("PST8PDT,M3.2.0,M11.1.0", "2026-10-01T07:00:00Z");
        check("<+14>-14", "2026-09-30T10:00:00Z");
        check("<-12>12", "2026-10-01T12:00:00Z");
        // A made-up zone whose clock skips from midnight to one on that very day.
        check("XST-1XDT,J274/0,J330/0", "2026-09-30T23:00:00Z");
    }

    #[test]
    fn a_month_ends_at_the_zones_midnight() {
        let zone = TimeZone::posix("PST8PDT,M3.2.0,M11.1.0").unwrap();
        let december = Month::at(ms("2027-01-01T07:59:59Z"), &zone).unwrap();
        assert_eq!(december, Month { number: 2026 * 12 + 11, end_ms: ms("2027-01-01T08:00:00Z") });
        // November loses daylight saving in its first days, so it is an hour longer than its first
        // instant suggests.
        assert_eq!(
            Month::at(ms("2026-11-01T07:00:00Z"), &zone).unwrap().end_ms,
            ms("2026-12-01T08:00:00Z")
        );
        assert_eq!(Month::at(i64::MAX, &zone), None);
    }
}
