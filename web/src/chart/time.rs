//! The time axis: labels at round moments of the local clock.

use jiff::{Timestamp, ToSpan, ZonedDateTime, civil::DateTime, tz::TimeZone};

/// Most labels: each needs some 90 px of a narrow chart's half.
const MOST: f64 = 9.0;
/// A label nearer to an edge, in percent of the width, would be cut.
const EDGE: f64 = 2.0;

/// A label below the chart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TimeTick {
    /// Percent of the width from the left.
    pub(crate) x: f64,
    /// Local time or date.
    pub(crate) label: String,
    /// Every second label leaves where the chart is narrow.
    pub(crate) alternate: bool,
}

/// Distance between labels.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Minutes(i64),
    Hours(i64),
    Days(i64),
    Months(i64),
}

const STEPS: [Step; 19] = [
    Step::Minutes(1),
    Step::Minutes(2),
    Step::Minutes(5),
    Step::Minutes(10),
    Step::Minutes(15),
    Step::Minutes(30),
    Step::Hours(1),
    Step::Hours(2),
    Step::Hours(3),
    Step::Hours(6),
    Step::Hours(12),
    Step::Days(1),
    Step::Days(2),
    Step::Days(5),
    Step::Days(10),
    Step::Months(1),
    Step::Months(3),
    Step::Months(6),
    Step::Months(12),
];

impl Step {
    /// About how long, in seconds.
    fn seconds(self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "small constants")]
        match self {
            Self::Minutes(n) => n as f64 * 60.0,
            Self::Hours(n) => n as f64 * 3600.0,
            Self::Days(n) => n as f64 * 86_400.0,
            Self::Months(n) => n as f64 * 2_629_746.0,
        }
    }

    /// The last round moment of the local clock that is not after `at`.
    fn floor(self, at: DateTime) -> Option<DateTime> {
        let day = at.date().to_datetime(jiff::civil::Time::midnight());
        let first = at.date().first_of_month();
        match self {
            Self::Minutes(n) => {
                let minutes = i64::from(at.hour()) * 60 + i64::from(at.minute());
                day.checked_add((minutes / n * n).minutes()).ok()
            }
            Self::Hours(n) => day.checked_add((i64::from(at.hour()) / n * n).hours()).ok(),
            // Days count from the first of the month, so that labels stay put.
            Self::Days(n) => {
                let days = i64::from(at.day() - 1) / n * n;
                first.to_datetime(jiff::civil::Time::midnight()).checked_add(days.days()).ok()
            }
            Self::Months(n) => {
                let month = i64::from(at.month() - 1) / n * n;
                let year = at.date().first_of_year();
                year.checked_add(month.months()).ok().map(DateTime::from)
            }
        }
    }

    fn next(self, at: DateTime) -> Option<DateTime> {
        let next = match self {
            Self::Minutes(n) => at.checked_add(n.minutes()),
            Self::Hours(n) => at.checked_add(n.hours()),
            Self::Days(n) => at.checked_add(n.days()),
            Self::Months(n) => at.checked_add(n.months()),
        };
        let next = next.ok()?;
        // The 31st is one day before the 1st: begin every month anew.
        match self {
            Self::Days(n)
                if n > 1 && (next.month() != at.month() || i64::from(next.day()) > 29) =>
            {
                let date = at.date().last_of_month().tomorrow().ok()?;
                Some(date.to_datetime(jiff::civil::Time::midnight()))
            }
            _ => Some(next),
        }
    }

    fn label(self, at: &ZonedDateTime) -> String {
        let format = match self {
            Self::Minutes(_) | Self::Hours(_) if at.hour() == 0 && at.minute() == 0 => "%-d %b",
            Self::Minutes(_) | Self::Hours(_) => "%H:%M",
            Self::Days(_) => "%-d %b",
            Self::Months(_) if at.month() == 1 => "%Y",
            Self::Months(_) => "%b",
        };
        at.strftime(format).to_string()
    }
}

