//! What all clients of a run share: what is being done, and what came of it.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime},
};

use hdrhistogram::Histogram;
use std::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// Longest time that a histogram tells apart, microseconds.
const LONGEST_US: u64 = 600_000_000;
/// Digits that it tells apart: with three it would not fit a processor's cache.
const DIGITS: u8 = 2;
/// Histograms that clients share, so that they rarely wait for each other.
const SHARDS: usize = 16;

/// Times, counted by several clients at once.
pub(crate) struct Times(Vec<Mutex<Histogram<u64>>>);

impl Times {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let shard = |_| Ok(Mutex::new(Histogram::new_with_bounds(1, LONGEST_US, DIGITS)?));
        Ok(Self((0..SHARDS).map(shard).collect::<anyhow::Result<_>>()?))
    }

    /// Counts a time, `count` times; `client` only spreads the load.
    pub(crate) fn record(&self, client: usize, time: Duration, count: u64) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(LONGEST_US).clamp(1, LONGEST_US);
        let Some(Ok(mut shard)) = self.0.get(client % SHARDS).map(Mutex::lock) else { return };
        shard.saturating_record_n(micros, count);
    }

    /// All of them together.
    pub(crate) fn all(&self) -> anyhow::Result<Histogram<u64>> {
        let mut sum = Histogram::new_with_bounds(1, LONGEST_US, DIGITS)?;
        for shard in &self.0 {
            let shard = shard.lock().map_err(|_poisoned| anyhow::anyhow!("a client panicked"))?;
            sum.add(&*shard)?;
        }
        Ok(sum)
    }
}

/// The run as its clients see it.
pub(crate) struct Tally {
    /// No new samples any more; what is under way is waited for.
    pub(crate) stopping: CancellationToken,
    /// The same, for who asks before each message: a token has a lock.
    stops: AtomicBool,
    /// Nothing at all any more.
    pub(crate) over: CancellationToken,
    measuring: AtomicBool,
    /// When the agents began to publish; unset while they connect.
    begun: OnceLock<Instant>,
    /// Cancelled when they begin.
    pub(crate) begin: CancellationToken,
    pub(crate) connected: AtomicU64,
    /// Samples acknowledged since the start, warm-up included.
    pub(crate) acknowledged: AtomicU64,
    pub(crate) pubacks: Times,
    /// Longest wait for a PUBACK since somebody looked, microseconds.
    pub(crate) longest: AtomicU64,
    /// Connections that broke, as opposed to those dropped on purpose.
    pub(crate) broken: AtomicU64,
    pub(crate) churned: AtomicU64,
    /// Messages that subscribers got.
    pub(crate) delivered: AtomicU64,
    pub(crate) events: AtomicU64,
    pub(crate) freshness: Times,
    /// Requests of readers and dashboards.
    pub(crate) requests: AtomicU64,
    pub(crate) answers: Times,
    /// The first thing that went wrong, of each kind of client.
    pub(crate) troubles: Mutex<Vec<String>>,
}

impl Tally {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            stopping: CancellationToken::new(),
            stops: AtomicBool::new(false),
            over: CancellationToken::new(),
            measuring: AtomicBool::new(false),
            begun: OnceLock::new(),
            begin: CancellationToken::new(),
            connected: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            pubacks: Times::new()?,
            longest: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            churned: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            events: AtomicU64::new(0),
            freshness: Times::new()?,
            requests: AtomicU64::new(0),
            answers: Times::new()?,
            troubles: Mutex::default(),
        })
    }

    /// Lets the agents publish.
    pub(crate) fn start(&self) {
        self.begun.get_or_init(Instant::now);
        self.begin.cancel();
    }

    /// Ends the publishing.
    pub(crate) fn stop(&self) {
        self.stops.store(true, Relaxed);
        self.stopping.cancel();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stops.load(Relaxed)
    }

    /// When they began.
    pub(crate) fn begun(&self) -> Instant {
        *self.begun.get_or_init(Instant::now)
    }

    pub(crate) fn measure(&self, on: bool) {
        self.measuring.store(on, Relaxed);
    }

    pub(crate) fn is_measuring(&self) -> bool {
        self.measuring.load(Relaxed)
    }

    /// Counts PUBACKs of `samples` samples that all waited since one moment.
    pub(crate) fn acknowledge(
        &self,
        client: usize,
        (messages, samples): (u64, u64),
        waited: Duration,
    ) {
        self.acknowledged.fetch_add(samples, Relaxed);
        let micros = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        // Reading it is cheap while nobody writes.
        if self.longest.load(Relaxed) < micros {
            self.longest.fetch_max(micros, Relaxed);
        }
        if self.is_measuring() {
            self.pubacks.record(client, waited, messages);
        }
    }

    /// Notes what went wrong; a run of thousands has a few lines of it.
    pub(crate) fn trouble(&self, what: String) {
        if let Ok(mut troubles) = self.troubles.lock()
            && troubles.len() < 10
            && !troubles.contains(&what)
        {
            troubles.push(what);
        }
    }
}

/// Milliseconds since 1970.
pub(crate) fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
