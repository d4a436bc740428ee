//! When samples ended, on a clock that can be believed.

use komandorr_wire::{Origin, Sample};

/// How far an agent's clock may run ahead of ours before its time stamp is
/// not believed, milliseconds: more than any network's delay and a clock kept
/// by NTP, less than anything a chart would show.
pub(crate) const FUTURE_TOLERANCE_MS: i64 = 5_000;
/// 2020-01-01: a clock that shows an earlier time was never set.
const EARLIEST_MS: i64 = 1_577_836_800_000;
/// 1990-01-01: imported history may be older than this program.
const EARLIEST_IMPORTED_MS: i64 = 631_152_000_000;
/// 2100-01-01: up to then stamps are believed while our own clock was never set.
const LATEST_MS: i64 = 4_102_444_800_000;

/// A stamp as it stands against our clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stamp {
    /// From before clocks are set.
    Early,
    Believable,
    /// From the future.
    Ahead,
}

/// A sample as its stamp says it.
#[derive(Debug, Clone, Copy)]
struct Stamped {
    stamp: Stamp,
    began_ms: i64,
    ended_ms: i64,
}

impl Stamped {
    /// Whether the clock that stamped the next sample is the same as this one's. One
    /// that was set in between falls, comes out of the time in which none is set, or
    /// leaps into the future.
    fn goes_on_to(self, next: Self) -> bool {
        let into_future = (self.stamp, next.stamp) == (Stamp::Believable, Stamp::Ahead);
        let leaps = next.began_ms.saturating_sub(self.ended_ms) > FUTURE_TOLERANCE_MS;
        self.ended_ms <= next.ended_ms
            && (self.stamp == Stamp::Early) == (next.stamp == Stamp::Early)
            && !(into_future && leaps)
    }
}

/// Which stamps are believed of a payload that arrived at a moment.
#[derive(Debug, Clone, Copy)]
struct Believed {
    latest_ms: i64,
}

impl Believed {
    fn at(arrived_ms: i64) -> Self {
        // Ours was never set: whoever stamps knows better.
        let unset = arrived_ms < EARLIEST_MS;
        let latest_ms =
            if unset { LATEST_MS } else { arrived_ms.saturating_add(FUTURE_TOLERANCE_MS) };
        Self { latest_ms }
    }

    fn judge(self, earliest_ms: i64, stamp_ms: i64) -> Stamp {
        if stamp_ms < earliest_ms {
            Stamp::Early
        } else if stamp_ms > self.latest_ms {
            Stamp::Ahead
        } else {
            Stamp::Believable
        }
    }
}

fn earliest_ms(sample: &Sample) -> i64 {
    if Origin::of(sample) == Origin::Import { EARLIEST_IMPORTED_MS } else { EARLIEST_MS }
}

/// Whether it follows others of its agent: then it ended before the next one began.
fn is_numbered(sample: &Sample) -> bool {
    sample.agent.as_ref().is_some_and(|agent| agent.seq.is_some())
}

/// When each sample of a payload ended, Unix milliseconds; put into `ends`, in their
/// order. Without a stamp: when it arrived, or where what follows begins, if its agent
/// numbers them.
///
/// Stamps that cannot be believed still tell how far samples lie apart, and it may
/// be our clock that is wrong. So those that rise together are shifted together:
/// the last of them to the arrival, or to the begin of what follows.
pub(super) fn ends(samples: &[Sample], arrived_ms: i64, ends: &mut Vec<i64>) {
    let believed = Believed::at(arrived_ms);
    ends.clear();
    let mut next: Option<Stamped> = None;
    // Where the samples after this one begin, and what is added to its stamps.
    let (mut until_ms, mut shift_ms) = (arrived_ms, 0);
    for sample in samples.iter().rev() {
        let length_ms = i64::try_from(sample.interval_ms).unwrap_or(i64::MAX);
        let earliest_ms = earliest_ms(sample);
        let ended_ms = if let Some(stamp_ms) = sample.ended_ms {
            let stamp = believed.judge(earliest_ms, stamp_ms);
            let began_ms = stamp_ms.saturating_sub(length_ms);
            let this = Stamped { stamp, began_ms, ended_ms: stamp_ms };
            if !next.is_some_and(|next| this.goes_on_to(next)) {
                let off = stamp != Stamp::Believable;
                shift_ms = if off { until_ms.saturating_sub(stamp_ms) } else { 0 };
            }
            next = Some(this);
            let shifted_ms = stamp_ms.saturating_add(shift_ms);
            let possible = believed.judge(earliest_ms, shifted_ms) == Stamp::Believable;
            if possible { shifted_ms } else { arrived_ms }
        } else if is_numbered(sample) && until_ms >= earliest_ms {
            until_ms
        } else {
            arrived_ms
        };
        until_ms = until_ms.min(ended_ms.saturating_sub(length_ms));
        ends.push(ended_ms);
    }
    ends.reverse();
}

#[cfg(test)]
mod tests {
    use komandorr_wire::AgentSeq;
    use proptest::prelude::*;

    use super::*;

