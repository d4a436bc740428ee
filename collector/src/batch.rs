//! One commit's worth of samples: what is new, and what it adds up to. No
//! database, no clock: the rules of "stored once" and of the roll-up alone.

mod clock;
mod identities;
mod own;
mod parts;

// Seeded like std's, and several times as fast for keys as short as these.
use foldhash::HashMap;
use komandorr_wire::{Origin, Sample};

use crate::{
    bucket::{FIVE_MINUTES_MS, HOUR_MS, bucket_of, share_out, speed},
    ranges::RangeSet,
};
pub(crate) use clock::FUTURE_TOLERANCE_MS;
use identities::Identities;
use own::OwnTraffic;
pub(crate) use parts::{ImportMark, InterfaceKey, InterfacePart, VolumePart};

/// A sample that is new, with the place that it takes.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) service_no: i32,
    pub(crate) agent_no: Option<i32>,
    pub(crate) origin: Origin,
    /// Its end on a clock that can be believed, Unix milliseconds.
    pub(crate) ended_ms: i64,
    /// When it came; imported history counts as having come when it ended.
    pub(crate) arrived_ms: i64,
    /// The agent's clock was impossible: `ended_ms` is not what it said.
    pub(crate) clock_corrected: bool,
    pub(crate) sample: Sample,
}

impl Row {
    /// What who told it had counted in all, bytes sent and received, where that is no
    /// agent of ours: what those have counted is in the service's own sums.
    pub(crate) fn foreign_totals(&self) -> (Option<u64>, Option<u64>) {
        match self.origin {
            Origin::Agent => (None, None),
            Origin::Http | Origin::Import => (self.sample.up_total, self.sample.down_total),
        }
    }
}

/// What goes into the store in one transaction.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) rows: Vec<Row>,
    /// By service and start of the five minutes.
    pub(crate) volumes: HashMap<(i32, i64), VolumePart>,
    pub(crate) interfaces: HashMap<InterfaceKey, InterfacePart>,
    /// Agent, first and last number of what this batch stores of it.
    pub(crate) ranges: Vec<(i32, u64, u64)>,
    /// Agents that the store does not know yet: number, identity, service.
    pub(crate) agents: Vec<(i32, Box<str>, i32)>,
    /// Agents that the store need not know any more.
    pub(crate) forgotten: Vec<i32>,
    pub(crate) import_marks: Vec<ImportMark>,
    /// Services that report by themselves from earlier than was known: since when,
    /// Unix milliseconds. The earliest counts.
    pub(crate) own: Vec<(i32, i64)>,
    /// Samples that were stored before.
    pub(crate) repeated: u64,
}

/// Decides what is new. What it has seen is in its memory the moment it is
/// taken, so a batch must be committed, however often that takes.
#[derive(Debug, Default)]
pub(crate) struct Batcher {
    identities: Identities,
    own: OwnTraffic,
    /// Kept from one payload to the next.
    ends: Vec<i64>,
}

impl Batcher {
    /// Takes up what the store holds of an agent.
    pub(crate) fn restore(
        &mut self,
        number: i32,
        identity: &str,
        service_no: Option<i32>,
        stored: RangeSet,
    ) {
        self.identities.restore(number, identity, service_no, stored);
    }

    /// Takes up from when a service reports by itself, Unix milliseconds.
    pub(crate) fn restore_own(&mut self, service_no: i32, since_ms: i64) {
        self.own.restore(service_no, since_ms);
    }

    /// Gives a number to nobody any more.
    pub(crate) fn skip_number(&mut self, number: i32) {
        self.identities.skip_number(number);
    }

    /// Adds the samples of a payload to a batch, but those that were stored before.
    pub(crate) fn add(
        &mut self,
        batch: &mut Batch,
        service_no: i32,
        samples: impl AsRef<[Sample]> + IntoIterator<Item = Sample>,
        arrived_ms: i64,
    ) {
        let mut ends = std::mem::take(&mut self.ends);
        // Of all of them: how far they lie apart shows in those that are stored already.
        clock::ends(samples.as_ref(), arrived_ms, &mut ends);
        for (sample, &ended_ms) in samples.into_iter().zip(&ends) {
            self.add_one(batch, service_no, sample, (ended_ms, arrived_ms));
        }
        self.ends = ends;
    }

    fn add_one(
        &mut self,
        batch: &mut Batch,
        service_no: i32,
        sample: Sample,
        (ended_ms, arrived_ms): (i64, i64),
    ) {
        let (agent_no, new) = self.number(batch, service_no, &sample);
        if !new {
            batch.repeated += 1;
            return;
        }
        let origin = Origin::of(&sample);
        let imported = origin == Origin::Import;
        let row = Row {
            service_no,
            agent_no,
            origin,
            ended_ms,
            arrived_ms: if imported { ended_ms } else { arrived_ms },
            clock_corrected: sample.ended_ms.is_some_and(|stamp_ms| stamp_ms != ended_ms),
            sample,
        };
        batch.roll_up(&row);
        batch.mark_import(&row);
        self.own.take(&row, &mut batch.own);
        batch.rows.push(row);
    }

    /// The number of the sample's agent, and whether the sample is new.
    fn number(
        &mut self,
        batch: &mut Batch,
        service_no: i32,
        sample: &Sample,
    ) -> (Option<i32>, bool) {
        let Some(id) = &sample.agent else { return (None, true) };
        let (number, new) = self.identities.take(service_no, id, batch);
        if let Some(seq) = id.seq.filter(|_| new) {
            match batch.ranges.last_mut() {
                Some((of, _, last)) if *of == number && last.checked_add(1) == Some(seq) => {
                    *last = seq;
                }
                _ => batch.ranges.push((number, seq, seq)),
            }
        }
        (Some(number), new)
    }
}

