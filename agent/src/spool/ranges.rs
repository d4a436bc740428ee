//! A set of numbers kept as ranges: the samples that wait for their PUBACK.

/// Numbers, as ascending ranges that neither touch nor overlap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Builds the set from ranges in any order; empty ones are left out.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let mut set = Self::default();
        for (first, last) in pairs {
            set.insert(first, last);
        }
        set
    }

    /// The ranges, ascending.
    pub fn pairs(&self) -> &[(u64, u64)] {
        &self.0
    }

    /// Adds `first..=last`.
    pub fn insert(&mut self, first: u64, last: u64) {
        if first > last {
            return;
        }
        let start = self.0.partition_point(|&(_, end)| end.saturating_add(1) < first);
        let end = self.0.partition_point(|&(begin, _)| begin <= last.saturating_add(1));
        let touched = self.0.get(start..end).unwrap_or_default();
        let low = touched.first().map_or(first, |&(begin, _)| begin.min(first));
        let high = touched.last().map_or(last, |&(_, end)| end.max(last));
        self.0.splice(start..end.max(start), [(low, high)]);
    }

    /// Takes `first..=last` out and says how many of them were in.
    pub fn remove(&mut self, first: u64, last: u64) -> u64 {
        let mut removed = 0;
        let mut kept = Vec::with_capacity(self.0.len() + 1);
        for &(begin, end) in &self.0 {
            let (from, to) = (begin.max(first), end.min(last));
            if from > to {
                kept.push((begin, end));
                continue;
            }
            removed += to - from + 1;
            if begin < from {
                kept.push((begin, from - 1));
            }
            if end > to {
                kept.push((to + 1, end));
            }
        }
        self.0 = kept;
        removed
    }

    /// Whether the number is in.
    pub fn contains(&self, number: u64) -> bool {
        let at = self.0.partition_point(|&(_, end)| end < number);
        self.0.get(at).is_some_and(|&(begin, _)| begin <= number)
    }

    /// Whether any of `first..=last` is in.
    pub fn meets(&self, first: u64, last: u64) -> bool {
        let at = self.0.partition_point(|&(_, end)| end < first);
        self.0.get(at).is_some_and(|&(begin, _)| begin <= last)
    }

    /// The smallest number.
    pub fn first(&self) -> Option<u64> {
        self.0.first().map(|&(begin, _)| begin)
    }

    /// How many numbers are in.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|(begin, end)| end - begin + 1).fold(0, u64::saturating_add)
    }

    /// Whether nothing is in.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_behave_like_a_set(
            steps in prop::collection::vec((any::<bool>(), 0..60_u64, 0..12_u64), 0..60),
        ) {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for (add, first, length) in steps {
                let last = first + length;
                if add {
                    ranges.insert(first, last);
                    set.extend(first..=last);
                } else {
                    let before = set.len();
                    set.retain(|n| !(first..=last).contains(n));
                    prop_assert_eq!(ranges.remove(first, last), (before - set.len()) as u64);
                }
                prop_assert_eq!(ranges.len(), set.len() as u64);
                prop_assert_eq!(ranges.first(), set.first().copied());
                for n in 0..80 {
                    prop_assert_eq!(ranges.contains(n), set.contains(&n));
                }
                prop_assert_eq!(ranges.meets(20, 30), set.range(20..=30).next().is_some());
                prop_assert!(ranges.pairs().windows(2).all(|w| w[0].1 + 1 < w[1].0));
                prop_assert_eq!(Ranges::from_pairs(ranges.pairs().iter().rev().copied()), ranges.clone());
            }
        }
    }
}
