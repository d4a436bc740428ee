//! Today and this month in the configured time zone.

use std::ops::Range;

use jiff::{Timestamp, ToSpan, ZonedDateTime, tz::TimeZone};
use parking_lot::RwLock;

use super::Volume;
use crate::batch::VolumePart;

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
    pub(crate) fn day(self) -> Range<i64> {
        self.day_ms..self.next_day_ms
    }

    pub(crate) fn month(self) -> Range<i64> {
        self.month_ms..self.next_month_ms
    }

    /// The day and the month that hold an instant.
    pub(crate) fn around(now: Timestamp, zone: &TimeZone) -> Self {
        let local = now.to_zoned_datetime(zone.clone());
        let day = local.start_of_day();
        let month = local.first_of_month().and_then(|first| first.start_of_day());
        // It fails only at the far ends of the calendar.
        let (Ok(day), Ok(month)) = (day, month) else { return Self::default() };
        // A day may begin at one o'clock, where the hour before it is left out; the
        // next one does not.
        let after = |start: &ZonedDateTime, span: jiff::Span| {
            let next = start.checked_add(span).and_then(|next| next.start_of_day());
            next.map_or(i64::MAX, |next| next.timestamp().as_millisecond())
        };
        Self {
            day_ms: day.timestamp().as_millisecond(),
            next_day_ms: after(&day, 1.day()),
            month_ms: month.timestamp().as_millisecond(),
            next_month_ms: after(&month, 1.month()),
        }
    }
}

/// The volume of a day or a month, which begins anew with each.
#[derive(Debug, Clone, Default)]
pub(super) struct Running {
    span: Range<i64>,
    volume: Volume,
    /// What is of the next one: an agent's clock may be ahead of ours.
    next: Volume,
}

impl Running {
    pub(super) fn new(span: Range<i64>, volume: Volume) -> Self {
        Self { span, volume, next: Volume::default() }
    }

    /// Adds what came into a bucket while a span is the present one.
    pub(super) fn add(&mut self, span: Range<i64>, bucket_ms: i64, part: &VolumePart) {
        if self.span != span {
            let volume = self.at(span.start);
            *self = Self::new(span, volume);
        }
        if self.span.contains(&bucket_ms) {
            self.volume.add(part.up, part.down);
        } else if bucket_ms >= self.span.end {
            self.next.add(part.up, part.down);
        }
    }

    /// The volume of the span that begins at an instant, Unix milliseconds.
    pub(super) fn at(&self, begin_ms: i64) -> Volume {
        if begin_ms == self.span.start {
            self.volume
        } else if begin_ms == self.span.end {
            self.next
        } else {
            Volume::default()
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
    fn a_day_without_midnight_ends_at_the_next_one() {
        let zone = TimeZone::get("Africa/Cairo").unwrap();
        let of = |text: &str| Spans::around(text.parse().unwrap(), &zone);
        let (short, next) = (of("2026-04-24T12:00:00+03:00"), of("2026-04-25T12:00:00+03:00"));
        assert_eq!(short.next_day_ms - short.day_ms, 23 * 3_600_000);
        assert_eq!(short.next_day_ms, next.day_ms);
        let periods = Periods::new(zone);
        let noon = periods.at("2026-04-24T12:00:00+03:00".parse().unwrap());
        let mut today = Running::default();
        let part = VolumePart { up: 5, down: 7, ..VolumePart::default() };
        today.add(noon.day(), noon.day_ms, &part);
        // The first hour of the next day is of that day.
        let after = periods.at("2026-04-25T00:30:00+03:00".parse().unwrap());
        assert_eq!(today.at(after.day_ms), Volume::default());
        today.add(after.day(), after.day_ms, &part);
        let later = periods.at("2026-04-25T01:30:00+03:00".parse().unwrap());
        assert_eq!(today.at(later.day_ms), Volume { up_bytes: 5, down_bytes: 7 });
    }

    #[test]
    fn what_a_clock_ahead_of_ours_sends_before_midnight_belongs_to_the_next_day() {
        let (monday, tuesday) = (0..100, 100..200);
        let part = |up| VolumePart { up, ..VolumePart::default() };
        let mut running = Running::new(monday.clone(), Volume { up_bytes: 5, down_bytes: 0 });
        running.add(monday.clone(), 99, &part(1));
        running.add(monday, 100, &part(20));
        assert_eq!((running.at(0).up_bytes, running.at(100).up_bytes), (6, 20));
        running.add(tuesday.clone(), 100, &part(300));
        // Late, of the day before.
        running.add(tuesday, 99, &part(4000));
        assert_eq!((running.at(100).up_bytes, running.at(200).up_bytes), (320, 0));
        running.add(500..600, 500, &part(1));
        assert_eq!(running.at(500).up_bytes, 1);
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
