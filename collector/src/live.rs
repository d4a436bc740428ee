//! What is going on now, in memory: the last samples of every service, their
//! speeds and volumes. The dashboard and every live page are served from here
//! and never wait for DuckDB.

mod agent;
mod current;
mod fleet;
mod periods;
mod service;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use jiff::{Timestamp, tz::TimeZone};
use komandorr_wire::ServiceId;
use parking_lot::RwLock;
use tokio::sync::watch;

pub use agent::AgentState;
pub use current::{Current, State, Volume};
pub use fleet::{FLEET_SLOT_MS, FleetSlot};
pub use service::{InterfaceState, KEPT_SAMPLES, RecentSample};

use crate::{
    batch::{Batch, Row},
    bucket::{DAY_MS, bucket_of},
    registry::Registry,
};
use fleet::Fleet;
use periods::Periods;
pub(crate) use periods::Spans;
use service::ServiceLive;

/// The live state of all services.
#[derive(Debug)]
pub struct Live {
    registry: Arc<Registry>,
    periods: Periods,
    state: RwLock<LiveState>,
    version: watch::Sender<u64>,
}

/// What changes with every commit.
#[derive(Debug, Default)]
struct LiveState {
    /// By the store's number.
    services: BTreeMap<i32, ServiceLive>,
    fleet: Fleet,
    /// The day and the month whose volumes the services have.
    counted: Spans,
    /// The registry's version and how many services there were here, when those
    /// that are removed were looked for.
    looked: (u64, usize),
}

/// Volumes of today and of this month, by the service's number.
pub(crate) type SpanVolumes = HashMap<i32, (Volume, Volume)>;

/// What the store knew of a service when the program started.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StoredVolumes {
    pub(crate) total: Volume,
    pub(crate) today: Volume,
    pub(crate) month: Volume,
    /// Start of the first day or five minutes with traffic, Unix milliseconds.
    pub(crate) first_ms: Option<i64>,
}

impl Live {
    pub(crate) fn new(registry: Arc<Registry>, zone: TimeZone) -> Self {
        Self {
            registry,
            periods: Periods::new(zone),
            state: RwLock::default(),
            version: watch::Sender::new(0),
        }
    }

    /// A number that changes whenever anything here does.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// The time zone in which days and months are cut.
    pub fn zone(&self) -> &TimeZone {
        self.periods.zone()
    }

    /// Every registered service, in the order of ids.
    pub fn current(&self, now: Timestamp) -> Vec<Current> {
        let spans = self.periods.at(now);
        let services = self.registry.services();
        let state = self.state.read();
        services
            .iter()
            .map(|service| Current::of(service, state.services.get(&service.number), now, spans))
            .collect()
    }

    /// One service; `None` when it is not registered.
    pub fn one(&self, id: &ServiceId, now: Timestamp) -> Option<Current> {
        let service = self.registry.get(id.as_str())?;
        let state = self.state.read();
        let live = state.services.get(&service.number);
        Some(Current::of(&service, live, now, self.periods.at(now)))
    }

    /// The last samples of a service, oldest first; at most [`KEPT_SAMPLES`].
    pub fn recent(&self, id: &ServiceId) -> Vec<RecentSample> {
        self.with(id, |live| live.recent().copied().collect()).unwrap_or_default()
    }

    /// The interfaces that a service's agent reported last.
    pub fn interfaces(&self, id: &ServiceId) -> Vec<InterfaceState> {
        self.with(id, |live| live.interfaces().to_vec()).unwrap_or_default()
    }

    /// The agents that reported as this service in the last hour; more than
    /// one is a mistake of configuration.
    pub fn agents(&self, id: &ServiceId, now: Timestamp) -> Vec<AgentState> {
        self.with(id, |live| live.agents(now)).unwrap_or_default()
    }

    /// The sum of all services over the last hour, in slots of
    /// [`FLEET_SLOT_MS`], oldest first.
    pub fn fleet_last_hour(&self, now: Timestamp) -> Vec<FleetSlot> {
        self.state.read().fleet.last_hour(now)
    }

