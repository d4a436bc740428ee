//! One service's live state.

use std::collections::VecDeque;

use jiff::Timestamp;
use komandorr_wire::{Interface, Origin};

use super::{
    StoredVolumes, Volume,
    agent::{AgentLive, AgentState, is_of_future},
    periods::{Running, Spans},
};
use crate::{
    batch::{Row, VolumePart},
    bucket::speed,
};

/// How many of a service's last samples are kept in memory, as in the seed.
pub const KEPT_SAMPLES: usize = 100;
/// Most agents of a service that are told apart: beyond it the one that was
/// silent longest is forgotten.
const MANY_AGENTS: usize = 16;
/// Interval of an agent of which only one sample over a gap is known.
const DEFAULT_INTERVAL_MS: u64 = 5_000;

/// One of the last samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecentSample {
    /// End of the interval.
    pub ended_at: Timestamp,
    /// When it arrived.
    pub arrived_at: Timestamp,
    /// Length of the interval, milliseconds.
    pub interval_ms: u64,
    /// Bytes sent in it.
    pub up_bytes: u64,
    /// Bytes received in it.
    pub down_bytes: u64,
    /// Capacity per direction that the agent reported, bytes per second.
    pub capacity_bytes_per_second: Option<u64>,
    /// Load of the host's processors.
    pub cpu_percent: Option<f32>,
    /// Memory of the host in use.
    pub memory_percent: Option<f32>,
    /// It covers time in which the agent did not run.
    pub gap: bool,
    /// Bytes that who told it had sent in all, where that is no agent of ours.
    pub up_total: Option<u64>,
    /// Bytes that it had received in all.
    pub down_total: Option<u64>,
    /// Where it comes from.
    pub origin: Origin,
}

impl RecentSample {
    /// Whether it came while our clock was ahead of what it shows now.
    pub(super) fn is_of_future(&self, now_ms: i64) -> bool {
        is_of_future(self.arrived_at, now_ms)
    }

    /// Mean speed of sending, bytes per second.
    pub fn up_bytes_per_second(&self) -> u64 {
        speed(self.up_bytes, self.interval_ms)
    }

    /// Mean speed of receiving, bytes per second.
    pub fn down_bytes_per_second(&self) -> u64 {
        speed(self.down_bytes, self.interval_ms)
    }
}

/// An interface as its agent reported it last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceState {
    /// Its part of the last sample.
    pub interface: Interface,
    /// Length of that sample's interval, milliseconds.
    pub interval_ms: u64,
}

#[derive(Debug, Default)]
pub(super) struct ServiceLive {
    /// Oldest first, by end.
    recent: VecDeque<RecentSample>,
    interfaces: Vec<InterfaceState>,
    agents: Vec<AgentLive>,
    pub(super) total: Volume,
    /// Start of the first day or five minutes with traffic, Unix milliseconds.
    pub(super) first_ms: Option<i64>,
    /// Begin of the earliest sample that is no import, Unix milliseconds.
    own_since_ms: Option<i64>,
    today: Running,
    month: Running,
}

impl ServiceLive {
    pub(super) fn restore(&mut self, volumes: StoredVolumes, spans: Spans) {
        self.total = volumes.total;
        self.first_ms = volumes.first_ms;
        self.begin(spans, volumes.today, volumes.month);
    }

    /// Takes up what it has moved so far in the day and the month that are present.
    pub(super) fn begin(&mut self, spans: Spans, today: Volume, month: Volume) {
        self.today = Running::new(spans.day(), today);
        self.month = Running::new(spans.month(), month);
    }

    /// Takes a sample among the last ones; late ones find their place by time.
    pub(super) fn observe(&mut self, row: &Row) {
        let sample = RecentSample::of(row);
        // An import counts as having come long ago.
        if row.origin != Origin::Import {
            self.forget_future(row.arrived_ms);
        }
        let newest = self.recent.back().is_none_or(|last| last.ended_at <= sample.ended_at);
        if newest {
            self.recent.push_back(sample);
        } else {
            let at = self.recent.partition_point(|known| known.ended_at <= sample.ended_at);
            self.recent.insert(at, sample);
        }
        if self.recent.len() > KEPT_SAMPLES {
            self.recent.pop_front();
        }
        if newest && !row.sample.interfaces.is_empty() {
            let state = |interface: &Interface| InterfaceState {
                interface: interface.clone(),
                interval_ms: row.sample.interval_ms,
            };
            self.interfaces = row.sample.interfaces.iter().map(state).collect();
        }
        self.observe_agent(row, sample.arrived_at);
    }