    const NOON_MS: i64 = 1_795_435_200_000;
    const HOUR_MS: i64 = 3_600_000;

    fn ends_of(stamps: &[Option<i64>], arrived_ms: i64) -> Vec<i64> {
        let sample = |&ended_ms| Sample { interval_ms: 5000, ended_ms, ..Sample::default() };
        ends_of_samples(&stamps.iter().map(sample).collect::<Vec<_>>(), arrived_ms)
    }

    fn ends_of_samples(samples: &[Sample], arrived_ms: i64) -> Vec<i64> {
        // What was in it before goes.
        let mut found = vec![7];
        ends(samples, arrived_ms, &mut found);
        found
    }

    fn stamped(stamps: &[i64], arrived_ms: i64) -> Vec<i64> {
        ends_of(&stamps.iter().copied().map(Some).collect::<Vec<_>>(), arrived_ms)
    }

    proptest! {
        /// A night that an agent kept, whatever our clock shows when it comes.
        #[test]
        fn samples_lie_as_far_apart_as_they_were_measured(
            lengths in prop::collection::vec(1_u32..900_000, 1..200),
            late_ms in -HOUR_MS * 24 * 400..HOUR_MS * 24 * 400,
        ) {
            let mut samples = Vec::new();
            let mut ended_ms = NOON_MS;
            for length_ms in lengths {
                ended_ms += i64::from(length_ms);
                let interval_ms = length_ms.into();
                samples.push(Sample { interval_ms, ended_ms: Some(ended_ms), ..Sample::default() });
            }
            let found = ends_of_samples(&samples, ended_ms + late_ms);
            let shift_ms = if late_ms < -FUTURE_TOLERANCE_MS { late_ms } else { 0 };
            let shifted = samples.iter().filter_map(|sample| Some(sample.ended_ms? + shift_ms));
            prop_assert_eq!(found, shifted.collect::<Vec<_>>());
        }

        #[test]
        fn whatever_is_stamped_ends_at_a_time_that_can_be(
            stamps in prop::collection::vec(prop::option::of(prop_oneof![
                any::<i64>(),
                NOON_MS - 10_000..NOON_MS + 10_000,
            ]), 0..50),
            arrived_ms in EARLIEST_MS..NOON_MS * 2,
        ) {
            let found = ends_of(&stamps, arrived_ms);
            prop_assert_eq!(found.len(), stamps.len());
            for (end, stamp) in found.iter().zip(stamps) {
                let possible = EARLIEST_MS..=arrived_ms + FUTURE_TOLERANCE_MS;
                prop_assert!(possible.contains(end));
                prop_assert!(stamp.is_some() || *end == arrived_ms);
            }
        }
    }

    #[test]
    fn while_our_own_clock_was_never_set_stamps_are_believed() {
        let stamps = [NOON_MS - 5000, NOON_MS];
        assert_eq!(stamped(&stamps, 17_000), stamps);
        // But not any.
        assert_eq!(stamped(&[i64::MAX, 1000], 17_000), [17_000, 17_000]);
    }

    #[test]
    fn what_an_agent_measured_without_a_clock_lies_one_after_the_other() {
        let numbered = |seq, ended_ms| Sample {
            interval_ms: 5000,
            ended_ms,
            agent: Some(AgentSeq { agent: "a".into(), seq: Some(seq) }),
            ..Sample::default()
        };
        let unset = [numbered(1, None), numbered(2, None)];
        assert_eq!(ends_of_samples(&unset, NOON_MS), [NOON_MS - 5000, NOON_MS]);
        // Then its clock was set.
        let later = [numbered(3, Some(NOON_MS - 5000)), numbered(4, Some(NOON_MS))];
        let ends = [NOON_MS - 15_000, NOON_MS - 10_000, NOON_MS - 5000, NOON_MS];
        assert_eq!(ends_of_samples(&[unset, later].concat(), NOON_MS), ends);
    }

    #[test]
    fn a_clock_that_was_set_in_between_is_right_from_then_on() {
        let right = [NOON_MS - 10_000, NOON_MS - 5000];
        let begin = NOON_MS - 15_000;
        for wrong in [17_000, NOON_MS + 365 * 24 * HOUR_MS] {
            let stamps = [wrong, wrong + 7000, right[0], right[1]];
            assert_eq!(stamped(&stamps, NOON_MS), [begin - 7000, begin, right[0], right[1]]);
        }
    }

    #[test]
    fn a_clock_that_leaps_ahead_was_right_before() {
        let right = NOON_MS - HOUR_MS;
        let wrong = NOON_MS + 365 * 24 * HOUR_MS;
        let stamps = [right - 5000, right, wrong, wrong + 5000];
        assert_eq!(stamped(&stamps, NOON_MS), [right - 5000, right, NOON_MS - 5000, NOON_MS]);
    }

    #[test]
    fn what_can_be_believed_stays_in_whatever_order_it_comes() {
        let stamps = [NOON_MS + 5000, NOON_MS, NOON_MS - HOUR_MS, NOON_MS - 5000];
        assert_eq!(stamped(&stamps, NOON_MS), stamps);
    }
}
