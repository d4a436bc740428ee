//! The hour-of-week profile: what a Monday at nine is usually like.

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Calendar, Range, fold::cut, query::BucketRow, tally::Tally};

/// Hours in a week.
const CELLS: usize = 168;

/// One hour of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct HourCell {
    /// 1 to 7, Monday first.
    pub weekday: i8,
    /// 0 to 23.
    pub hour: i8,
    /// Mean over the covered time; none where nothing was seen.
    #[schema(required)]
    pub up_bytes_per_second: Option<u64>,
    /// Mean over the covered time; none where nothing was seen.
    #[schema(required)]
    pub down_bytes_per_second: Option<u64>,
    /// How many such hours there is data of.
    pub hours_seen: u32,
}

/// All hours of the week, Monday's first hour first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HourProfile {
    /// 168 cells.
    pub cells: Vec<HourCell>,
    /// The cell with the highest mean of both directions together.
    pub busiest: Option<HourCell>,
    /// The cell with the lowest mean of both directions together.
    pub quietest: Option<HourCell>,
}

/// The hours of the last whole weeks' worth of time, up to now.
pub(super) fn hours(weeks: u32, now: Timestamp, zone: &TimeZone) -> Vec<(Timestamp, Timestamp)> {
    let back = (i64::from(weeks.clamp(1, 520)) * 7 * 24).hours();
    let from = now.checked_sub(back).unwrap_or(now);
    Calendar::Hour.periods(Range { from, to: now }, zone)
}

impl HourProfile {
    /// Of rows cut at hours, both in the order of time.
    pub(super) fn of(
        rows: &[BucketRow],
        hours: &[(Timestamp, Timestamp)],
        zone: &TimeZone,
    ) -> Self {
        let mut cells = vec![(Tally::default(), 0); CELLS];
        for ((start, _), rows) in cut(rows, hours).filter(|(_, rows)| !rows.is_empty()) {
            let local = start.to_zoned_datetime(zone.clone());
            let day = i64::from(local.weekday().to_monday_zero_offset());
            let at = usize::try_from(day * 24 + i64::from(local.hour())).unwrap_or_default();
            if let Some((tally, seen)) = cells.get_mut(at) {
                tally.add(rows);
                *seen += 1;
            }
        }
        let places = (1..=7).flat_map(|weekday| (0..24).map(move |hour| (weekday, hour)));
        let cells: Vec<_> = places
            .zip(cells)
            .map(|((weekday, hour), (tally, hours_seen))| HourCell {
                weekday,
                hour,
                up_bytes_per_second: tally.up_mean(),
                down_bytes_per_second: tally.down_mean(),
                hours_seen,
            })
            .collect();
        let seen = || cells.iter().filter(|cell| cell.hours_seen > 0).copied();
        Self {
            busiest: seen().reduce(|a, b| if b.total() > a.total() { b } else { a }),
            quietest: seen().reduce(|a, b| if b.total() < a.total() { b } else { a }),
            cells,
        }
    }
}

impl HourCell {
    /// Both directions together, bytes per second.
    pub fn total(&self) -> u64 {
        let (up, down) = (self.up_bytes_per_second, self.down_bytes_per_second);
        up.unwrap_or_default().saturating_add(down.unwrap_or_default())
    }
}
