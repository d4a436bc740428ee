//! Today and this month in the configured time zone.

use jiff::{Timestamp, ToSpan, ZonedDateTime, tz::TimeZone};
use parking_lot::RwLock;

/// Where today and this month begin and end, Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::struct_field_names, reason = "the unit belongs to each of them")]
pub(crate) struct Spans {
    pub(crate) day_ms: i64,
    pub(crate) next_day_ms: i64,
    pub(crate) month_ms: i64,
    pub(crate) next_month_ms: i64,
}

impl Spans {
    /// The day and the month that hold an instant.
    pub(crate) fn around(now: Timestamp, zone: &TimeZone) -> Self {
        let local = now.to_zoned_datetime(zone.clone());
        let day = local.start_of_day();
        let month = local.first_of_month().and_then(|first| first.start_of_day());
        // It fails only at the far ends of the calendar.
        let (Ok(day), Ok(month)) = (day, month) else { return Self::default() };
        let after = |start: &ZonedDateTime, span: jiff::Span| {
            start.checked_add(span).map_or(i64::MAX, |next| next.timestamp().as_millisecond())
        };
        Self {
            day_ms: day.timestamp().as_millisecond(),
            next_day_ms: after(&day, 1.day()),
            month_ms: month.timestamp().as_millisecond(),
            next_month_ms: after(&month, 1.month()),
        }
    }
}

/// Remembers the spans, which change once a day and are asked for with every
/// request.
#[derive(Debug)]
pub(super) struct Periods {
    zone: TimeZone,
    known: RwLock<Spans>,
}

impl Periods {
    pub(super) fn new(zone: TimeZone) -> Self {
        Self { zone, known: RwLock::default() }
    }

    pub(super) fn zone(&self) -> &TimeZone {
        &self.zone
    }

    pub(super) fn at(&self, now: Timestamp) -> Spans {
        let known = *self.known.read();
        if (known.day_ms..known.next_day_ms).contains(&now.as_millisecond()) {
            return known;
        }
        let fresh = Spans::around(now, &self.zone);
        *self.known.write() = fresh;
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_23_hours_and_a_month_of_30_days() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let hours = |text: &str| {
            let spans = Spans::around(text.parse().unwrap(), &zone);
            let day = (spans.next_day_ms - spans.day_ms) / 3_600_000;
            (day, (spans.next_month_ms - spans.month_ms) / 3_600_000)
        };
        assert_eq!(hours("2026-03-29T12:00:00Z"), (23, 31 * 24 - 1));
        assert_eq!(hours("2026-10-25T12:00:00Z"), (25, 31 * 24 + 1));
        assert_eq!(hours("2026-11-23T12:00:00Z"), (24, 30 * 24));
    }

    #[test]
    fn spans_are_taken_anew_when_the_day_is_over() {
        let periods = Periods::new(TimeZone::UTC);
        let first = periods.at("2026-11-30T23:59:59Z".parse().unwrap());
        let next = periods.at("2026-12-01T00:00:00Z".parse().unwrap());
        assert_eq!(next.day_ms, first.next_day_ms);
        assert_eq!(next.month_ms, first.next_month_ms);
    }
}
