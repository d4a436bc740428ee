//! The points of a history as what a chart draws.

use jiff::{SignedDuration, Timestamp};
use komandorr_collector::read::{Point, Step};

use crate::chart::{Slot, seconds};

/// Interval of samples where the agent's own is not known, seconds.
pub(super) const USUAL_INTERVAL: f64 = 5.0;

#[allow(clippy::cast_precision_loss, reason = "drawn in pixels")]
pub(super) fn float(number: u64) -> f64 {
    number as f64
}

/// How far apart two slots may lie that a line joins, seconds.
pub(super) fn tolerance(step: Step, interval: f64) -> f64 {
    // An interval may come late; a missing bucket is a gap.
    if step == Step::Raw { interval * 1.5 } else { 1.0 }
}

/// Samples of the last interval are still under way.
pub(super) fn last_expected(now: Timestamp, interval: f64) -> Timestamp {
    #[allow(clippy::cast_possible_truncation, reason = "an interval is at most a month")]
    let wait = SignedDuration::from_millis((interval * 2000.0) as i64);
    now.checked_sub(wait).unwrap_or(now)
}

/// Each point from its begin to its end.
pub(super) fn of(points: &[Point], step: Step, interval: f64, now: Timestamp) -> Vec<Slot> {
    let now = seconds(now);
    let nexts = points.iter().skip(1).map(|point| seconds(point.t)).chain([f64::INFINITY]);
    points
        .iter()
        .zip(nexts)
        .map(|(point, next)| {
            let start = seconds(point.t);
            let length = match step.length_ms() {
                // The last sample's length is not told; it is the usual one.
                None => own_length(point).unwrap_or(interval),
                #[allow(clippy::cast_precision_loss, reason = "a week at most")]
                Some(length) => length as f64 / 1000.0,
            };
            // Days are now and then an hour longer or shorter.
            let nearly_next = (next - start - length).abs() <= 3700.0 && length > 80_000.0;
            let end = if nearly_next { next } else { (start + length).min(next) };
            Slot {
                start,
                end: end.min(now).max(start),
                up: float(point.up_bytes_per_second),
                down: float(point.down_bytes_per_second),
            }
        })
        .collect()
}

/// A sample's length by its bytes and its speed, where it has both.
fn own_length(point: &Point) -> Option<f64> {
    let (bytes, speed) = if point.up_bytes > point.down_bytes {
        (point.up_bytes, point.up_bytes_per_second)
    } else {
        (point.down_bytes, point.down_bytes_per_second)
    };
    (speed > 1000).then(|| float(bytes) / float(speed))
}
