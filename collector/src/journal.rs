//! What is acknowledged and not in the tables yet.
//!
//! A commit to the tables costs DuckDB a fixed time for each of their columns,
//! however few rows it has, and under load most samples are written only to be
//! forgotten. So a batch is committed as one value of one table, the journal, and
//! every few seconds what has gathered there is spread to the tables, each batch
//! once: it leaves the journal in the transaction that puts it into the tables.
//! Whoever reads waits for that, for two seconds at most; after a crash the next
//! start does it.

mod append;
mod entry;
mod latest;
mod spread;
mod spreader;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, time::Duration};

use duckdb::Connection;
use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

use crate::{
    batch::Batch,
    live::{SpanVolumes, Spans},
    stats::Failure,
};
use entry::Entry;
pub(crate) use spread::spread_all;
pub(crate) use spreader::Spreader;

/// How long what is acknowledged may wait to be spread when nobody reads.
const SPREAD_EVERY: Duration = Duration::from_secs(5);
/// With so many bytes the journal is spread at once.
const ENOUGH_BYTES: usize = 4 << 20;
/// With so many bytes nothing more is committed until it is spread.
const MOST_BYTES: usize = 16 << 20;
/// Longest time for which a reader waits for what is acknowledged.
const PATIENCE: Duration = Duration::from_secs(2);

/// How far the journal is written and spread: shared by who writes, who spreads
/// and who reads.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    state: watch::Sender<State>,
    /// Somebody does not want to wait until it is time to spread.
    wanted: Notify,
    committing: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// Number of the last batch that is committed.
    written: u64,
    /// Number of the last batch that is in the tables.
    spread: u64,
    /// Number and size of each between.
    waiting: VecDeque<(u64, usize)>,
    /// Size of all of these.
    bytes: usize,
    /// Why they cannot be spread, where that is so.
    failing: Option<Failure>,
}

impl Journal {
    /// The number of the next batch.
    pub(crate) fn next_number(&self) -> u64 {
        self.written() + 1
    }

    /// Held by whoever writes into the journal, and by who spreads it before a
    /// checkpoint: what it holds then would be written into the file, to be gone at
    /// the next one. Taken before `Lane::rewriting` and before a lane is used.
    pub(crate) fn alone(&self) -> MutexGuard<'_, ()> {
        self.committing.lock()
    }

    /// Waits for room; why there is none, where it does not come.
    pub(crate) async fn room(&self) -> Result<(), String> {
        let mut state = self.state.subscribe();
        let settled = |state: &State| state.bytes < MOST_BYTES || state.failing.is_some();
        // Who sends lives as long as this does.
        let Ok(state) = state.wait_for(settled).await else { return Ok(()) };
        match &state.failing {
            Some(failure) if state.bytes >= MOST_BYTES => Err(failure.reason.clone()),
            _ => Ok(()),
        }
    }

    /// Notes that the next batch is committed, of so many bytes.
    pub(crate) fn wrote(&self, bytes: usize) {
        self.state.send_modify(|state| {
            state.written += 1;
            state.bytes += bytes;
            state.waiting.push_back((state.written, bytes));
            if state.bytes >= ENOUGH_BYTES {
                self.wanted.notify_one();
            }
        });
    }

    /// Waits until all that is acknowledged now is in the tables, and says whether
    /// it is. Not for long, and not where that fails: for most questions an older
    /// answer is better than none.
    pub(crate) async fn caught_up(&self) -> bool {
        let mut state = self.state.subscribe();
        let written = {
            let now = state.borrow();
            if now.spread >= now.written || now.failing.is_some() {
                return now.spread >= now.written;
            }
            now.written
        };
        self.wanted.notify_one();
        let done = |state: &State| state.spread >= written || state.failing.is_some();
        match timeout(PATIENCE, state.wait_for(done)).await {
            Ok(Ok(state)) => state.spread >= written,
            _ => false,
        }
    }

    /// The number of the last batch that is committed.
    fn written(&self) -> u64 {
        self.state.borrow().written
    }

    /// The number of the last batch that is in the tables.
    fn spread(&self) -> u64 {
        self.state.borrow().spread
    }

    /// Notes that all batches up to a number are in the tables.
    fn has_spread(&self, last: u64) {
        self.state.send_modify(|state| {
            state.spread = last;
            while let Some((_, bytes)) = state.waiting.pop_front_if(|(number, _)| *number <= last) {
                state.bytes -= bytes;
            }
            if state.failing.take().is_some() {
                tracing::info!("what is acknowledged gets into the tables again");
            }
        });
    }

    /// Notes that those that wait cannot be spread, and logs it the first time.
    fn cannot_spread(&self, reason: &str) {
        self.state.send_modify(|state| {
            if state.failing.is_none() {
                tracing::warn!(%reason, "what is acknowledged does not get into the tables: it is kept in the journal, and tried again until it does");
            }
            Failure::goes_on(&mut state.failing, reason);
        });
    }

    /// Notes that nobody spreads any more.
    fn abandon(&self) {
        self.state.send_modify(|state| {
            Failure::goes_on(&mut state.failing, "nobody spreads the journal");
        });
    }

    /// Why what is acknowledged does not get into the tables, where that is so.
    pub(crate) fn behind(&self) -> Option<Failure> {
        self.state.borrow().failing.clone()
    }

    /// Waits until there is something to spread and it is time to do so; what has
    /// failed is tried at once, after whatever pause its caller makes.
    async fn due(&self) {
        let mut state = self.state.subscribe();
        let behind = state.wait_for(|state| state.spread < state.written).await;
        if behind.is_ok_and(|state| state.failing.is_none()) {
            tokio::select! {
                () = sleep(SPREAD_EVERY) => {}
                () = self.wanted.notified() => {}
            }
        }
    }
}

/// A batch as the journal holds it; of its samples only the last `keep` of each
/// service.
pub(crate) fn encode(batch: &Batch, keep: usize) -> Result<Vec<u8>, postcard::Error> {
    Entry::of(batch, keep).encode()
}

/// Commits a batch.
pub(crate) fn write(connection: &Connection, number: u64, entry: &[u8]) -> duckdb::Result<()> {
    let mut statement = connection.prepare_cached("INSERT INTO journal VALUES (?, ?)")?;
    statement.execute(duckdb::params![number, entry]).map(drop)
}

/// Adds what waits in the journal of the day and the month of some volumes.
pub(crate) fn add_waiting(
    connection: &Connection,
    spans: Spans,
    volumes: &mut SpanVolumes,
) -> duckdb::Result<()> {
    spread::each_waiting(connection, |entry| {
        for (&(service_no, bucket_ms), part) in entry.volumes.iter() {
            let (today, month) = volumes.entry(service_no).or_default();
            if spans.day().contains(&bucket_ms) {
                today.add(part.up, part.down);
            }
            if spans.month().contains(&bucket_ms) {
                month.add(part.up, part.down);
            }
        }
    })
}

/// Whether a batch of which nobody knows is committed.
pub(crate) fn holds(connection: &Connection, number: u64) -> duckdb::Result<bool> {
    connection
        .query_row("SELECT count(*) > 0 FROM journal WHERE number = ?", [number], |row| row.get(0))
}
