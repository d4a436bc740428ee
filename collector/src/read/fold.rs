//! Buckets folded into points, periods and summaries. Pure.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{PeriodVolume, Range, query::BucketRow, tally::Tally};
use crate::{bucket::speed, live::Volume};

/// One point of a history.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Point {
    /// Start of the bucket.
    #[schema(value_type = String, format = DateTime)]
    pub t: Timestamp,
    /// Bytes sent in it.
    pub up_bytes: u64,
    /// Bytes received in it.
    pub down_bytes: u64,
    /// Mean over the covered time.
    pub up_bytes_per_second: u64,
    /// Mean over the covered time.
    pub down_bytes_per_second: u64,
    /// Highest speed of a sample in it.
    pub up_peak_bytes_per_second: u64,
    /// Highest speed of a sample in it.
    pub down_peak_bytes_per_second: u64,
    /// Share of the bucket that samples cover, 0 to 1.
    pub coverage: f64,
}

/// The highest speed in a range, and when it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Peak {
    /// Of one service the highest speed of a sample, of several together the
    /// highest mean of a bucket.
    pub bytes_per_second: u64,
    /// Start of the bucket in which it was.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// A range in a few figures, per direction.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Summary {
    /// Begin of the range, cut at whole buckets.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// End of the range, cut at whole buckets.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// Bytes sent.
    pub up_bytes: u64,
    /// Bytes received.
    pub down_bytes: u64,
    /// Mean over the covered time; none without data.
    #[schema(required)]
    pub up_mean_bytes_per_second: Option<u64>,
    /// Mean over the covered time; none without data.
    #[schema(required)]
    pub down_mean_bytes_per_second: Option<u64>,
    /// Highest speed of sending.
    #[schema(required)]
    pub up_peak: Option<Peak>,
    /// Highest speed of receiving.
    #[schema(required)]
    pub down_peak: Option<Peak>,
    /// 95th percentile of the buckets' means: the smallest that at least 95 %
    /// of them do not exceed (nearest rank), as burstable billing counts.
    #[schema(required)]
    pub up_p95_bytes_per_second: Option<u64>,
    /// The same of receiving.
    #[schema(required)]
    pub down_p95_bytes_per_second: Option<u64>,
    /// Share of the range, as far as it is past, that samples cover: 0 to 1.
    pub coverage: f64,
}

impl Point {
    pub(super) fn of_sample(t: Timestamp, interval_ms: u64, up: u64, down: u64) -> Self {
        let (up_speed, down_speed) = (speed(up, interval_ms), speed(down, interval_ms));
        Self {
            t,
            up_bytes: up,
            down_bytes: down,
            up_bytes_per_second: up_speed,
            down_bytes_per_second: down_speed,
            up_peak_bytes_per_second: up_speed,
            down_peak_bytes_per_second: down_speed,
            coverage: 1.0,
        }
    }
}

impl Summary {
    /// Its bytes.
    pub fn volume(&self) -> Volume {
        Volume { up_bytes: self.up_bytes, down_bytes: self.down_bytes }
    }

    /// Of one row a bucket, of `members` services together, at an instant from
    /// which on nothing can be covered yet.
    pub(super) fn of(rows: &[BucketRow], range: Range, members: usize, now: Timestamp) -> Self {
        let tally = Tally::of(rows);
        let volume = tally.volume();
        let past = range.to.min(now).as_millisecond() - range.from.as_millisecond();
        let past = u64::try_from(past).unwrap_or_default().max(1);
        let whole = past.saturating_mul(u64::try_from(members.max(1)).unwrap_or(1));
        Self {
            from: range.from,
            to: range.to,
            up_bytes: volume.up_bytes,
            down_bytes: volume.down_bytes,
            up_mean_bytes_per_second: tally.up_mean(),
            down_mean_bytes_per_second: tally.down_mean(),
            up_peak: tally.up_peak(),
            down_peak: tally.down_peak(),
            up_p95_bytes_per_second: percentile_95(rows.iter().map(BucketRow::up_mean).collect()),
            down_p95_bytes_per_second: percentile_95(
                rows.iter().map(BucketRow::down_mean).collect(),
            ),
            coverage: share(tally.covered_ms, whole),
        }
    }
}

/// Nearest rank: the value at `ceil(0.95 n)` of the sorted ones.
pub(super) fn percentile_95(mut values: Vec<u64>) -> Option<u64> {
    let rank = (values.len() * 95).div_ceil(100);
    let (_, value, _) = values.select_nth_unstable(rank.checked_sub(1)?);
    Some(*value)
}

fn share(part: u64, whole: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of centuries fit 53 bits")]
    let share = part as f64 / whole.max(1) as f64;
    share.clamp(0.0, 1.0)
}

/// Rows in the order of time, cut at the ends of periods in the same order.
pub(super) fn cut<'a>(
    rows: &'a [BucketRow],
    periods: &'a [(Timestamp, Timestamp)],
) -> impl Iterator<Item = ((Timestamp, Timestamp), &'a [BucketRow])> {
    let mut rest = rows;
    periods.iter().map(move |&(start, end)| {
        let before = rest.partition_point(|row| row.start_ms < start.as_millisecond());
        rest = rest.get(before..).unwrap_or_default();
        let inside = rest.partition_point(|row| row.start_ms < end.as_millisecond());
        let (rows, later) = rest.split_at(inside);
        rest = later;
        ((start, end), rows)
    })
}

/// A point for each period in which there is data.
pub(super) fn points(rows: &[BucketRow], periods: &[(Timestamp, Timestamp)]) -> Vec<Point> {
    let point = |((start, end), rows): ((Timestamp, Timestamp), &[BucketRow])| {
        let tally = Tally::of(rows);
        let volume = tally.volume();
        let length = u64::try_from(end.as_millisecond() - start.as_millisecond()).unwrap_or(1);
        (!tally.is_empty()).then(|| Point {
            t: start,
            up_bytes: volume.up_bytes,
            down_bytes: volume.down_bytes,
            up_bytes_per_second: tally.up_mean().unwrap_or_default(),
            down_bytes_per_second: tally.down_mean().unwrap_or_default(),
            up_peak_bytes_per_second: speed_of(tally.up_peak()),
            down_peak_bytes_per_second: speed_of(tally.down_peak()),
            coverage: share(tally.covered_ms, length),
        })
    };
    cut(rows, periods).filter_map(point).collect()
}

fn speed_of(peak: Option<Peak>) -> u64 {
    peak.map_or(0, |peak| peak.bytes_per_second)
}

/// The volume of every period, those without data included.
pub(super) fn volumes(rows: &[BucketRow], periods: &[(Timestamp, Timestamp)]) -> Vec<PeriodVolume> {
    cut(rows, periods)
        .map(|((start, end), rows)| {
            let tally = Tally::of(rows);
            PeriodVolume { start, end, volume: tally.volume(), covered_ms: tally.covered_ms }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_percentile_is_the_nearest_rank(values in prop::collection::vec(any::<u64>(), 1..300)) {
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let value = percentile_95(values).unwrap();
            let at_most = sorted.iter().filter(|&&other| other <= value).count();
            let below = sorted.iter().filter(|&&other| other < value).count();
            prop_assert!(at_most * 100 >= sorted.len() * 95);
            prop_assert!(below * 100 < sorted.len() * 95);
        }
    }

    #[test]
    fn nothing_has_no_percentile() {
        assert_eq!(percentile_95(Vec::new()), None);
        assert_eq!(percentile_95(vec![7]), Some(7));
        assert_eq!(percentile_95((1..=100).collect()), Some(95));
    }
}