    /// Forgets what came while our clock was ahead: it would stay the last for as long
    /// as that, and look fresh.
    fn forget_future(&mut self, now_ms: i64) {
        while self.recent.back().is_some_and(|last| last.is_of_future(now_ms)) {
            self.recent.pop_back();
        }
    }

    fn observe_agent(&mut self, row: &Row, arrived_at: Timestamp) {
        // An import is no agent that runs.
        let agent_no = row.agent_no.filter(|_| row.origin != Origin::Import);
        let Some(agent_no) = agent_no else { return };
        let stamped = row.sample.ended_ms.unwrap_or(row.arrived_ms);
        let delay_ms = row.arrived_ms.saturating_sub(stamped);
        let known = self.agents.iter_mut().find(|agent| agent.state.agent_no == agent_no);
        if let Some(agent) = known {
            agent.observe(arrived_at, delay_ms, row.clock_corrected);
        } else {
            let mut agent = AgentLive::new(agent_no, arrived_at);
            agent.observe(arrived_at, delay_ms, row.clock_corrected);
            self.agents.push(agent);
        }
        if self.agents.len() > MANY_AGENTS
            && let Some((at, _)) =
                self.agents.iter().enumerate().min_by_key(|(_, agent)| agent.state.last_seen)
        {
            self.agents.swap_remove(at);
        }
        if self.agents.len() > 1 {
            self.agents.retain(|agent| agent.is_shown(arrived_at.as_millisecond()));
        }
    }

    /// Takes up that it reports by itself from then; the earliest counts.
    pub(super) fn own_since(&mut self, since_ms: i64) {
        self.own_since_ms = Some(self.own_since_ms.map_or(since_ms, |known| known.min(since_ms)));
    }

    pub(super) fn own_since_ms(&self) -> Option<i64> {
        self.own_since_ms
    }

    pub(super) fn count(&mut self, up: u64, down: u64) {
        self.total.add(up, down);
    }

    /// Adds a part of a five-minute bucket to today and this month where it lies in them.
    pub(super) fn count_in_periods(&mut self, bucket_ms: i64, part: &VolumePart, spans: Spans) {
        self.first_ms = Some(self.first_ms.map_or(bucket_ms, |first_ms| first_ms.min(bucket_ms)));
        self.today.add(spans.day(), bucket_ms, part);
        self.month.add(spans.month(), bucket_ms, part);
    }

    pub(super) fn today(&self, spans: Spans) -> Volume {
        self.today.at(spans.day_ms)
    }

    pub(super) fn month(&self, spans: Spans) -> Volume {
        self.month.at(spans.month_ms)
    }

    pub(super) fn recent(&self) -> impl ExactSizeIterator<Item = &RecentSample> {
        self.recent.iter()
    }

    pub(super) fn last(&self) -> Option<&RecentSample> {
        self.recent.back()
    }

    /// The agent's interval: of the last sample that covers no gap.
    pub(super) fn interval_ms(&self) -> u64 {
        let regular = self.recent.iter().rev().find(|sample| !sample.gap);
        regular.map_or(DEFAULT_INTERVAL_MS, |sample| sample.interval_ms)
    }

    pub(super) fn interfaces(&self) -> &[InterfaceState] {
        &self.interfaces
    }

    pub(super) fn agents(&self, now: Timestamp) -> Vec<AgentState> {
        let shown = |agent: &&AgentLive| agent.is_shown(now.as_millisecond());
        self.agents.iter().filter(shown).map(|agent| agent.state.clone()).collect()
    }
}

impl RecentSample {
    fn of(row: &Row) -> Self {
        let time = |ms| Timestamp::from_millisecond(ms).unwrap_or_default();
        let sample = &row.sample;
        let (up_total, down_total) = row.foreign_totals();
        Self {
            ended_at: time(row.ended_ms),
            arrived_at: time(row.arrived_ms),
            interval_ms: sample.interval_ms,
            up_bytes: sample.up,
            down_bytes: sample.down,
            capacity_bytes_per_second: sample.capacity,
            cpu_percent: sample.cpu_percent,
            memory_percent: sample.memory_percent,
            gap: sample.gap,
            up_total,
            down_total,
            origin: row.origin,
        }
    }
}