/// Labels between two moments.
pub(crate) fn time_ticks(from: Timestamp, to: Timestamp, zone: &TimeZone) -> Vec<TimeTick> {
    let length = seconds(to) - seconds(from);
    let Some(step) = STEPS.into_iter().find(|s| length / s.seconds() <= MOST) else {
        return Vec::new();
    };
    let mut ticks = Vec::new();
    let mut next = step.floor(from.to_zoned_datetime(zone.clone()).datetime());
    while let Some(local) = next {
        let Ok(at) = local.to_zoned_datetime(zone.clone()) else { break };
        if at.timestamp() > to || ticks.len() > 20 {
            break;
        }
        let x = (seconds(at.timestamp()) - seconds(from)) / length * 100.0;
        if (EDGE..=100.0 - EDGE).contains(&x) {
            let alternate = ticks.len() % 2 == 1;
            ticks.push(TimeTick { x, label: step.label(&at), alternate });
        }
        next = step.next(local);
    }
    ticks
}

/// Seconds of Unix time, as charts count.
#[allow(clippy::cast_precision_loss, reason = "milliseconds of this age fit 53 bits")]
pub(crate) fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

/// Seconds of Unix time as a moment; `None` outside the calendar.
#[allow(clippy::cast_possible_truncation, reason = "a float beyond the range saturates")]
pub(crate) fn moment(seconds: f64) -> Option<Timestamp> {
    Timestamp::from_millisecond((seconds * 1000.0).round() as i64).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(from: &str, to: &str, zone: &str) -> Vec<String> {
        let zone = TimeZone::get(zone).unwrap();
        let ticks = time_ticks(from.parse().unwrap(), to.parse().unwrap(), &zone);
        assert!(ticks.windows(2).all(|w| w[0].x < w[1].x), "{ticks:?}");
        ticks.into_iter().map(|t| t.label).collect()
    }

    #[test]
    fn an_hour_is_labelled_every_ten_minutes() {
        let hour = labels("2026-11-20T18:14:00Z", "2026-11-20T19:14:00Z", "Europe/Berlin");
        assert_eq!(hour, ["19:20", "19:30", "19:40", "19:50", "20:00", "20:10"]);
    }

    #[test]
    fn a_day_is_labelled_in_local_hours_with_its_date_at_midnight() {
        let day = labels("2026-11-19T19:14:00Z", "2026-11-20T19:14:00Z", "Europe/Berlin");
        assert_eq!(day, ["21:00", "20 Nov", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00"]);
    }

    #[test]
    fn the_day_that_loses_an_hour_keeps_its_round_hours() {
        let day = labels("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", "Europe/Berlin");
        assert_eq!(day, ["03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00"]);
    }

    #[test]
    fn longer_ranges_are_labelled_by_days_and_months() {
        let month = labels("2026-10-21T00:00:00Z", "2026-11-20T00:00:00Z", "UTC");
        assert_eq!(month, ["26 Oct", "1 Nov", "6 Nov", "11 Nov", "16 Nov"]);
        let year = labels("2025-11-20T00:00:00Z", "2026-11-20T00:00:00Z", "UTC");
        assert_eq!(year, ["2026", "Apr", "Jul", "Oct"]);
    }

    #[test]
    fn a_range_without_length_has_no_labels_and_does_not_hang() {
        assert!(labels("2026-11-20T00:00:00Z", "2026-11-20T00:00:00Z", "UTC").is_empty());
    }

    proptest::proptest! {
        #[test]
        fn any_range_has_few_labels_inside_it(from in 0i64..4_000_000_000, length in 1i64..500_000_000) {
            let at = |s| Timestamp::from_second(s).unwrap();
            let zone = TimeZone::get("America/New_York").unwrap();
            let ticks = time_ticks(at(from), at(from + length), &zone);
            proptest::prop_assert!(ticks.len() <= 12, "{ticks:?}");
            proptest::prop_assert!(ticks.iter().all(|t| (0.0..=100.0).contains(&t.x)));
        }
    }
}