    /// The day of UTC on which a service's traffic begins, Unix milliseconds; `None`
    /// without any. What was forgotten since the program started still counts.
    pub(crate) fn first_day(&self, service_no: i32) -> Option<i64> {
        let first_ms = self.state.read().services.get(&service_no)?.first_ms?;
        Some(bucket_of(first_ms, DAY_MS))
    }

    /// From when a service's own samples tell of traffic, `None` where it has none:
    /// history of a later time would count twice.
    pub fn own_since(&self, id: &ServiceId) -> Option<Timestamp> {
        let since_ms = self.with(id, ServiceLive::own_since_ms)??;
        Timestamp::from_millisecond(since_ms).ok()
    }

    fn with<T>(&self, id: &ServiceId, get: impl FnOnce(&ServiceLive) -> T) -> Option<T> {
        let service = self.registry.get(id.as_str())?;
        self.state.read().services.get(&service.number).map(get)
    }

    /// Takes up what the store holds of services; `spans`: what is today and this
    /// month there.
    pub(crate) fn restore(
        &self,
        spans: Spans,
        services: impl Iterator<Item = (i32, StoredVolumes)>,
    ) {
        let mut state = self.state.write();
        state.counted = spans;
        for (service_no, volumes) in services {
            state.services.entry(service_no).or_default().restore(volumes, spans);
        }
    }

    /// Today and this month, where they are not the ones whose volumes are known: a
    /// day has begun, or the clock was set.
    pub(crate) fn begun(&self, now: Timestamp) -> Option<Spans> {
        let spans = self.periods.at(now);
        (self.state.read().counted != spans).then_some(spans)
    }

    /// Takes up from when a service reports by itself, Unix milliseconds.
    pub(crate) fn restore_own(&self, service_no: i32, since_ms: i64) {
        self.state.write().services.entry(service_no).or_default().own_since(since_ms);
    }

    /// Takes up a stored sample, whose volume is in the stored sums already.
    pub(crate) fn restore_sample(&self, row: &Row) {
        let mut state = self.state.write();
        state.services.entry(row.service_no).or_default().observe(row);
        state.fleet.add(row);
    }

    /// Forgets services that were removed, be it before their last batch: then
    /// that one has brought them back.
    fn forget_removed(&self, state: &mut LiveState) {
        let version = self.registry.version();
        if state.looked != (version, state.services.len()) {
            let known: BTreeSet<_> = self.registry.services().iter().map(|s| s.number).collect();
            state.services.retain(|number, _| known.contains(number));
            state.looked = (version, state.services.len());
        }
    }

    /// Takes up what was just committed. `begun`: spans that have begun, and what all
    /// services have moved in them, the batch included; nothing where that could not be
    /// read: then they are begun again with the next batch.
    pub(crate) fn apply(
        &self,
        batch: &Batch,
        now: Timestamp,
        begun: Option<(Spans, Option<SpanVolumes>)>,
    ) {
        let spans = begun.as_ref().map_or_else(|| self.periods.at(now), |(spans, _)| *spans);
        let mut state = self.state.write();
        for row in &batch.rows {
            let service = state.services.entry(row.service_no).or_default();
            service.observe(row);
            service.count(row.sample.up, row.sample.down);
            state.fleet.add(row);
        }
        for mark in &batch.import_marks {
            if let Some((up, down)) = mark.earlier() {
                state.services.entry(mark.service_no).or_default().count(up, down);
            }
        }
        for &(service_no, since_ms) in &batch.own {
            state.services.entry(service_no).or_default().own_since(since_ms);
        }
        // Shared out already, for the roll-up.
        for (&(service_no, bucket_ms), part) in &batch.volumes {
            let service = state.services.entry(service_no).or_default();
            service.count_in_periods(bucket_ms, part, spans);
        }
        if let Some((spans, Some(volumes))) = begun {
            for (number, service) in &mut state.services {
                let (today, month) = volumes.get(number).copied().unwrap_or_default();
                service.begin(spans, today, month);
            }
            state.counted = spans;
        }
        self.forget_removed(&mut state);
        drop(state);
        self.version.send_modify(|version| *version += 1);
    }
}

#[cfg(test)]
mod tests;
