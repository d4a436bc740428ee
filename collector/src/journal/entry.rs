//! A batch as bytes.

mod forms;

use std::borrow::Cow;

use foldhash::{HashMap, HashSet};
use serde::{Deserialize, Serialize};

use komandorr_wire::Origin;

use super::latest::keep_latest;
use crate::batch::{Batch, ImportMark, InterfaceKey, InterfacePart, Row, VolumePart};
use forms::OlderSample;

/// First byte of an entry. A later form gets another, and this one can still be
/// read: a new version takes up what a killed older one has left.
const FORM: u8 = 3;
/// The form whose samples had their numbers.
const WITH_NUMBERS: u8 = 2;
/// The form before, that did not say from when services report by themselves.
const WITHOUT_OWN: u8 = 1;

/// What one or several batches add to the tables.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry<'a, S = StoredSample> {
    pub(super) samples: Vec<S>,
    pub(super) volumes: Cow<'a, HashMap<(i32, i64), VolumePart>>,
    pub(super) interfaces: Cow<'a, HashMap<InterfaceKey, InterfacePart>>,
    /// Agent, first and last number.
    pub(super) ranges: Cow<'a, [(i32, u64, u64)]>,
    /// Number, identity, service.
    pub(super) agents: Cow<'a, [(i32, Box<str>, i32)]>,
    /// Agents that the store need not know any more.
    pub(super) forgotten: Cow<'a, [i32]>,
    pub(super) import_marks: Cow<'a, [ImportMark]>,
    /// Service, and from when it reports by itself, Unix milliseconds. Behind the rest,
    /// so that of both forms that is the same.
    #[serde(skip)]
    pub(super) own: Cow<'a, [(i32, i64)]>,
}

/// What is kept of a sample as it came. Not its number, which the ranges have, nor
/// what only adds up to the service's own sums: a thousand of each service are kept.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct StoredSample {
    pub(super) service_no: i32,
    /// Who told it, where that is no agent of ours.
    pub(super) agent_no: Option<i32>,
    pub(super) ended_ms: i64,
    pub(super) interval_ms: u32,
    pub(super) up: u64,
    pub(super) down: u64,
    pub(super) capacity: Option<u64>,
    pub(super) cpu_percent: Option<f32>,
    pub(super) memory_percent: Option<f32>,
    pub(super) gap: bool,
    pub(super) clock_corrected: bool,
    /// What who told it had counted in all.
    pub(super) up_total: Option<u64>,
    pub(super) down_total: Option<u64>,
}

/// Sorts a service's samples by age: end, length, bytes. Of what ends together no
/// other order would be the same in whatever order it came.
pub(super) type Age = (i64, u32, u64, u64);

/// An entry that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum EntryError {
    #[error("its form {0} is not known: run the version that wrote it, or a newer one")]
    Form(u8),
    #[error("it is empty")]
    Empty,
    #[error("it is damaged: {0}")]
    Damaged(#[from] postcard::Error),
}

impl StoredSample {
    fn of(row: &Row) -> Self {
        let sample = &row.sample;
        let (up_total, down_total) = row.foreign_totals();
        Self {
            service_no: row.service_no,
            agent_no: row.agent_no.filter(|_| row.origin != Origin::Agent),
            ended_ms: row.ended_ms,
            interval_ms: u32::try_from(sample.interval_ms).unwrap_or(u32::MAX),
            up: sample.up,
            down: sample.down,
            capacity: sample.capacity,
            cpu_percent: sample.cpu_percent,
            memory_percent: sample.memory_percent,
            gap: sample.gap,
            clock_corrected: row.clock_corrected,
            up_total,
            down_total,
        }
    }

    pub(super) fn age(&self) -> Age {
        (self.ended_ms, self.interval_ms, self.up, self.down)
    }
}

