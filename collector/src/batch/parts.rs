//! What a batch adds up to.

use serde::{Deserialize, Serialize};

/// What one commit adds to a five-minute bucket of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct VolumePart {
    pub(crate) up: u64,
    pub(crate) down: u64,
    pub(crate) covered_ms: u64,
    pub(crate) up_peak: u64,
    pub(crate) down_peak: u64,
    pub(crate) samples: u32,
}

/// What one commit adds to an interface's hour.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct InterfacePart {
    pub(crate) role: Box<str>,
    pub(crate) counted: bool,
    pub(crate) up: u64,
    pub(crate) down: u64,
}

/// Service, start of the hour, name of the interface.
pub(crate) type InterfaceKey = (i32, i64, Box<str>);

/// How far an import has come: its first sample, or one of its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImportMark {
    pub(crate) agent_no: i32,
    pub(crate) service_no: i32,
    pub(crate) seq: u64,
    pub(crate) ended_ms: i64,
    pub(crate) up: u64,
    pub(crate) down: u64,
    pub(crate) up_total: Option<u64>,
    pub(crate) down_total: Option<u64>,
}

impl VolumePart {
    /// Adds another part of the same bucket.
    pub(crate) fn add(&mut self, other: &Self) {
        self.up = self.up.saturating_add(other.up);
        self.down = self.down.saturating_add(other.down);
        self.covered_ms = self.covered_ms.saturating_add(other.covered_ms);
        self.up_peak = self.up_peak.max(other.up_peak);
        self.down_peak = self.down_peak.max(other.down_peak);
        self.samples = self.samples.saturating_add(other.samples);
    }
}

impl InterfacePart {
    /// Adds what came later in the same hour: what that says the interface is
    /// holds. Hardly ever another thing, so that the word is seldom copied.
    pub(crate) fn add(&mut self, role: &str, counted: bool, up: u64, down: u64) {
        if *self.role != *role {
            self.role = role.into();
        }
        self.counted = counted;
        self.up = self.up.saturating_add(up);
        self.down = self.down.saturating_add(down);
    }
}

impl ImportMark {
    /// What the source had counted before its first sample, bytes sent and
    /// received: volume of which only the sum is known.
    pub(crate) fn earlier(&self) -> Option<(u64, u64)> {
        let before = |total: Option<u64>, bytes: u64| total.unwrap_or(bytes).saturating_sub(bytes);
        let earlier = (before(self.up_total, self.up), before(self.down_total, self.down));
        (self.seq == 1).then_some(earlier)
    }
}
