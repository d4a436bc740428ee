//! One service's account: what is remembered between two reports of an agent
//! of the original, and the samples that a report becomes.

use std::cmp::Reverse;

use jiff::Timestamp;
use komandorr_collector::{live::RecentSample, read::ImportProgress};
use komandorr_wire::{
    AgentSeq, Origin, Sample,
    meter::{self, Count, Interval, MIB, Tally},
};
use tokio::time::Instant;

use super::body::{Pair, Report};

/// The interval of the original's agent, milliseconds.
const USUAL_MS: u64 = 2_000;
/// Bytes per second in the unit of `max_bandwidth`: decimal MB/s ...
const MEGABYTE: f64 = 1_000_000.0;
/// ... times two.
pub(super) const DOUBLED: f64 = 2.0;

/// When a report came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) at: Instant,
    /// Unix milliseconds.
    pub(super) ms: i64,
}

/// What is remembered of a service. Everything in it can be made again from
/// what the store holds.
#[derive(Debug, Clone, Default)]
pub(super) struct Account {
    last: Option<Last>,
    /// The last two intervals, milliseconds: the shorter one is the agent's.
    intervals: [u64; 2],
    up: Option<Tally>,
    down: Option<Tally>,
    kept: Kept,
    /// How many samples have been made.
    made: u64,
}

/// The last report.
#[derive(Debug, Clone, Copy)]
struct Last {
    /// `None` when it was before this program's start.
    at: Option<Instant>,
    ended_ms: i64,
}

/// What a report may leave out.
#[derive(Debug, Clone, Copy, Default)]
struct Kept {
    max_bandwidth: Option<f64>,
    cpu_percent: Option<f64>,
    memory_percent: Option<f64>,
}

/// A report as its agent said it; what is below zero is said as zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Said {
    /// End of the sample that it became, Unix milliseconds.
    pub(super) ended_ms: i64,
    pub(super) bandwidth: Pair,
    pub(super) total: Pair,
    pub(super) max_bandwidth: Option<f64>,
    pub(super) cpu_percent: Option<f64>,
    pub(super) memory_percent: Option<f64>,
}

/// What an agent's totals had come to at a time: its next report goes on from there.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    ended_ms: i64,
    up: Option<u64>,
    down: Option<u64>,
}

/// What one report comes to.
#[derive(Debug)]
pub(super) struct Step {
    /// To be published together.
    pub(super) samples: Vec<Sample>,
    /// To be remembered once they are.
    pub(super) account: Account,
    pub(super) said: Said,
}

impl Account {
    /// Whether an account may go on from an import.
    pub(super) fn may_follow_import(recent: &[RecentSample]) -> bool {
        let ours = recent.iter().rfind(|sample| sample.origin != Origin::Agent);
        ours.is_some_and(|last| last.origin == Origin::Import)
    }

    /// An account over what the store remembers, oldest first, and how far the
    /// original's database was imported. Totals of other sources are not the agent's.
    pub(super) fn restored(
        recent: &[RecentSample],
        imported: Option<ImportProgress>,
        now: Timestamp,
    ) -> Self {
        let posted = || recent.iter().rev().filter(|sample| sample.origin == Origin::Http);
        // The last may be of later than now. Either our clock is behind, or it was ahead
        // then and more was posted since: the agent had counted more by what came later.
        let last = [posted().next(), posted().find(|sample| sample.ended_at <= now)];
        let last = last.into_iter().flatten().max_by_key(|sample| sample.up_total);
        let anchors = [last.map(Anchor::from), imported.map(Anchor::from)];
        // Of two that end together the posted one, which is first.
        let last = anchors.into_iter().flatten().min_by_key(|anchor| Reverse(anchor.ended_ms));
        let Some(last) = last else {
            return Self { intervals: [USUAL_MS; 2], ..Self::default() };
        };
        let mut intervals = posted().filter(|sample| !sample.gap).map(|sample| sample.interval_ms);
        let mut interval = || intervals.next().unwrap_or(USUAL_MS);
        let capacity = posted().find_map(|sample| sample.capacity_bytes_per_second);
        let kept = Kept {
            max_bandwidth: capacity.map(max_bandwidth),
            cpu_percent: posted().find_map(|sample| sample.cpu_percent).map(percent),
            memory_percent: posted().find_map(|sample| sample.memory_percent).map(percent),
        };
        Self {
            last: Some(Last { at: None, ended_ms: last.ended_ms }),
            intervals: [interval(), interval()],
            up: last.up.map(Tally::restored),
            down: last.down.map(Tally::restored),
            kept,
            made: 0,
        }
    }

    /// What a report comes to. `identity` numbers the samples, where they may
    /// arrive twice.
    pub(super) fn step(&self, report: &Report, arrival: Arrival, identity: Identity<'_>) -> Step {
        let elapsed = self.last.map(|last| last.elapsed_ms(arrival));
        let usual = self.intervals.into_iter().min().unwrap_or(USUAL_MS);
        let interval = Interval::after(elapsed, usual);
        let up = count(self.up, report.bandwidth.up, report.total.up, interval);
        let down = count(self.down, report.bandwidth.down, report.total.down, interval);
        let ended_ms = match self.last {
            Some(last) if last.ended_ms == arrival.ms => arrival.ms + 1,
            _ => arrival.ms,
        };
        let kept = Kept {
            max_bandwidth: report.max_bandwidth.or(self.kept.max_bandwidth),
            cpu_percent: report.cpu_percent.or(self.kept.cpu_percent),
            memory_percent: report.memory_percent.or(self.kept.memory_percent),
        };
        let mut samples = samples(interval, ended_ms, up, down, kept);
        let mut made = self.made;
        for sample in &mut samples {
            made += 1;
            sample.agent = Some(identity.of(made));
        }
        let account = Self {
            last: Some(Last { at: Some(arrival.at), ended_ms }),
            intervals: [elapsed.unwrap_or(USUAL_MS).max(1), self.intervals[0]],
            up: up.tally,
            down: down.tally,
            kept,
            made,
        };
        Step { samples, account, said: said(report, ended_ms, kept) }
    }
}

