//! What the buckets of some time add up to. One look at each row gives all of
//! it: a year of five minutes has a hundred thousand, more than caches hold.

use jiff::Timestamp;

use super::{fold::Peak, query::BucketRow};
use crate::live::Volume;

/// Sums and highest speeds of rows that are all of one service, or all of
/// several together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    rows: u64,
    /// They are of several services together.
    sums: bool,
    /// How much of the time samples cover, milliseconds, summed over services.
    pub(super) covered_ms: u64,
    up: Side,
    down: Side,
}

/// One direction.
#[derive(Debug, Clone, Copy, Default)]
struct Side {
    bytes: u128,
    /// Sum of the highest speeds.
    peaks: u128,
    /// The highest of them, and the start of the first bucket that has it.
    highest: Option<(u64, i64)>,
}

impl Tally {
    pub(super) fn of(rows: &[BucketRow]) -> Self {
        let mut tally = Self::default();
        tally.add(rows);
        tally
    }

    /// Adds rows that are later than those before.
    pub(super) fn add(&mut self, rows: &[BucketRow]) {
        for row in rows {
            self.rows += 1;
            self.sums = row.is_sum();
            self.covered_ms += row.covered_ms;
            self.up.add(row.start_ms, row.up, row.up_peak);
            self.down.add(row.start_ms, row.down, row.down_peak);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(super) fn volume(&self) -> Volume {
        let bytes = |side: &Side| u64::try_from(side.bytes).unwrap_or(u64::MAX);
        Volume { up_bytes: bytes(&self.up), down_bytes: bytes(&self.down) }
    }

    /// The mean speed of sending, bytes per second; none without any row.
    pub(super) fn up_mean(&self) -> Option<u64> {
        self.mean(&self.up)
    }

    /// The mean speed of receiving, bytes per second; none without any row.
    pub(super) fn down_mean(&self) -> Option<u64> {
        self.mean(&self.down)
    }

    /// Of one service its bytes over the time that samples cover. Of several
    /// together the mean of the buckets' sums: their covered times overlap, so
    /// that bytes over the time of all would be the mean of a single one.
    fn mean(&self, side: &Side) -> Option<u64> {
        if self.is_empty() {
            return None;
        }
        let (total, whole) = if self.sums {
            (side.peaks, self.rows)
        } else {
            (side.bytes * 1000, self.covered_ms.max(1))
        };
        let whole = u128::from(whole);
        u64::try_from((total + whole / 2) / whole).ok()
    }

    /// The highest speed of sending, the earliest of them.
    pub(super) fn up_peak(&self) -> Option<Peak> {
        self.up.peak()
    }

    /// The highest speed of receiving, the earliest of them.
    pub(super) fn down_peak(&self) -> Option<Peak> {
        self.down.peak()
    }
}

impl Side {
    fn add(&mut self, start_ms: i64, bytes: u64, peak: u64) {
        self.bytes += u128::from(bytes);
        self.peaks += u128::from(peak);
        if self.highest.is_none_or(|(highest, _)| peak > highest) {
            self.highest = Some((peak, start_ms));
        }
    }

    fn peak(&self) -> Option<Peak> {
        let (bytes_per_second, start_ms) = self.highest?;
        let at = Timestamp::from_millisecond(start_ms).unwrap_or_default();
        Some(Peak { bytes_per_second, at })
    }
}
