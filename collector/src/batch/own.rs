//! From when services report by themselves: history of a later time would count
//! twice.

use foldhash::HashMap;
use komandorr_wire::Origin;

use super::Row;

/// The begin of the earliest row of each service that is no import.
#[derive(Debug, Default)]
pub(super) struct OwnTraffic {
    since: HashMap<i32, i64>,
    /// The service of the last row, and its begin: most often that of the next one.
    last: Option<(i32, i64)>,
}

impl OwnTraffic {
    /// Takes up what the store holds.
    pub(super) fn restore(&mut self, service_no: i32, since_ms: i64) {
        self.since.insert(service_no, since_ms);
        self.last = None;
    }

    /// Notes a row that begins before all others of its service.
    pub(super) fn take(&mut self, row: &Row, noted: &mut Vec<(i32, i64)>) {
        if row.origin == Origin::Import {
            return;
        }
        let service_no = row.service_no;
        let length_ms = i64::try_from(row.sample.interval_ms).unwrap_or(i64::MAX);
        let begin_ms = row.ended_ms.saturating_sub(length_ms);
        let since_ms = match self.last {
            Some((last, since_ms)) if last == service_no => since_ms,
            _ => self.since.get(&service_no).copied().unwrap_or(i64::MAX),
        };
        self.last = Some((service_no, since_ms.min(begin_ms)));
        if begin_ms >= since_ms {
            return;
        }
        self.since.insert(service_no, begin_ms);
        match noted.last_mut() {
            Some(last) if last.0 == service_no => last.1 = begin_ms,
            _ => noted.push((service_no, begin_ms)),
        }
    }
}

#[cfg(test)]
mod tests {
    use komandorr_wire::{AgentSeq, IMPORT_AGENT, Sample};

    use crate::batch::{Batch, Batcher};

    const NOON_MS: i64 = 1_795_435_200_000;

    fn add(batcher: &mut Batcher, service_no: i32, agent: &str, begin_ms: i64) -> Vec<(i32, i64)> {
        let mut batch = Batch::default();
        let agent = Some(AgentSeq { agent: agent.into(), seq: None });
        let ended_ms = Some(begin_ms + 5000);
        let sample = Sample { interval_ms: 5000, ended_ms, agent, ..Sample::default() };
        batcher.add(&mut batch, service_no, [sample], NOON_MS + 60_000);
        batch.own
    }

    #[test]
    fn the_earliest_begin_of_each_service_is_noted_and_no_import() {
        let mut batcher = Batcher::default();
        batcher.restore_own(3, NOON_MS - 1);
        let import = format!("{IMPORT_AGENT}a");
        assert_eq!(add(&mut batcher, 1, &import, NOON_MS - 9000), []);
        assert_eq!(add(&mut batcher, 1, "a", NOON_MS), [(1, NOON_MS)]);
        assert_eq!(add(&mut batcher, 1, "a", NOON_MS), []);
        assert_eq!(add(&mut batcher, 2, "a", NOON_MS + 7), [(2, NOON_MS + 7)]);
        assert_eq!(add(&mut batcher, 1, "b", NOON_MS + 5000), []);
        assert_eq!(add(&mut batcher, 1, "http:a", NOON_MS - 1), [(1, NOON_MS - 1)]);
        assert_eq!(add(&mut batcher, 2, "a", NOON_MS + 6), [(2, NOON_MS + 6)]);
        assert_eq!(add(&mut batcher, 3, "a", NOON_MS), []);
        assert_eq!(add(&mut batcher, 3, "a", NOON_MS - 2), [(3, NOON_MS - 2)]);
    }

    #[test]
    fn of_what_comes_in_reverse_one_begin_is_noted() {
        let (mut batcher, mut batch) = (Batcher::default(), Batch::default());
        for second in (0..50).rev() {
            let ended_ms = Some(NOON_MS + second * 1000);
            let sample = Sample { interval_ms: 1000, ended_ms, ..Sample::default() };
            batcher.add(&mut batch, 1, [sample], NOON_MS + 60_000);
        }
        assert_eq!(batch.own, [(1, NOON_MS - 1000)]);
    }
}
