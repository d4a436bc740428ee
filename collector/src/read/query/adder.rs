//! Rows of several services become one a bucket. Added up here: DuckDB counts means in
//! 128 bits, which takes it twenty times as long.

use super::{BucketRow, Range, SUM};
use crate::{bucket::bucket_of, level::Level};

/// What buckets of a range add up to.
#[derive(Debug)]
pub(super) struct Adder {
    first_ms: i64,
    length_ms: i64,
    /// One after the other; `None`: nobody has any of it.
    buckets: Vec<Option<BucketRow>>,
}

impl Adder {
    pub(super) fn new(range: Range, level: Level) -> Self {
        let length_ms = level.length_ms();
        let first_ms = bucket_of(range.from.as_millisecond(), length_ms);
        Self { first_ms, length_ms, buckets: Vec::new() }
    }

    /// Adds a bucket of a service of which there is no more.
    pub(super) fn add(&mut self, row: &BucketRow) {
        let at = (row.start_ms - self.first_ms) / self.length_ms;
        let Ok(at) = usize::try_from(at) else { return };
        if at >= self.buckets.len() {
            self.buckets.resize(at + 1, None);
        }
        let Some(bucket) = self.buckets.get_mut(at) else { return };
        let sum = BucketRow {
            service_no: SUM,
            up_peak: row.up_mean(),
            down_peak: row.down_mean(),
            ..*row
        };
        match bucket {
            Some(bucket) => bucket.add_sum(&sum),
            None => *bucket = Some(sum),
        }
    }

    /// In the order of time.
    pub(super) fn rows(self) -> Vec<BucketRow> {
        self.buckets.into_iter().flatten().collect()
    }
}