impl From<&RecentSample> for Anchor {
    fn from(sample: &RecentSample) -> Self {
        let ended_ms = sample.ended_at.as_millisecond();
        Self { ended_ms, up: sample.up_total, down: sample.down_total }
    }
}

impl From<ImportProgress> for Anchor {
    fn from(last: ImportProgress) -> Self {
        let ended_ms = last.ended_at.as_millisecond();
        Self { ended_ms, up: last.up_total, down: last.down_total }
    }
}

impl Last {
    /// On the clock that never jumps, where it ran then already.
    fn elapsed_ms(&self, arrival: Arrival) -> u64 {
        match self.at {
            Some(at) => {
                let elapsed = arrival.at.saturating_duration_since(at);
                u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
            }
            None => u64::try_from(arrival.ms.saturating_sub(self.ended_ms)).unwrap_or_default(),
        }
    }
}

/// Under which identity samples go out.
#[derive(Debug, Clone, Copy)]
pub(super) enum Identity<'a> {
    /// They arrive once.
    Plain(&'a str),
    /// They may arrive again, and are numbered.
    Numbered(&'a str),
}

impl Identity<'_> {
    fn of(self, number: u64) -> AgentSeq {
        match self {
            Self::Plain(agent) => AgentSeq { agent: agent.into(), seq: None },
            Self::Numbered(agent) => AgentSeq { agent: agent.into(), seq: Some(number) },
        }
    }
}

fn count(before: Option<Tally>, bandwidth: f64, total: f64, interval: Interval) -> Count {
    meter::count(before, bandwidth.max(0.0) * MIB, total, interval)
}

/// One sample for the last interval, and before it one for the gap, where
/// anything was counted in it.
fn samples(interval: Interval, ended_ms: i64, up: Count, down: Count, kept: Kept) -> Vec<Sample> {
    let total = |count: Count| count.tally.map(|tally| tally.counted);
    let last = Sample {
        up: up.last,
        down: down.last,
        interval_ms: interval.last_ms(),
        ended_ms: Some(ended_ms),
        up_total: total(up),
        down_total: total(down),
        capacity: kept.max_bandwidth.and_then(capacity),
        cpu_percent: kept.cpu_percent.map(load),
        memory_percent: kept.memory_percent.map(load),
        ..Sample::default()
    };
    let Interval::Gap { before_ms, last_ms } = interval else { return vec![last] };
    if up.gap == 0 && down.gap == 0 {
        return vec![last];
    }
    let before = |total: Option<u64>, count: Count| total.map(|total| total - count.last);
    let gap = Sample {
        up: up.gap,
        down: down.gap,
        interval_ms: before_ms,
        ended_ms: Some(ended_ms - i64::try_from(last_ms).unwrap_or_default()),
        up_total: before(last.up_total, up),
        down_total: before(last.down_total, down),
        gap: true,
        ..Sample::default()
    };
    vec![gap, last]
}

fn said(report: &Report, ended_ms: i64, kept: Kept) -> Said {
    let shown = |pair: Pair| Pair { up: pair.up.max(0.0), down: pair.down.max(0.0) };
    Said {
        ended_ms,
        bandwidth: shown(report.bandwidth),
        total: shown(report.total),
        max_bandwidth: kept.max_bandwidth,
        cpu_percent: kept.cpu_percent,
        memory_percent: kept.memory_percent,
    }
}

/// Bytes per second and direction of a `max_bandwidth`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded when read")]
fn capacity(max_bandwidth: f64) -> Option<u64> {
    let capacity = (max_bandwidth / DOUBLED * MEGABYTE).round();
    (capacity >= 1.0).then_some(capacity as u64)
}

/// The `max_bandwidth` of a capacity per direction.
#[allow(clippy::cast_precision_loss, reason = "capacities are far below 2^53")]
pub(super) fn max_bandwidth(capacity: u64) -> f64 {
    capacity as f64 / MEGABYTE * DOUBLED
}

/// A load as samples carry it.
#[allow(clippy::cast_possible_truncation, reason = "0 to 100")]
fn load(percent: f64) -> f32 {
    percent.clamp(0.0, 100.0) as f32
}

/// A load as the original tells it: one decimal.
pub(super) fn percent(load: f32) -> f64 {
    (f64::from(load) * 10.0).round() / 10.0
}

/// A speed as the original tells it: MiB/s with two decimals.
#[allow(clippy::cast_precision_loss, reason = "speeds are far below 2^53")]
pub(super) fn bandwidth(bytes_per_second: u64) -> f64 {
    (bytes_per_second as f64 / MIB * 100.0).round() / 100.0
}

/// A volume as the original tells it: GiB with three decimals.
pub(super) fn total(bytes: u64) -> f64 {
    meter::rounded(bytes)
}

#[cfg(test)]
mod tests;
