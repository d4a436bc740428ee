//! What keeps the store small and quick: joining parts into buckets, sorting
//! what is old by service, forgetting what is older than the settings say,
//! giving space back. On a connection of its own, beside the writer.

mod compact;
mod forget;
mod join;
mod sort;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use duckdb::Connection;
use jiff::Timestamp;
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

use sort::Sorter;

use crate::{
    Config,
    read::Past,
    store::{Lane, one_line, or_roll_back},
};

/// How often parts are joined when little comes in.
const JOIN_EVERY: Duration = Duration::from_secs(30);
/// How many parts are worth joining at once under load.
const MANY_PARTS: i64 = 100_000;
/// How many samples above what the last round left are worth removing at once:
/// under load half a minute's would make the file several times as large.
const MANY_SAMPLES: i64 = 500_000;
/// Least time between two looks at how much has come in.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often old volumes are looked for.
const FORGET_EVERY: Duration = Duration::from_hours(1);
/// How often closed blocks are looked for that can be sorted.
const SORT_EVERY: Duration = Duration::from_mins(10);
/// Pause between two slices of a block, in which the writer has the disk.
const SORT_PAUSE: Duration = Duration::from_millis(500);

/// The housekeeping's thread.
#[derive(Debug)]
pub(crate) struct Housekeeper {
    lane: Lane,
    config: Config,
    past: Arc<Past>,
    /// Told when samples have come into the tables.
    spread: Arc<Notify>,
    sorter: Sorter,
    /// Samples that the last round left.
    samples: i64,
    /// Which part of the interfaces' past the next hourly round looks at.
    part: i64,
}

impl Housekeeper {
    pub(crate) fn new(lane: Lane, config: Config, past: Arc<Past>, spread: Arc<Notify>) -> Self {
        Self { lane, config, past, spread, sorter: Sorter::default(), samples: 0, part: 0 }
    }

    /// Runs until `done`, and once more at the end.
    pub(crate) async fn run(mut self, done: CancellationToken) {
        let mut join = interval(JOIN_EVERY);
        join.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut forgotten = None;
        let mut looked = Instant::now();
        let mut sort = Instant::now() + SORT_PAUSE;
        loop {
            tokio::select! {
                biased;
                () = done.cancelled() => break,
                _ = join.tick() => self.tidy(true),
                () = sleep_until(sort) => sort = Instant::now() + self.sort(),
                () = self.spread.notified() => {
                    if looked.elapsed() < LOOK_EVERY {
                        continue;
                    }
                    looked = Instant::now();
                    self.tidy(false);
                }
            }
            if forgotten.is_none_or(|at: Instant| at.elapsed() >= FORGET_EVERY) {
                forgotten = Some(Instant::now());
                self.forget();
                self.compact(false);
            }
        }
        self.tidy(true);
        self.compact(true);
    }

    fn forget(&mut self) {
        let _rewriting = self.lane.rewriting();
        let forgot =
            self.lane.with(|c| forget::volumes(c, &self.past, &self.config, Timestamp::now()));
        report("forgetting old volumes", forgot);
        let part = self.part;
        report("joining old interfaces", self.lane.with(|c| join::old_interfaces(c, part)));
        self.part += 1;
    }

    fn compact(&self, alone: bool) {
        let _rewriting = self.lane.rewriting();
        if let Err(error) = self.lane.with(|connection| compact::small_file(connection, alone)) {
            // Somebody writes at this moment; it has time.
            tracing::debug!(reason = one_line(&error), "making the file smaller");
        }
    }

    fn tidy(&mut self, due: bool) {
        let parts = self.lane.with(join::parts).unwrap_or_default();
        let samples = self.lane.with(forget::count).unwrap_or_default();
        let many = parts >= MANY_PARTS || samples - self.samples >= MANY_SAMPLES;
        if parts > 0 && (due || many) {
            let _rewriting = self.lane.rewriting();
            report("joining volumes", self.lane.with(|c| join::volumes(c, &self.past)));
            report("joining stored ranges", self.lane.with(join::ranges));
            report("joining interfaces", self.lane.with(join::new_interfaces));
            let keep = u64::from(self.config.samples_per_service);
            let forgot = self.lane.with(|c| forget::samples(c, keep, Timestamp::now()));
            report("forgetting old samples", forgot);
            self.samples = self.lane.with(forget::count).unwrap_or_default();
        }
    }

    /// Sorts a slice of what is due; when to look again.
    fn sort(&mut self) -> Duration {
        let _rewriting = self.lane.rewriting();
        let sorter = &mut self.sorter;
        match self.lane.with(|connection| sorter.next_slice(connection, Timestamp::now())) {
            Ok(true) => SORT_PAUSE,
            Ok(false) => SORT_EVERY,
            Err(error) => {
                report("sorting volumes", Err(error));
                SORT_EVERY
            }
        }
    }
}

/// What failed is tried again next time, and nothing is lost by waiting.
fn report(attempted: &str, done: duckdb::Result<()>) {
    if let Err(error) = done {
        tracing::warn!(reason = one_line(&error), "{attempted} failed; it is tried again");
    }
}

/// Runs statements that begin and commit a transaction; on an error nothing of
/// them has happened.
fn transact(connection: &Connection, sql: &str) -> duckdb::Result<()> {
    or_roll_back(connection, connection.execute_batch(sql))
}
