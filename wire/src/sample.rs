//! The sample: what an agent counted in one interval.

/// Version of the sample's schema, the key `v`.
pub const SCHEMA_VERSION: u64 = 1;
/// Longest interval that one sample may cover: 31 days, in milliseconds.
pub const MAX_INTERVAL_MS: u64 = 2_678_400_000;
/// Most samples that one payload may carry.
pub const MAX_SAMPLES_PER_PAYLOAD: usize = 1000;
/// Most time that the samples of one payload may cover together: 1000 days, in
/// milliseconds. It is shared out among buckets of five minutes.
pub const MAX_COVERED_MS: u64 = 86_400_000_000;
/// Most interfaces that one sample may list. A host with thousands of
/// containers has thousands of veth pairs; their sum still fits a packet.
pub const MAX_INTERFACES: usize = 4096;
/// Longest identity or name in a sample, in bytes.
pub const MAX_TEXT: usize = 64;
/// Most bytes that one interval or total can carry: what a signed 64-bit
/// column holds. No counter of a real host comes near.
const MAX_BYTES: u64 = i64::MAX as u64;

/// What one agent counted in one interval. Bytes are counted, speeds derived.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sample {
    /// Bytes sent in the interval.
    pub up: u64,
    /// Bytes received in the interval.
    pub down: u64,
    /// Length of the interval in milliseconds on a clock that never jumps.
    pub interval_ms: u64,
    /// Wall-clock end of the interval, Unix milliseconds; `None`: time of arrival, or in
    /// an array of numbered samples where the next one begins.
    pub ended_ms: Option<i64>,
    /// Who counted, and which of its samples this is.
    pub agent: Option<AgentSeq>,
    /// Identity of the host's boot.
    pub boot: Option<Box<str>>,
    /// Bytes sent since the agent's state began; survives reboots, never falls.
    pub up_total: Option<u64>,
    /// Bytes received since the agent's state began.
    pub down_total: Option<u64>,
    /// Link capacity per direction, bytes per second.
    pub capacity: Option<u64>,
    /// Load of the whole host's processors, percent.
    pub cpu_percent: Option<f32>,
    /// Memory of the whole host in use, percent.
    pub memory_percent: Option<f32>,
    /// The interval covers time in which the agent did not run.
    pub gap: bool,
    /// The same per interface, counted ones and others.
    pub interfaces: Vec<Interface>,
}

/// Identity of an agent's state on disk, with the number of one of its samples.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AgentSeq {
    /// Identity of the state; a new state is a new identity.
    pub agent: Box<str>,
    /// Counts that agent's samples from 1; `None`: it does not number them.
    pub seq: Option<u64>,
}

/// One interface's part of a sample.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Interface {
    /// The system's name for it.
    pub name: Box<str>,
    /// What it is: `physical`, `bridge`, `tunnel`, ...
    pub role: Box<str>,
    /// Bytes sent in the interval.
    pub up: u64,
    /// Bytes received in the interval.
    pub down: u64,
    /// Bytes sent since the agent's state began.
    pub up_total: Option<u64>,
    /// Bytes received since the agent's state began.
    pub down_total: Option<u64>,
    /// Whether it is part of the sample's sums.
    pub counted: bool,
}

/// A value that the contract does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` must be {allowed}")]
pub struct InvalidSample {
    /// The key on the wire.
    pub key: &'static str,
    /// What the contract allows there.
    pub allowed: &'static str,
}

impl Sample {
    /// Checks every bound of the contract.
    pub fn validate(&self) -> Result<(), InvalidSample> {
        let bytes = "at most 2^63-1 bytes";
        check(self.up <= MAX_BYTES, "up", bytes)?;
        check(self.down <= MAX_BYTES, "down", bytes)?;
        check(self.up_total.is_none_or(|n| n <= MAX_BYTES), "up_total", bytes)?;
        check(self.down_total.is_none_or(|n| n <= MAX_BYTES), "down_total", bytes)?;
        let interval = (1..=MAX_INTERVAL_MS).contains(&self.interval_ms);
        check(interval, "dt", "1 to 2678400000 ms (31 days)")?;
        let capacity = self.capacity.is_none_or(|n| (1..=MAX_BYTES).contains(&n));
        check(capacity, "cap", "1 to 2^63-1 bytes per second")?;
        let text = "a text of 1 to 64 bytes";
        check(self.boot.as_deref().is_none_or(is_name), "boot", text)?;
        if let Some(agent) = &self.agent {
            check(is_name(&agent.agent), "agent", text)?;
            let numbered = agent.seq.is_none_or(|n| (1..=MAX_BYTES).contains(&n));
            check(numbered, "seq", "counted from 1")?;
        }
        let percent = "0 to 100";
        check(self.cpu_percent.is_none_or(is_percent), "cpu", percent)?;
        check(self.memory_percent.is_none_or(is_percent), "mem", percent)?;
        check(self.interfaces.len() <= MAX_INTERFACES, "ifs", "at most 4096 interfaces")?;
        self.interfaces.iter().try_for_each(Interface::validate)
    }
}

impl Interface {
    fn validate(&self) -> Result<(), InvalidSample> {
        let volumes = [Some(self.up), Some(self.down), self.up_total, self.down_total];
        let fits = volumes.into_iter().flatten().all(|n| n <= MAX_BYTES);
        check(fits, "ifs", "a list of interfaces with at most 2^63-1 bytes each")?;
        let named = is_name(&self.name) && self.role.len() <= MAX_TEXT;
        check(named, "ifs", "a list of interfaces with names and roles of at most 64 bytes")
    }
}

fn check(ok: bool, key: &'static str, allowed: &'static str) -> Result<(), InvalidSample> {
    if ok { Ok(()) } else { Err(InvalidSample { key, allowed }) }
}

fn is_name(text: &str) -> bool {
    (1..=MAX_TEXT).contains(&text.len())
}

/// A host with several processors never shows more than 100 %, but rounding
/// at its source may.
fn is_percent(value: f32) -> bool {
    (0.0..=100.5).contains(&value)
}
