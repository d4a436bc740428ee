//! Entries of earlier forms.

use serde::{Deserialize, Serialize};

use super::{Entry, StoredSample};

/// A sample as forms 1 and 2 had it, with what every agent says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OlderSample {
    service_no: i32,
    agent_no: Option<i32>,
    seq: Option<u64>,
    ended_ms: i64,
    interval_ms: u32,
    up: u64,
    down: u64,
    capacity: Option<u64>,
    cpu_percent: Option<f32>,
    memory_percent: Option<f32>,
    gap: bool,
    clock_corrected: bool,
    up_total: Option<u64>,
    down_total: Option<u64>,
}

impl From<OlderSample> for StoredSample {
    fn from(older: OlderSample) -> Self {
        Self {
            service_no: older.service_no,
            agent_no: older.agent_no,
            ended_ms: older.ended_ms,
            interval_ms: older.interval_ms,
            up: older.up,
            down: older.down,
            capacity: older.capacity,
            cpu_percent: older.cpu_percent,
            memory_percent: older.memory_percent,
            gap: older.gap,
            clock_corrected: older.clock_corrected,
            up_total: older.up_total,
            down_total: older.down_total,
        }
    }
}

impl<'a> Entry<'a, OlderSample> {
    /// The same in the form of today.
    pub(super) fn today(self) -> Entry<'a> {
        Entry {
            samples: self.samples.into_iter().map(StoredSample::from).collect(),
            volumes: self.volumes,
            interfaces: self.interfaces,
            ranges: self.ranges,
            agents: self.agents,
            forgotten: self.forgotten,
            import_marks: self.import_marks,
            own: self.own,
        }
    }
}
