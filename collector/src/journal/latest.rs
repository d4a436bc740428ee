//! Which samples are worth keeping as they came.

use foldhash::{HashMap, HashMapExt as _};

use super::entry::{Age, StoredSample};

/// Leaves of each service at most `keep` samples, the latest; in their order.
/// The last `keep` samples of a service are kept, so others that come with them
/// would only be written to be forgotten.
pub(super) fn keep_latest(samples: &mut Vec<StoredSample>, keep: usize) {
    if samples.len() <= keep {
        return;
    }
    let mut counts: HashMap<i32, usize> = HashMap::new();
    for sample in &*samples {
        *counts.entry(sample.service_no).or_default() += 1;
    }
    counts.retain(|_, count| *count > keep);
    if counts.is_empty() {
        return;
    }
    // Of two that are the same in all that counts, the later one in the list.
    let mut ages: HashMap<i32, Vec<(Age, usize)>> = HashMap::new();
    let many = |sample: &StoredSample| counts.contains_key(&sample.service_no);
    for (at, sample) in samples.iter().enumerate().filter(|(_, sample)| many(sample)) {
        ages.entry(sample.service_no).or_default().push((sample.age(), at));
    }
    let oldest_kept = |(service, mut ages): (i32, Vec<(Age, usize)>)| {
        let at = ages.len() - keep;
        (service, *ages.select_nth_unstable(at).1)
    };
    let oldest: HashMap<i32, (Age, usize)> = ages.into_iter().map(oldest_kept).collect();
    let mut at = 0;
    samples.retain(|sample| {
        let age = (sample.age(), at);
        at += 1;
        oldest.get(&sample.service_no).is_none_or(|oldest| age >= *oldest)
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample((service_no, ended_ms, up): (i32, i64, u64)) -> StoredSample {
        StoredSample { service_no, ended_ms, up, ..StoredSample::default() }
    }

    proptest! {
        /// As sorting each service's samples says it.
        #[test]
        fn of_each_service_the_latest_stay(
            samples in prop::collection::vec((0..3_i32, 0..20_i64, 0..9_u64), 0..80),
            keep in 1..30_usize,
        ) {
            let samples: Vec<_> = samples.into_iter().map(sample).collect();
            let mut found = samples.clone();
            keep_latest(&mut found, keep);
            for service in 0..3 {
                let ages = |samples: &[StoredSample]| {
                    let own = samples.iter().filter(|sample| sample.service_no == service);
                    let mut ages: Vec<_> = own.map(StoredSample::age).collect();
                    ages.sort_unstable();
                    ages
                };
                let mut all = ages(&samples);
                let newest = all.split_off(all.len().saturating_sub(keep));
                prop_assert_eq!(ages(&found), newest);
            }
        }
    }
}
