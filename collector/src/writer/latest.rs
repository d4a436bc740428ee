//! Which rows of a batch are worth keeping as they came.

use foldhash::{HashMap, HashMapExt as _};

use crate::batch::Row;

/// Sorts a service's rows by age: end, number, place in the batch.
type Age = (i64, Option<u64>, usize);

/// Of each service at most `keep` rows, the latest; in their order. The last
/// `keep` samples of a service are kept, so others of the same batch would only
/// be written to be forgotten.
pub(super) fn latest(rows: &[Row], keep: usize) -> Vec<&Row> {
    if rows.len() <= keep {
        return rows.iter().collect();
    }
    let mut counts: HashMap<i32, usize> = HashMap::new();
    for row in rows {
        *counts.entry(row.service_no).or_default() += 1;
    }
    let mut ages: HashMap<i32, Vec<Age>> = HashMap::new();
    counts.retain(|_, count| *count > keep);
    for (at, row) in rows.iter().enumerate().filter(|(_, row)| counts.contains_key(&row.service_no))
    {
        ages.entry(row.service_no).or_default().push(age(at, row));
    }
    let oldest_kept = |(service, mut ages): (i32, Vec<Age>)| {
        let at = ages.len() - keep;
        (service, *ages.select_nth_unstable(at).1)
    };
    let oldest: HashMap<i32, Age> = ages.into_iter().map(oldest_kept).collect();
    let kept = |(at, row): &(usize, &Row)| {
        oldest.get(&row.service_no).is_none_or(|oldest| age(*at, row) >= *oldest)
    };
    rows.iter().enumerate().filter(kept).map(|(_, row)| row).collect()
}

fn age(at: usize, row: &Row) -> Age {
    (row.ended_ms, row.sample.agent.as_ref().and_then(|agent| agent.seq), at)
}

#[cfg(test)]
mod tests {
    use komandorr_wire::{AgentSeq, Origin, Sample};
    use proptest::prelude::*;

    use super::*;

    fn row((service_no, ended_ms, seq): (i32, i64, Option<u64>)) -> Row {
        let agent = seq.map(|seq| AgentSeq { agent: "a".into(), seq: Some(seq) });
        Row {
            service_no,
            agent_no: None,
            origin: Origin::of(&Sample::default()),
            ended_ms,
            arrived_ms: ended_ms,
            clock_corrected: false,
            sample: Sample { agent, ..Sample::default() },
        }
    }

    proptest! {
        /// As sorting each service's rows says it.
        #[test]
        fn of_each_service_the_latest_stay(
            rows in prop::collection::vec((0..3_i32, 0..20_i64, prop::option::of(0..9_u64)), 0..80),
            keep in 1..30_usize,
        ) {
            let rows: Vec<Row> = rows.into_iter().map(row).collect();
            let found = latest(&rows, keep);
            for service in 0..3 {
                let of = |row: &&Row| row.service_no == service;
                let mut all: Vec<_> =
                    rows.iter().enumerate().filter(|(_, row)| of(row)).map(|(at, row)| age(at, row)).collect();
                all.sort_unstable();
                let newest = all.split_off(all.len().saturating_sub(keep));
                let found: Vec<_> = found.iter().copied().filter(of).collect();
                prop_assert_eq!(found.len(), newest.len());
                let mut kept: Vec<_> = found.iter().map(|row| age(0, row)).map(|(e, s, _)| (e, s)).collect();
                kept.sort_unstable();
                let newest: Vec<_> = newest.into_iter().map(|(e, s, _)| (e, s)).collect();
                prop_assert_eq!(kept, newest);
            }
        }
    }
}