impl<'a> Entry<'a> {
    pub(super) fn of(batch: &'a Batch, keep: usize) -> Self {
        let mut samples = batch.rows.iter().map(StoredSample::of).collect();
        keep_latest(&mut samples, keep);
        Self {
            samples,
            volumes: Cow::Borrowed(&batch.volumes),
            interfaces: Cow::Borrowed(&batch.interfaces),
            ranges: Cow::Borrowed(&batch.ranges),
            agents: Cow::Borrowed(&batch.agents),
            forgotten: Cow::Borrowed(&batch.forgotten),
            import_marks: Cow::Borrowed(&batch.import_marks),
            own: Cow::Borrowed(&batch.own),
        }
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_extend(&(self, &self.own), vec![FORM])
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Entry<'static>, EntryError> {
        match bytes.split_first() {
            Some((&FORM, rest)) => {
                let (entry, own): (Entry<'static>, Vec<(i32, i64)>) = postcard::from_bytes(rest)?;
                Ok(Entry { own: own.into(), ..entry })
            }
            Some((&WITH_NUMBERS, rest)) => {
                let (entry, own): (Entry<'static, OlderSample>, Vec<(i32, i64)>) =
                    postcard::from_bytes(rest)?;
                Ok(Entry { own: own.into(), ..entry.today() })
            }
            Some((&WITHOUT_OWN, rest)) => {
                let entry: Entry<'static, OlderSample> = postcard::from_bytes(rest)?;
                let entry = entry.today();
                Ok(Entry { own: entry.own_of_samples().into(), ..entry })
            }
            Some((&form, _)) => Err(EntryError::Form(form)),
            None => Err(EntryError::Empty),
        }
    }

    /// From when its samples say that services report by themselves. Whatever agent
    /// imports has left a mark.
    fn own_of_samples(&self) -> Vec<(i32, i64)> {
        let imports: HashSet<_> = self.import_marks.iter().map(|mark| mark.agent_no).collect();
        let imported = |agent_no: Option<i32>| agent_no.is_some_and(|no| imports.contains(&no));
        let own = self.samples.iter().filter(|sample| !imported(sample.agent_no));
        let begin = |sample: &StoredSample| {
            (sample.service_no, sample.ended_ms.saturating_sub(sample.interval_ms.into()))
        };
        let mut own: Vec<_> = own.map(begin).collect();
        keep_earliest(&mut own);
        own
    }

    /// Adds what came later.
    pub(super) fn add(&mut self, later: Entry<'_>) {
        self.samples.extend(later.samples);
        let volumes = self.volumes.to_mut();
        for (key, part) in later.volumes.iter() {
            volumes.entry(*key).or_default().add(part);
        }
        let interfaces = self.interfaces.to_mut();
        for (key, part) in later.interfaces.into_owned() {
            let held = interfaces.entry(key).or_default();
            held.add(&part.role, part.counted, part.up, part.down);
        }
        self.ranges.to_mut().extend_from_slice(&later.ranges);
        self.agents.to_mut().extend(later.agents.into_owned());
        self.forgotten.to_mut().extend_from_slice(&later.forgotten);
        self.import_marks.to_mut().extend_from_slice(&later.import_marks);
        self.own.to_mut().extend_from_slice(&later.own);
    }

    /// Leaves what is worth writing: of each service the last `keep` samples, in
    /// the order of time, which then takes hardly any room on disk; and of each
    /// agent's numbers as few ranges as hold exactly them; and of each service from
    /// when it reports the earliest.
    pub(super) fn condense(&mut self, keep: usize) {
        keep_latest(&mut self.samples, keep);
        self.samples.sort_by_key(|sample| (sample.ended_ms, sample.service_no, sample.age()));
        let ranges = self.ranges.to_mut();
        ranges.sort_unstable();
        ranges.dedup_by(|next, held| {
            let joins = held.0 == next.0 && held.2.checked_add(1) == Some(next.1);
            if joins {
                held.2 = next.2;
            }
            joins
        });
        keep_earliest(self.own.to_mut());
    }
}

/// Leaves of each service from when it reports the earliest, in their order.
fn keep_earliest(own: &mut Vec<(i32, i64)>) {
    own.sort_unstable();
    own.dedup_by_key(|(service_no, _)| *service_no);
}

#[cfg(test)]
mod tests;
