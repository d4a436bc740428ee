//! Sharing out a sample's bytes among the buckets of time that it covers.

/// Length of a five-minute bucket, milliseconds.
pub const FIVE_MINUTES_MS: i64 = 300_000;
/// Length of an hour's bucket, milliseconds.
pub const HOUR_MS: i64 = 3_600_000;
/// Length of a day of UTC, milliseconds.
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;

/// The part of a sample that lies in one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Start of the bucket, Unix milliseconds.
    pub bucket_ms: i64,
    /// Bytes sent.
    pub up: u64,
    /// Bytes received.
    pub down: u64,
    /// How much of the bucket the sample covers, milliseconds.
    pub covered_ms: u64,
}

/// Start of the bucket that holds an instant, Unix milliseconds.
pub fn bucket_of(at_ms: i64, length_ms: i64) -> i64 {
    at_ms.saturating_sub(at_ms.rem_euclid(length_ms))
}

/// Shares out the bytes of the interval that ends at `ended_ms` among buckets
/// of `length_ms`, in proportion to time.
///
/// Shares are whole bytes and sum exactly: each is the difference of the bytes
/// up to its end and up to its start, `floor(bytes * elapsed / interval)`.
/// A sample's end belongs to the bucket before it, as its bytes do.
pub fn share_out(
    ended_ms: i64,
    interval_ms: u64,
    up: u64,
    down: u64,
    length_ms: i64,
) -> impl Iterator<Item = Share> {
    let interval = i64::try_from(interval_ms.max(1)).unwrap_or(i64::MAX);
    let began_ms = ended_ms.saturating_sub(interval);
    let until = move |bytes: u64, at_ms: i64| {
        // The whole of it needs no division: that is nearly every sample.
        if at_ms >= ended_ms {
            return bytes;
        }
        let elapsed = at_ms.saturating_sub(began_ms).unsigned_abs();
        if elapsed == 0 {
            return 0;
        }
        let part = u128::from(bytes) * u128::from(elapsed) / u128::from(interval.unsigned_abs());
        u64::try_from(part).unwrap_or(u64::MAX)
    };
    let mut from_ms = began_ms;
    std::iter::from_fn(move || {
        if from_ms >= ended_ms {
            return None;
        }
        let bucket_ms = bucket_of(from_ms, length_ms);
        let to_ms = bucket_ms.saturating_add(length_ms).min(ended_ms);
        let share = Share {
            bucket_ms,
            up: until(up, to_ms) - until(up, from_ms),
            down: until(down, to_ms) - until(down, from_ms),
            covered_ms: (to_ms - from_ms).unsigned_abs(),
        };
        from_ms = to_ms;
        Some(share)
    })
}

/// Bytes per second of an interval, rounded.
pub fn speed(bytes: u64, interval_ms: u64) -> u64 {
    // Numbers of 64 bits divide several times as fast.
    let rounded = bytes.checked_mul(1000).and_then(|n| n.checked_add(interval_ms.max(1) / 2));
    if let Some(rounded) = rounded {
        return rounded / interval_ms.max(1);
    }
    let interval = u128::from(interval_ms.max(1));
    let speed = (u128::from(bytes) * 1000 + interval / 2) / interval;
    u64::try_from(speed).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shares_sum_exactly_and_stay_in_their_buckets(
            ended_ms in 0_i64..4_000_000_000_000,
            interval_ms in 1_u64..100_000_000,
            up: u64,
            down in 0_u64..10_000,
        ) {
            let shares: Vec<_> =
                share_out(ended_ms, interval_ms, up, down, FIVE_MINUTES_MS).collect();
            prop_assert_eq!(shares.iter().map(|s| s.up).sum::<u64>(), up);
            prop_assert_eq!(shares.iter().map(|s| s.down).sum::<u64>(), down);
            prop_assert_eq!(shares.iter().map(|s| s.covered_ms).sum::<u64>(), interval_ms);
            for share in &shares {
                prop_assert_eq!(share.bucket_ms % FIVE_MINUTES_MS, 0);
                prop_assert!(share.covered_ms <= FIVE_MINUTES_MS.unsigned_abs());
                // In proportion, to within the byte that rounding may move.
                let exact = u128::from(down) * u128::from(share.covered_ms) / u128::from(interval_ms);
                prop_assert!(u128::from(share.down).abs_diff(exact) <= 1);
            }
            for pair in shares.windows(2) {
                prop_assert_eq!(pair[0].bucket_ms + FIVE_MINUTES_MS, pair[1].bucket_ms);
            }
        }
    }

    #[test]
    fn a_sample_that_ends_on_the_boundary_belongs_before_it() {
        let shares: Vec<_> = share_out(600_000, 5000, 10, 20, FIVE_MINUTES_MS).collect();
        assert_eq!(shares, [Share { bucket_ms: 300_000, up: 10, down: 20, covered_ms: 5000 }]);
    }

    #[test]
    fn speeds_are_rounded_and_never_overflow() {
        assert_eq!(speed(1, 3), 333);
        assert_eq!(speed(2, 3), 667);
        assert_eq!(speed(u64::MAX, 1), u64::MAX);
        assert_eq!(speed(0, 0), 0);
    }
}
