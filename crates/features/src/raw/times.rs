//! Dates, timestamps, times of day and durations, written as text.
//!
//! All become seconds: since the beginning of 1970, since midnight, or as long as they last. Text without a zone is
//! taken as it stands, as a file that knows types keeps it.

use jiff::civil::{Date, DateTime, Time};
use jiff::{Span, SpanRelativeTo, Timestamp, Unit};

use super::cells::TimeKind;

const NANOS: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * NANOS;

/// Nanoseconds as seconds. One function for every format, so that the same instant has the same bits.
#[expect(clippy::cast_precision_loss, reason = "seconds have 53 bits, as every number of a table")]
pub fn seconds(nanos: i128) -> f64 {
    (nanos / NANOS) as f64 + (nanos % NANOS) as f64 / 1e9
}

/// Reads a cell as a time, if it is one in the form that programs write: ISO 8601, or pandas' durations.
pub(super) fn parse(cell: &str) -> Option<(TimeKind, f64)> {
    let cell = cell.trim();
    let bytes = cell.as_bytes();
    let is_digit = |idx: usize| bytes.get(idx).is_some_and(u8::is_ascii_digit);
    // The readers of the library take more than programs write, such as digits alone.
    if bytes.get(4) == Some(&b'-') && bytes.get(7) == Some(&b'-') && is_digit(0) {
        return date(cell);
    }
    if let Some(nanos) = clock(cell) {
        let is_of_day = bytes.get(2) == Some(&b':') && nanos < DAY;
        let kind = if is_of_day { TimeKind::OfDay } else { TimeKind::Duration };
        return Some((kind, seconds(nanos)));
    }
    let unsigned = cell.strip_prefix(['-', '+']).unwrap_or(cell);
    if unsigned.starts_with('P') {
        let span: Span = cell.parse().ok()?;
        if span.get_years() != 0 || span.get_months() != 0 {
            return None;
        }
        let days = SpanRelativeTo::days_are_24_hours();
        return Some((TimeKind::Duration, span.total((Unit::Second, days)).ok()?));
    }
    days(cell).map(|nanos| (TimeKind::Duration, seconds(nanos)))
}

fn date(cell: &str) -> Option<(TimeKind, f64)> {
    if cell.len() == 10 {
        let date: Date = cell.parse().ok()?;
        return Some((TimeKind::Date, seconds(since_1970(date.to_datetime(Time::midnight())))));
    }
    // A time with a zone first: the reader of times without one passes over it.
    if let Ok(instant) = cell.parse::<Timestamp>() {
        return Some((TimeKind::Instant, seconds(instant.as_nanosecond())));
    }
    let has_zone = cell.get(10..).is_none_or(|it| it.contains(['+', '-', '[', 'Z', 'z']));
    let time: DateTime = cell.parse().ok().filter(|_| !has_zone)?;
    Some((TimeKind::Timestamp, seconds(since_1970(time))))
}

fn since_1970(time: DateTime) -> i128 {
    time.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0)).as_nanos()
}

/// A duration as pandas and DuckDB write it: `1 days 02:03:04.5`, `-1 days +23:59:59`, `1 day 02:00:00`, `2 days`.
fn days(cell: &str) -> Option<i128> {
    let (days, rest) = cell.split_once(" day")?;
    let days: i64 = days.parse().ok()?;
    let time = rest.strip_prefix('s').unwrap_or(rest).trim_start();
    let of_day = if time.is_empty() { 0 } else { clock(time)? };
    Some(i128::from(days) * DAY + of_day)
}

/// Hours, minutes and seconds as nanoseconds: `02:03:04.5`, `26:00:00`, `+23:59:59`, `12:30`.
fn clock(text: &str) -> Option<i128> {
    let (is_negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let number = |text: &str, width: usize| -> Option<i128> {
        let is_number = text.len() >= 2 && text.bytes().all(|it| it.is_ascii_digit());
        if is_number && text.len() <= width { text.parse().ok() } else { None }
    };
    let (hours, rest) = text.split_once(':')?;
    let (minutes, of_minute) = rest.split_once(':').unwrap_or((rest, "00"));
    let (whole, part) = of_minute.split_once('.').unwrap_or((of_minute, "0"));
    let (minutes, whole) = (number(minutes, 2)?, number(whole, 2)?);
    if 59 < minutes || 59 < whole || part.is_empty() || 9 < part.len() {
        return None;
    }
    let is_digits = part.bytes().all(|it| it.is_ascii_digit());
    let part: i128 = if is_digits { format!("{part:0<9}").parse().ok()? } else { return None };
    let nanos = ((number(hours, 9)? * 60 + minutes) * 60 + whole) * NANOS + part;
    Some(if is_negative { -nanos } else { nanos })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_write_is_read() {
        let check = |cell: &str, kind: TimeKind, seconds: f64| {
            assert_eq!(parse(cell), Some((kind, seconds)), "`{cell}`");
        };
        check("1970-01-02", TimeKind::Date, 86_400.0);
        check(" 1969-12-31 ", TimeKind::Date, -86_400.0);
        check("1970-01-01 00:00:01", TimeKind::Timestamp, 1.0);
        check("1970-01-01T00:00:01.500000", TimeKind::Timestamp, 1.5);
        check("1970-01-01 00:00:00.000000001", TimeKind::Timestamp, 1e-9);
        check("1970-01-01 01:00:00+01:00", TimeKind::Instant, 0.0);
        check("1970-01-01T00:00:02.000000+0000", TimeKind::Instant, 2.0);
        check("1970-01-01 00:00:02+00", TimeKind::Instant, 2.0);
        check("1970-01-01T00:00:03Z", TimeKind::Instant, 3.0);
        check("00:01:00", TimeKind::OfDay, 60.0);
        check("23:59:59.25", TimeKind::OfDay, 86_399.25);
        check("0 days 00:01:00", TimeKind::Duration, 60.0);
        check("1 days 02:00:00.500000", TimeKind::Duration, 93_600.5);
        check("-1 days +23:59:59", TimeKind::Duration, -1.0);
        check("1 day 02:00:00", TimeKind::Duration, 93_600.0);
        check("26:00:00", TimeKind::Duration, 93_600.0);
        check("12:30", TimeKind::OfDay, 45_000.0);
        check("PT1M", TimeKind::Duration, 60.0);
        check("P1DT2H", TimeKind::Duration, 93_600.0);
        check("-PT0.5S", TimeKind::Duration, -0.5);
    }

    #[test]
    fn what_is_no_time_is_none() {
        for cell in [
            "",
            "20260102",
            "2026",
            "P",
            "Private",
            "12-34-56",
            "2026-13-01",
            "1:30",
            "7 days ago",
            "PM",
            "99:99:99",
        ] {
            assert_eq!(parse(cell), None, "`{cell}`");
        }
    }
}
