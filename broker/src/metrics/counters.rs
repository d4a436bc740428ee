//! Everything that is counted, with atomics.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{ConnectionCount, Held, Latency, Metrics, Refused, lines::Lines};
use crate::{gate::Transport, protocol::Version};

/// Upper bounds of the PUBACK latency buckets, in microseconds.
const LATENCY_BOUNDS_US: [u64; 14] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 60_000_000,
];

/// Everything that is counted.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) opened: [[AtomicU64; 2]; 3],
    pub(crate) open: [[AtomicU64; 2]; 3],
    pub(crate) publishes: AtomicU64,
    pub(crate) acknowledged: AtomicU64,
    pub(crate) payloads_refused: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) delivered: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) router_restarts: AtomicU64,
    /// Lines that refusals may write to the log.
    pub(crate) lines: Lines,
    refusals: Vec<AtomicU64>,
    held: [AtomicU64; Held::ALL.len()],
    latency: [AtomicU64; LATENCY_BOUNDS_US.len() + 1],
    latency_sum_us: AtomicU64,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self {
            opened: Default::default(),
            open: Default::default(),
            publishes: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            payloads_refused: AtomicU64::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            router_restarts: AtomicU64::new(0),
            lines: Lines::default(),
            refusals: Refused::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            held: Default::default(),
            latency: Default::default(),
            latency_sum_us: AtomicU64::new(0),
        }
    }

    pub(crate) fn refuse(&self, why: Refused) {
        if let Some(counter) = self.refusals.get(why as usize) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// A publisher begins to wait.
    pub(crate) fn hold(&self, why: Held) {
        if let Some(counter) = self.held.get(why as usize) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// One PUBACK, this long after its PUBLISH arrived.
    pub(crate) fn acknowledged(&self, after: Duration) {
        let us = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        let bucket = LATENCY_BOUNDS_US.partition_point(|bound| *bound < us);
        if let Some(counter) = self.latency.get(bucket) {
            counter.fetch_add(1, Relaxed);
        }
        self.latency_sum_us.fetch_add(us, Relaxed);
        self.acknowledged.fetch_add(1, Relaxed);
    }

    fn by_door<T>(table: &[[T; 2]; 3], transport: Transport, version: Version) -> Option<&T> {
        table.get(transport as usize).and_then(|row| row.get(version as usize))
    }

    fn connections(&self) -> Vec<ConnectionCount> {
        let mut counts = Vec::new();
        for transport in [Transport::Tcp, Transport::Tls, Transport::WebSocket] {
            for version in [Version::V311, Version::V5] {
                let read = |table: &[[AtomicU64; 2]; 3]| {
                    Self::by_door(table, transport, version).map_or(0, |n| n.load(Relaxed))
                };
                let (open, opened) = (read(&self.open), read(&self.opened));
                counts.push(ConnectionCount { transport, version, open, opened });
            }
        }
        counts
    }

    fn latency(&self) -> Latency {
        let mut sum = 0;
        let mut buckets = Vec::with_capacity(LATENCY_BOUNDS_US.len());
        for (bound, counter) in LATENCY_BOUNDS_US.iter().zip(&self.latency) {
            sum += counter.load(Relaxed);
            buckets.push((Duration::from_micros(*bound), sum));
        }
        let count = sum + self.latency.last().map_or(0, |n| n.load(Relaxed));
        Latency { buckets, count, sum: Duration::from_micros(self.latency_sum_us.load(Relaxed)) }
    }

    /// What the counters know; the caller adds what only the broker knows.
    pub(crate) fn snapshot(&self) -> Metrics {
        let refusals = Refused::ALL.iter().zip(&self.refusals);
        Metrics {
            connections: self.connections(),
            publishes: self.publishes.load(Relaxed),
            acknowledged: self.acknowledged.load(Relaxed),
            payloads_refused: self.payloads_refused.load(Relaxed),
            refusals: refusals.map(|(why, n)| (*why, n.load(Relaxed))).collect(),
            held: Held::ALL
                .map(|why| (why, self.held.get(why as usize).map_or(0, |n| n.load(Relaxed)))),
            bytes_in: self.bytes_in.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            delivered: self.delivered.load(Relaxed),
            lost: self.lost.load(Relaxed),
            puback_latency: self.latency(),
            router_restarts: self.router_restarts.load(Relaxed),
            unacknowledged_bytes: 0,
            retained: 0,
            clients: Vec::new(),
        }
    }
}

/// Counts an open connection by door and version, until dropped.
pub(crate) struct OpenConnection {
    counters: Arc<Counters>,
    transport: Transport,
    version: Version,
}

impl OpenConnection {
    pub(crate) fn count(counters: &Arc<Counters>, transport: Transport, version: Version) -> Self {
        let this = Self { counters: Arc::clone(counters), transport, version };
        this.change(&counters.opened, |n| n.fetch_add(1, Relaxed));
        this.change(&counters.open, |n| n.fetch_add(1, Relaxed));
        this
    }

    fn change(&self, table: &[[AtomicU64; 2]; 3], change: impl Fn(&AtomicU64) -> u64) {
        Counters::by_door(table, self.transport, self.version).map(change);
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.change(&self.counters.open, |n| n.fetch_sub(1, Relaxed));
    }
}
