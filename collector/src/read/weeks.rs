//! Weeks compared with the weeks before them.

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Calendar, Range, Summary};

/// Most weeks that a report goes back.
const MAX_WEEKS: u32 = 520;

/// One ISO week.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct WeekReport {
    /// ISO year and week, such as `2026-W48`.
    pub week: String,
    /// Monday's begin in the site's time zone.
    #[schema(value_type = String, format = DateTime)]
    pub start: Timestamp,
    /// The next Monday's begin.
    #[schema(value_type = String, format = DateTime)]
    pub end: Timestamp,
    /// Whether it is not over yet.
    pub running: bool,
    /// Its figures.
    #[serde(flatten)]
    pub summary: Summary,
    /// Change of the volume of both directions against the week before, in
    /// percent; none without data there.
    #[schema(required)]
    pub change_percent: Option<f64>,
}

/// The last weeks up to the one that holds `now`, oldest first.
pub(super) fn last(weeks: u32, now: Timestamp, zone: &TimeZone) -> Vec<(Timestamp, Timestamp)> {
    let back = i64::from(weeks.clamp(1, MAX_WEEKS) - 1);
    let first = now.to_zoned_datetime(zone.clone()).checked_sub(back.weeks());
    let from = first.map_or(now, |first| first.timestamp());
    let to = now.checked_add(1.millisecond()).unwrap_or(now);
    Calendar::Week.periods(Range { from, to }, zone)
}

impl WeekReport {
    pub(super) fn of(
        range: Range,
        summary: Summary,
        before: Option<&Self>,
        now: Timestamp,
        zone: &TimeZone,
    ) -> Self {
        let iso = range.from.to_zoned_datetime(zone.clone()).date().iso_week_date();
        let total = |summary: &Summary| summary.up_bytes.saturating_add(summary.down_bytes);
        #[allow(clippy::cast_precision_loss, reason = "a percentage needs no more than 53 bits")]
        let change = |before: u64| (total(&summary) as f64 / before as f64 - 1.0) * 100.0;
        let known = before.map(|before| total(&before.summary)).filter(|&bytes| bytes > 0);
        Self {
            week: format!("{}-W{:02}", iso.year(), iso.week()),
            start: range.from,
            end: range.to,
            running: range.to > now,
            summary,
            change_percent: known.map(change),
        }
    }
}
