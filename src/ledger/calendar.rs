//! Days and months of a time zone as spans of milliseconds, so that the ledger can book on the
//! right side of midnight.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::CalendarSpan;

impl CalendarSpan {
    /// The day of `now_ms` in a zone; its index is days since 1970-01-01.
    pub fn day(zone: &TimeZone, now_ms: i64) -> CalendarSpan {
        let today = date_at(zone, now_ms);
        CalendarSpan {
            index: day_index(today),
            start_ms: midnight_ms(zone, today),
            end_ms: midnight_ms(zone, today.tomorrow().unwrap_or(today)),
        }
    }

    /// The calendar month of `now_ms` in a zone; its index is year x 12 + month, January being 0.
    pub fn month(zone: &TimeZone, now_ms: i64) -> CalendarSpan {
        let first = date_at(zone, now_ms).first_of_month();
        let next = first.last_of_month().tomorrow().unwrap_or(first);
        let index = i32::from(first.year()) * 12 + i32::from(first.month()) - 1;
        CalendarSpan { index, start_ms: midnight_ms(zone, first), end_ms: midnight_ms(zone, next) }
    }
}

/// The civil date at a Unix millisecond.
pub fn date_at(zone: &TimeZone, now_ms: i64) -> Date {
    zone.to_datetime(Timestamp::from_millisecond(now_ms).unwrap_or(Timestamp::UNIX_EPOCH)).date()
}

/// The day of a Unix millisecond in UTC, as days since 1970-01-01.
pub const fn utc_day(now_ms: i64) -> i64 {
    now_ms.div_euclid(86_400_000)
}

/// Days since 1970-01-01.
pub fn day_index(date: Date) -> i32 {
    date.since(Date::constant(1970, 1, 1)).map_or(0, |span| span.get_days())
}

/// The date of a day index.
pub fn date_of(day_index: i32) -> Date {
    let epoch = Date::constant(1970, 1, 1);
    epoch.checked_add(jiff::SignedDuration::from_hours(i64::from(day_index) * 24)).unwrap_or(epoch)
}

/// The first millisecond of a date in a zone (days may begin later than 00:00 if clocks change
/// at midnight).
pub fn midnight_ms(zone: &TimeZone, date: Date) -> i64 {
    date.to_zoned(zone.clone()).map_or(0, |midnight| midnight.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::{CalendarSpan, date_of, day_index};
    use jiff::civil::Date;
    use jiff::tz::TimeZone;

    #[test]
    fn days_and_months_begin_at_local_midnight() {
        let zone = TimeZone::get("Asia/Kolkata").expect("a zone of the bundled database");
        let before = 1_790_793_000_000 - 1; // 2026-09-30T23:59:59.999+05:30
        let after = before + 1;
        assert_eq!(CalendarSpan::day(&zone, before).end_ms, after);
        assert_eq!(CalendarSpan::day(&zone, after).start_ms, after);
        assert_eq!(
            CalendarSpan::day(&zone, before).index + 1,
            CalendarSpan::day(&zone, after).index
        );
        assert_eq!(CalendarSpan::month(&zone, before).index, 2026 * 12 + 8);
        assert_eq!(CalendarSpan::month(&zone, after).start_ms, after);
        assert_eq!(CalendarSpan::month(&zone, before).index_at(after), 2026 * 12 + 9);
    }

    #[test]
    fn day_indexes_count_from_1970() {
        for date in
            [Date::constant(1970, 1, 1), Date::constant(2026, 11, 21), Date::constant(2028, 2, 29)]
        {
            assert_eq!(date_of(day_index(date)), date);
        }
        assert_eq!(day_index(Date::constant(2026, 11, 21)), 20_778);
    }
}