impl Batch {
    /// Keeps an import's first sample and its last of this batch.
    fn mark_import(&mut self, row: &Row) {
        let seq = row.sample.agent.as_ref().and_then(|agent| agent.seq);
        let (Origin::Import, Some(agent_no), Some(seq)) = (row.origin, row.agent_no, seq) else {
            return;
        };
        let mark = ImportMark {
            agent_no,
            service_no: row.service_no,
            seq,
            ended_ms: row.ended_ms,
            up: row.sample.up,
            down: row.sample.down,
            up_total: row.sample.up_total,
            down_total: row.sample.down_total,
        };
        match self.import_marks.last_mut() {
            Some(last) if last.agent_no == agent_no && (2..seq).contains(&last.seq) => *last = mark,
            _ => self.import_marks.push(mark),
        }
    }

    fn roll_up(&mut self, row: &Row) {
        let sample = &row.sample;
        let up_peak = speed(sample.up, sample.interval_ms);
        let down_peak = speed(sample.down, sample.interval_ms);
        let shares =
            share_out(row.ended_ms, sample.interval_ms, sample.up, sample.down, FIVE_MINUTES_MS);
        let mut last = None;
        for share in shares {
            let part = self.volumes.entry((row.service_no, share.bucket_ms)).or_default();
            part.add(&VolumePart {
                up: share.up,
                down: share.down,
                covered_ms: share.covered_ms,
                up_peak,
                down_peak,
                samples: 0,
            });
            last = Some(share.bucket_ms);
        }
        // Counted where it ends, so that counts of buckets sum to the samples.
        if let Some(part) = last.and_then(|bucket| self.volumes.get_mut(&(row.service_no, bucket)))
        {
            part.samples += 1;
        }
        let hour = bucket_of(row.ended_ms - 1, HOUR_MS);
        for interface in &sample.interfaces {
            if interface.up == 0 && interface.down == 0 {
                continue;
            }
            let key = (row.service_no, hour, interface.name.clone());
            let part = self.interfaces.entry(key).or_default();
            part.add(&interface.role, interface.counted, interface.up, interface.down);
        }
    }
}

#[cfg(test)]
mod tests {
    use komandorr_wire::AgentSeq;
    use proptest::prelude::*;

    use super::*;

    const NOON_MS: i64 = 1_795_435_200_000;

    fn numbered(seq: u64, up: u64) -> Sample {
        Sample {
            up,
            interval_ms: 5000,
            ended_ms: Some(NOON_MS + 5000 * i64::try_from(seq).unwrap()),
            agent: Some(AgentSeq { agent: "a".into(), seq: Some(seq) }),
            ..Sample::default()
        }
    }

    fn total(batch: &Batch) -> u64 {
        batch.volumes.values().map(|part| part.up).sum()
    }

    proptest! {
        #[test]
        fn a_number_counts_once_in_any_order(order in prop::collection::vec(1_u64..50, 1..300)) {
            let (mut batcher, mut batch) = (Batcher::default(), Batch::default());
            for &seq in &order {
                batcher.add(&mut batch, 1, [numbered(seq, seq)], NOON_MS + 1_000_000);
            }
            let distinct: std::collections::BTreeSet<_> = order.iter().copied().collect();
            prop_assert_eq!(batch.rows.len(), distinct.len());
            prop_assert_eq!(total(&batch), distinct.iter().sum::<u64>());
            prop_assert_eq!(batch.repeated, (order.len() - distinct.len()) as u64);
            let pieces = batch.ranges.iter().map(|&(_, first, last)| (first, last)).collect();
            let listed: Vec<u64> =
                RangeSet::from_ranges(pieces).ranges().iter().flat_map(|&(a, b)| a..=b).collect();
            prop_assert_eq!(listed, distinct.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn without_numbers_every_arrival_counts() {
        let (mut batcher, mut batch) = (Batcher::default(), Batch::default());
        let sample = Sample { up: 7, interval_ms: 1000, ..Sample::default() };
        batcher.add(&mut batch, 1, [sample.clone()], NOON_MS);
        batcher.add(&mut batch, 1, [sample], NOON_MS);
        assert_eq!((batch.rows.len(), total(&batch)), (2, 14));
    }

    #[test]
    fn an_impossible_clock_is_replaced_by_the_arrival() {
        let (mut batcher, mut batch) = (Batcher::default(), Batch::default());
        for ended_ms in [NOON_MS + 3_600_000, 1000, i64::MAX, i64::MIN] {
            let sample = Sample { interval_ms: 1, ended_ms: Some(ended_ms), ..Sample::default() };
            batcher.add(&mut batch, 1, [sample], NOON_MS);
        }
        assert!(batch.rows.iter().all(|row| row.clock_corrected && row.ended_ms == NOON_MS));
        let late =
            Sample { interval_ms: 1, ended_ms: Some(NOON_MS - 86_400_000), ..Sample::default() };
        batcher.add(&mut batch, 1, [late], NOON_MS);
        assert!(batch.rows.last().is_some_and(|row| !row.clock_corrected));
    }

    #[test]
    fn what_was_stored_before_a_restart_is_known() {
        let (mut batcher, mut batch) = (Batcher::default(), Batch::default());
        batcher.restore(4, "a", Some(1), RangeSet::from_ranges(vec![(1, 9)]));
        batcher.add(&mut batch, 1, [numbered(9, 1)], NOON_MS + 1_000_000);
        batcher.add(&mut batch, 1, [numbered(10, 1)], NOON_MS + 1_000_000);
        assert_eq!((batch.rows.len(), batch.repeated, batch.ranges), (1, 1, vec![(4, 10, 10)]));
    }
}
