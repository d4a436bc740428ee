//! What the pipeline does, counted: for the status page and `/metrics`.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use komandorr_wire::{DecodeError, Message};
use parking_lot::Mutex;

use crate::journal::Journal;

/// How many refused payloads are kept for the status page.
const KEPT_REFUSALS: usize = 50;
/// How many of a refused payload's first bytes are kept.
const SHOWN_BYTES: usize = 32;
/// Upper bounds of the commit latency histogram, milliseconds.
pub const LATENCY_BOUNDS_MS: [u64; 10] = [1, 2, 5, 10, 25, 50, 100, 250, 1000, 5000];

/// Figures of the collector. Counters only grow.
#[derive(Debug, Default)]
pub struct Stats {
    samples: AtomicU64,
    repeated: AtomicU64,
    commits: AtomicU64,
    commit_micros: AtomicU64,
    commit_buckets: [AtomicU64; LATENCY_BOUNDS_MS.len() + 1],
    refused: [AtomicU64; DecodeError::REASONS.len()],
    refusals: Mutex<VecDeque<Refusal>>,
    failing: Mutex<Option<Failure>>,
    journal: Arc<Journal>,
}

/// A payload that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// When.
    pub at: Timestamp,
    /// To whose topic it was published.
    pub service: String,
    /// What is wrong with it.
    pub reason: String,
    /// Its length in bytes.
    pub size: usize,
    /// Its first bytes.
    pub first_bytes: Vec<u8>,
}

/// The store does not take commits, or does not get them into its tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Since when.
    pub since: Timestamp,
    /// What DuckDB says.
    pub reason: String,
}

/// All figures at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Samples stored.
    pub samples: u64,
    /// Samples that came again and were not stored again.
    pub repeated: u64,
    /// Commits.
    pub commits: u64,
    /// Time spent in commits.
    pub commit_time: Duration,
    /// Commits by duration: up to each of [`LATENCY_BOUNDS_MS`], and longer.
    pub commit_buckets: Vec<u64>,
    /// Refused payloads by reason.
    pub refused: Vec<(&'static str, u64)>,
    /// The last refused payloads, newest first.
    pub refusals: Vec<Refusal>,
    /// Why nothing can be stored, where that is so.
    pub failing: Option<Failure>,
    /// Why answers about history are old, where that is so.
    pub behind: Option<Failure>,
}

impl Failure {
    /// Notes a failure, which may have begun before.
    pub(crate) fn goes_on(failing: &mut Option<Self>, reason: &str) {
        let since = failing.as_ref().map_or_else(Timestamp::now, |failure| failure.since);
        *failing = Some(Self { since, reason: reason.to_owned() });
    }
}

impl Stats {
    /// Figures of a collector with this journal.
    pub(crate) fn new(journal: Arc<Journal>) -> Self {
        Self { journal, ..Self::default() }
    }

    /// Counts a commit; `true` when the store took none before it.
    pub(crate) fn committed(&self, samples: usize, repeated: u64, took: Duration) -> bool {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = LATENCY_BOUNDS_MS.partition_point(|&bound| bound * 1000 < micros);
        if let Some(counter) = self.commit_buckets.get(bucket) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.samples.fetch_add(samples as u64, Ordering::Relaxed);
        self.repeated.fetch_add(repeated, Ordering::Relaxed);
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.commit_micros.fetch_add(micros, Ordering::Relaxed);
        self.failing.lock().take().is_some()
    }

    /// Counts samples that came again, where nothing else came with them.
    pub(crate) fn repeated(&self, samples: u64) {
        self.repeated.fetch_add(samples, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self, message: &Message, error: &DecodeError) {
        let reason = error.reason();
        let counters = DecodeError::REASONS.iter().zip(&self.refused);
        for (_, counter) in counters.filter(|(word, _)| **word == reason) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        let mut refusals = self.refusals.lock();
        refusals.push_front(Refusal {
            at: Timestamp::from_millisecond(message.arrived_ms).unwrap_or_default(),
            service: message.service.to_string(),
            reason: error.to_string(),
            size: message.payload.len(),
            first_bytes: message.payload.iter().copied().take(SHOWN_BYTES).collect(),
        });
        refusals.truncate(KEPT_REFUSALS);
    }

    /// Notes that the store does not take commits, and logs it the first time.
    pub(crate) fn failed(&self, reason: &str) {
        let mut failing = self.failing.lock();
        if failing.is_none() {
            tracing::error!(%reason, "the database does not take samples: acknowledgements wait, and it is tried again until it does");
        }
        Failure::goes_on(&mut failing, reason);
    }

    /// Why nothing can be stored, where that is so.
    pub fn failure(&self) -> Option<Failure> {
        self.failing.lock().clone()
    }

    /// What keeps the store from its work, where something does: it takes nothing, or
    /// what it has taken cannot be asked for.
    pub fn problem(&self) -> Option<String> {
        self.failure().or_else(|| self.journal.behind()).map(|failure| failure.reason)
    }

    /// All figures at this moment.
    pub fn snapshot(&self) -> Snapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Snapshot {
            samples: read(&self.samples),
            repeated: read(&self.repeated),
            commits: read(&self.commits),
            commit_time: Duration::from_micros(read(&self.commit_micros)),
            commit_buckets: self.commit_buckets.iter().map(read).collect(),
            refused: DecodeError::REASONS
                .iter()
                .zip(&self.refused)
                .map(|(reason, counter)| (*reason, read(counter)))
                .collect(),
            refusals: self.refusals.lock().iter().cloned().collect(),
            failing: self.failure(),
            behind: self.journal.behind(),
        }
    }
}
