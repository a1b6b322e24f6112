//! The time that tests begin at, and spans of it.

use tollgate::ledger::CalendarSpan;

/// 2026-11-21 12:00 UTC, under the rates and rules of October 2026. A fixed clock makes prices and
/// windows the same on every day.
pub const NOON_MS: i64 = 1_795_262_400_000;

/// 2026-10-15 08:00:00 UTC, the first millisecond of a minute: the beginning of every ledger case.
/// Its scripts count spans from here to the end of the day (16h) and of a month of 31 days.
pub const CASE_START_MS: i64 = 1_792_051_200_000;

pub const SECOND: i64 = 1000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// The UTC day that holds at `at_ms`.
pub fn day(at_ms: i64) -> CalendarSpan {
    let index = at_ms.div_euclid(DAY);
    CalendarSpan {
        index: i32::try_from(index).unwrap(),
        start_ms: index * DAY,
        end_ms: (index + 1) * DAY,
    }
}

/// The UTC month that holds at `at_ms`.
pub fn month(at_ms: i64) -> CalendarSpan {
    let date =
        jiff::Timestamp::from_millisecond(at_ms).unwrap().to_zoned(jiff::tz::TimeZone::UTC).date();
    let start_of = |date: jiff::civil::Date| {
        date.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_millisecond()
    };
    let first = date.first_of_month();
    CalendarSpan {
        index: i32::from(date.year()) * 12 + i32::from(date.month()) - 1,
        start_ms: start_of(first),
        end_ms: start_of(first.checked_add(jiff::Span::new().months(1)).unwrap()),
    }
}
