//! Which sample numbers of an agent are stored: the rule of "stored once".

/// Most ranges of an agent. Where more numbers are missing than that, the
/// oldest of them count as stored: they are not waited for.
const MANY: usize = 1000;

/// A set of sample numbers as sorted, disjoint, non-adjacent ranges with both
/// ends included. An agent that loses nothing has exactly one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RangeSet(Vec<(u64, u64)>);

impl RangeSet {
    /// Joins ranges that come in any order and may overlap.
    pub fn from_ranges(mut ranges: Vec<(u64, u64)>) -> Self {
        ranges.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::new();
        for (first, last) in ranges {
            match joined.last_mut() {
                Some(previous) if first <= previous.1.saturating_add(1) => {
                    previous.1 = previous.1.max(last);
                }
                _ => joined.push((first, last)),
            }
        }
        let more = joined.len().saturating_sub(MANY);
        let first = joined.first().map(|range| range.0);
        joined.drain(..more);
        if let (Some(oldest), Some(first)) = (joined.first_mut(), first) {
            oldest.0 = first;
        }
        Self(joined)
    }

    /// Adds a number; `false` when it was there already.
    pub fn insert(&mut self, number: u64) -> bool {
        // Almost always the next one: the end of the last range grows.
        let at = match self.0.last() {
            Some(last) if number > last.1 => self.0.len(),
            _ => self.0.partition_point(|range| range.1 < number),
        };
        let (before, after) = self.0.split_at_mut(at);
        if after.first().is_some_and(|next| next.0 <= number) {
            return false;
        }
        let extends =
            before.last_mut().filter(|previous| previous.1.checked_add(1) == Some(number));
        let precedes = after.first_mut().filter(|next| number.checked_add(1) == Some(next.0));
        match (extends, precedes) {
            (Some(previous), Some(next)) => {
                previous.1 = next.1;
                self.0.remove(at);
            }
            (Some(previous), None) => previous.1 = number,
            (None, Some(next)) => next.0 = number,
            (None, None) => {
                self.0.insert(at, (number, number));
                self.close_oldest_gap();
            }
        }
        true
    }

    fn close_oldest_gap(&mut self) {
        if let [first, second, rest @ ..] = &mut self.0[..]
            && rest.len() + 2 > MANY
        {
            second.0 = first.0;
            self.0.remove(0);
        }
    }

    /// The ranges in order.
    pub fn ranges(&self) -> &[(u64, u64)] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(numbers in prop::collection::vec(1_u64..60, 0..200)) {
            let (mut set, mut model) = (RangeSet::default(), BTreeSet::new());
            for number in numbers {
                prop_assert_eq!(set.insert(number), model.insert(number));
            }
            let listed: Vec<u64> = set.ranges().iter().flat_map(|&(a, b)| a..=b).collect();
            prop_assert_eq!(listed, model.into_iter().collect::<Vec<_>>());
            for pair in set.ranges().windows(2) {
                prop_assert!(pair[0].1 + 1 < pair[1].0, "neighbours are joined");
            }
        }

        #[test]
        fn joining_pieces_gives_the_whole(numbers in prop::collection::vec(1_u64..60, 0..100)) {
            let mut set = RangeSet::default();
            for &number in &numbers {
                set.insert(number);
            }
            let pieces = numbers.iter().map(|&n| (n, n)).collect();
            prop_assert_eq!(RangeSet::from_ranges(pieces), set);
        }
    }

    #[test]
    fn of_too_many_gaps_the_oldest_are_closed() {
        let odd = |n: u64| 2 * n + 1;
        for descending in [false, true] {
            let mut set = RangeSet::default();
            for n in 0..5000_u64 {
                assert!(set.insert(odd(if descending { 4999 - n } else { n })) || descending);
            }
            assert_eq!(set.ranges().len(), MANY);
            assert_eq!(set.ranges().last(), Some(&(9999, 9999)));
            assert_eq!(set.ranges().first().map(|range| range.0), Some(1));
            assert!(!set.insert(2) && set.insert(9998));
        }
        let pieces: Vec<_> = (0..5000).map(|n| (odd(n), odd(n))).collect();
        let set = RangeSet::from_ranges(pieces);
        assert_eq!(set.ranges().len(), MANY);
        assert_eq!(set.ranges()[..2], [(1, 8001), (8003, 8003)]);
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let mut set = RangeSet::default();
        assert!(set.insert(u64::MAX));
        assert!(set.insert(u64::MAX - 1));
        assert!(!set.insert(u64::MAX));
        assert_eq!(set.ranges(), [(u64::MAX - 1, u64::MAX)]);
    }
}
