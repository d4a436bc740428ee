//! A service as it is now: what cards, tables, streams and the API show.

use jiff::Timestamp;
use komandorr_wire::ServiceId;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    periods::Spans,
    service::{RecentSample, ServiceLive},
};
use crate::registry::Service;

/// A service is silent after this many of its intervals without a sample ...
const SILENT_INTERVALS: u64 = 3;
/// ... but not before this time, milliseconds.
const SILENT_AT_LEAST_MS: u64 = 15_000;
/// Below this speed in both directions a service idles, bytes per second.
const IDLE_BELOW: u64 = 1_000;

/// What a service is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Its samples are fresh.
    Live,
    /// Fresh, but under 1 KB/s both ways.
    Idle,
    /// No sample for three intervals, at least 15 s.
    Silent,
    /// Never a sample.
    New,
}

impl State {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Idle => "idle",
            Self::Silent => "silent",
            Self::New => "new",
        }
    }
}

/// Bytes in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct Volume {
    /// Sent.
    pub up_bytes: u64,
    /// Received.
    pub down_bytes: u64,
}

impl Volume {
    /// Both directions together.
    pub fn total(self) -> u64 {
        self.up_bytes.saturating_add(self.down_bytes)
    }

    pub(crate) fn add(&mut self, up: u64, down: u64) {
        self.up_bytes = self.up_bytes.saturating_add(up);
        self.down_bytes = self.down_bytes.saturating_add(down);
    }
}

/// A service as it is now; in JSON as the contract says, section 3.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Current {
    /// Its id.
    #[schema(value_type = String, example = "edge-fra-01")]
    pub service: ServiceId,
    /// What people call it.
    pub name: String,
    /// The group it is shown in.
    #[schema(required)]
    pub group: Option<String>,
    /// What it is doing.
    pub state: State,
    /// Speed of sending; 0 when silent, unknown when new.
    #[schema(required)]
    pub up_bytes_per_second: Option<u64>,
    /// Speed of receiving; 0 when silent, unknown when new.
    #[schema(required)]
    pub down_bytes_per_second: Option<u64>,
    /// Bytes sent since its first sample.
    pub up_bytes_total: u64,
    /// Bytes received since its first sample.
    pub down_bytes_total: u64,
    /// Capacity per direction.
    #[schema(required)]
    pub capacity_bytes_per_second: Option<u64>,
    /// The busier direction's part of the capacity, 0 to 100.
    #[schema(required)]
    pub utilisation_percent: Option<f64>,
    /// Load of the host's processors.
    #[schema(required)]
    pub cpu_percent: Option<f32>,
    /// Memory of the host in use.
    #[schema(required)]
    pub memory_percent: Option<f32>,
    /// End of the last sample's interval.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub sampled_at: Option<Timestamp>,
    /// Interval of its agent.
    #[schema(required)]
    pub interval_seconds: Option<f64>,
    /// Volume of today in the site's time zone.
    pub today: Volume,
    /// Volume of this month in the site's time zone.
    pub month: Volume,
}

impl Current {
    pub(super) fn of(
        service: &Service,
        live: Option<&ServiceLive>,
        now: Timestamp,
        spans: Spans,
    ) -> Self {
        let last = live.and_then(ServiceLive::last);
        let state = last.zip(live).map_or(State::New, |(last, live)| state(last, live, now));
        // A host that says nothing has no speed that anybody knows of now.
        let speed = |of: fn(&RecentSample) -> u64| {
            last.map(|sample| if state == State::Silent { 0 } else { of(sample) })
        };
        let up = speed(RecentSample::up_bytes_per_second);
        let down = speed(RecentSample::down_bytes_per_second);
        let reported = last.and_then(|sample| sample.capacity_bytes_per_second);
        let capacity = service.capacity_bytes_per_second.or(reported);
        let volume = |of: fn(&ServiceLive, Spans) -> Volume| {
            live.map(|live| of(live, spans)).unwrap_or_default()
        };
        let total = live.map(|live| live.total).unwrap_or_default();
        Self {
            service: service.id.clone(),
            name: service.name.clone(),
            group: service.group.clone(),
            state,
            up_bytes_per_second: up,
            down_bytes_per_second: down,
            up_bytes_total: total.up_bytes,
            down_bytes_total: total.down_bytes,
            capacity_bytes_per_second: capacity,
            utilisation_percent: utilisation(up.max(down), capacity),
            cpu_percent: last.and_then(|sample| sample.cpu_percent),
            memory_percent: last.and_then(|sample| sample.memory_percent),
            sampled_at: last.map(|sample| sample.ended_at),
            interval_seconds: live
                .filter(|_| last.is_some())
                .map(|live| interval(live.interval_ms())),
            today: volume(ServiceLive::today),
            month: volume(ServiceLive::month),
        }
    }

    /// Both directions together, bytes per second.
    pub fn total_bytes_per_second(&self) -> u64 {
        let (up, down) = (self.up_bytes_per_second, self.down_bytes_per_second);
        up.unwrap_or_default().saturating_add(down.unwrap_or_default())
    }
}

/// A sample is fresh by when it arrived: the agent's clock may be off. Of one that
/// came while our own was ahead nobody knows how old it is.
fn state(last: &RecentSample, live: &ServiceLive, now: Timestamp) -> State {
    let now_ms = now.as_millisecond();
    let age_ms = now_ms.saturating_sub(last.arrived_at.as_millisecond());
    let silent_after = (live.interval_ms() * SILENT_INTERVALS).max(SILENT_AT_LEAST_MS);
    let old = age_ms > i64::try_from(silent_after).unwrap_or(i64::MAX);
    if old || last.is_of_future(now_ms) {
        State::Silent
    } else if last.up_bytes_per_second().max(last.down_bytes_per_second()) < IDLE_BELOW {
        State::Idle
    } else {
        State::Live
    }
}

fn utilisation(speed: Option<u64>, capacity: Option<u64>) -> Option<f64> {
    let (speed, capacity) = speed.zip(capacity.filter(|&capacity| capacity > 0))?;
    Some((as_float(speed) / as_float(capacity) * 100.0).min(100.0))
}

/// An agent's interval in seconds. Its samples are a few milliseconds longer
/// or shorter; from a second up the interval itself is in tenths.
fn interval(ms: u64) -> f64 {
    if ms < 1000 { as_float(ms) / 1000.0 } else { as_float((ms + 50) / 100) / 10.0 }
}

#[allow(clippy::cast_precision_loss, reason = "speeds and intervals are far below 2^53")]
fn as_float(number: u64) -> f64 {
    number as f64
}
