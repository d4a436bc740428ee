//! Periods of a time zone's calendar: days of 23 and 25 hours, ISO weeks,
//! months and years.

use jiff::{Span, Timestamp, ToSpan, ZonedDateTime, civil::Weekday, tz::TimeZone};

use super::Range;

/// A kind of period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Calendar {
    /// From full hour to full hour.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// A calendar month.
    Month,
    /// A calendar year.
    Year,
}

/// Periods that no question needs more of.
const MAX_PERIODS: usize = 100_000;

impl Calendar {
    /// The periods that a range touches, oldest first, each with begin and end.
    pub fn periods(self, range: Range, zone: &TimeZone) -> Vec<(Timestamp, Timestamp)> {
        if self == Self::Hour {
            return hours(range, zone);
        }
        let begin = self.begin(&range.from.to_zoned_datetime(zone.clone()));
        let Some(begin) = begin else { return Vec::new() };
        let starts = (0_i64..).map_while(|n| begin.checked_add(self.span(n)).ok());
        let mut periods = Vec::new();
        let mut start: Option<Timestamp> = None;
        for next in
            starts.map(|zoned| zoned.start_of_day().map_or(zoned.timestamp(), |z| z.timestamp()))
        {
            if let Some(start) = start {
                periods.push((start, next));
            }
            if next >= range.to || periods.len() > MAX_PERIODS {
                break;
            }
            start = Some(next);
        }
        periods
    }

    /// The begin of the period that holds an instant.
    fn begin(self, at: &ZonedDateTime) -> Option<ZonedDateTime> {
        let day = match self {
            Self::Hour | Self::Day => at.clone(),
            Self::Week if at.weekday() == Weekday::Monday => at.clone(),
            Self::Week => at.nth_weekday(-1, Weekday::Monday).ok()?,
            Self::Month => at.first_of_month().ok()?,
            Self::Year => at.first_of_year().ok()?,
        };
        day.start_of_day().ok()
    }

    fn span(self, count: i64) -> Span {
        match self {
            Self::Hour => count.hours(),
            Self::Day => count.days(),
            Self::Week => count.weeks(),
            Self::Month => count.months(),
            Self::Year => count.years(),
        }
    }
}

/// Hours begin where the zone's clock shows a full hour, which is not the full
/// hour of UTC everywhere.
fn hours(range: Range, zone: &TimeZone) -> Vec<(Timestamp, Timestamp)> {
    let offset_ms = i64::from(zone.to_offset(range.from).seconds()) * 1000;
    let shifted = |at: Timestamp| at.as_millisecond() + offset_ms;
    let first = crate::bucket::bucket_of(shifted(range.from), crate::bucket::HOUR_MS) - offset_ms;
    steps(first, range.to.as_millisecond(), crate::bucket::HOUR_MS)
}

/// Periods of a fixed length, cut in UTC.
pub(super) fn fixed(range: Range, length_ms: i64) -> Vec<(Timestamp, Timestamp)> {
    let first = crate::bucket::bucket_of(range.from.as_millisecond(), length_ms);
    steps(first, range.to.as_millisecond(), length_ms)
}

fn steps(first_ms: i64, to_ms: i64, length_ms: i64) -> Vec<(Timestamp, Timestamp)> {
    let at = |ms| Timestamp::from_millisecond(ms).unwrap_or_default();
    (0..)
        .map(|n| first_ms + n * length_ms)
        .take_while(|&start| start < to_ms)
        .take(MAX_PERIODS)
        .map(|start| (at(start), at(start + length_ms)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn periods(unit: Calendar, from: &str, to: &str) -> Vec<String> {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let range = Range::new(from.parse().unwrap(), to.parse().unwrap()).unwrap();
        let show = |(start, end): (Timestamp, Timestamp)| format!("{start} {end}");
        unit.periods(range, &zone).into_iter().map(show).collect()
    }

    #[test]
    fn days_of_23_and_25_hours() {
        assert_eq!(
            periods(Calendar::Day, "2026-03-28T23:00:00Z", "2026-03-30T00:00:00Z"),
            [
                "2026-03-28T23:00:00Z 2026-03-29T22:00:00Z",
                "2026-03-29T22:00:00Z 2026-03-30T22:00:00Z"
            ]
        );
        assert_eq!(
            periods(Calendar::Day, "2026-10-25T00:00:00Z", "2026-10-25T12:00:00Z"),
            ["2026-10-24T22:00:00Z 2026-10-25T23:00:00Z"]
        );
    }

    #[test]
    fn weeks_begin_on_monday_and_months_have_their_own_lengths() {
        assert_eq!(
            periods(Calendar::Week, "2026-11-23T12:00:00Z", "2026-11-24T00:00:00Z"),
            ["2026-11-22T23:00:00Z 2026-11-29T23:00:00Z"]
        );
        assert_eq!(
            periods(Calendar::Week, "2026-11-22T12:00:00Z", "2026-11-22T13:00:00Z"),
            ["2026-11-15T23:00:00Z 2026-11-22T23:00:00Z"]
        );
        assert_eq!(
            periods(Calendar::Month, "2028-01-31T22:59:00Z", "2028-02-01T12:00:00Z"),
            [
                "2027-12-31T23:00:00Z 2028-01-31T23:00:00Z",
                "2028-01-31T23:00:00Z 2028-02-29T23:00:00Z"
            ]
        );
    }

    #[test]
    fn hours_follow_the_clock_of_the_zone() {
        let zone = TimeZone::get("Asia/Kolkata").unwrap();
        let range = Range::new(
            "2026-11-23T10:00:00Z".parse().unwrap(),
            "2026-11-23T10:31:00Z".parse().unwrap(),
        )
        .unwrap();
        let starts: Vec<_> =
            Calendar::Hour.periods(range, &zone).iter().map(|p| p.0.to_string()).collect();
        assert_eq!(starts, ["2026-11-23T09:30:00Z", "2026-11-23T10:30:00Z"]);
    }
}
