//! What keeps the store small: joining parts into buckets, forgetting what is
//! older than the settings say. On a connection of its own, beside the writer.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use duckdb::Connection;
use jiff::Timestamp;
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Config,
    bucket::{FIVE_MINUTES_MS, HOUR_MS, bucket_of},
    ranges::RangeSet,
    store::one_line,
};

/// How often parts are joined when little comes in.
const JOIN_EVERY: Duration = Duration::from_secs(30);
/// How many parts are worth joining at once under load.
const MANY_PARTS: i64 = 100_000;
/// Least time between two looks at how much has come in.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often old volumes are looked for.
const FORGET_EVERY: Duration = Duration::from_hours(1);
/// Samples above the setting that may gather before they are removed, in
/// percent: removing rewrites, so not for every row.
const SLACK_PERCENT: u64 = 25;

/// The housekeeping's thread.
#[derive(Debug)]
pub(crate) struct Housekeeper {
    pub(crate) connection: Connection,
    pub(crate) config: Config,
    pub(crate) committed: Arc<Notify>,
}

impl Housekeeper {
    /// Runs until `done`, and once more at the end.
    pub(crate) async fn run(self, done: CancellationToken) {
        let mut join = interval(JOIN_EVERY);
        join.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut forgotten = None;
        let mut looked = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = done.cancelled() => break,
                _ = join.tick() => self.tidy(true),
                () = self.committed.notified() => {
                    if looked.elapsed() < LOOK_EVERY {
                        continue;
                    }
                    looked = Instant::now();
                    self.tidy(false);
                }
            }
            if forgotten.is_none_or(|at: Instant| at.elapsed() >= FORGET_EVERY) {
                forgotten = Some(Instant::now());
                report("forgetting old volumes", self.forget_volumes());
            }
        }
        self.tidy(true);
    }

    fn tidy(&self, due: bool) {
        let parts = self.parts().unwrap_or_default();
        if parts > 0 && (due || parts >= MANY_PARTS) {
            report("joining volumes", self.join_volumes());
            report("joining stored ranges", self.join_ranges());
            let recently = Timestamp::now().as_millisecond() - 2 * HOUR_MS;
            report("joining interfaces", self.join_interfaces(recently));
            report("forgetting old samples", self.forget_samples());
        }
    }

    fn parts(&self) -> duckdb::Result<i64> {
        self.connection.query_row("SELECT count(*) FROM recent_volume", [], |row| row.get(0))
    }

    fn join_volumes(&self) -> duckdb::Result<()> {
        let first: Option<i64> = self.connection.query_row(
            "SELECT epoch_ms(min(bucket)) FROM recent_volume",
            [],
            |row| row.get(0),
        )?;
        let Some(first) = first else { return Ok(()) };
        let level = |table: &str, bucket: &str, length_ms: i64| {
            include_str!("sql/join_volumes.sql")
                .replace("{table}", table)
                .replace("{bucket}", bucket)
                .replace("{first}", &bucket_of(first, length_ms).to_string())
        };
        // In one transaction: whoever reads meanwhile sees all of it or
        // nothing. The last statement deletes only what this transaction sees,
        // so that parts which arrive meanwhile stay.
        self.transact(&format!(
            "BEGIN;
             CREATE OR REPLACE TEMP TABLE taken AS FROM recent_volume;
             {}
             {}
             DELETE FROM recent_volume;
             COMMIT;",
            level("five_minute_volume", "bucket", FIVE_MINUTES_MS),
            level("hour_volume", "date_trunc('hour', bucket)::TIMESTAMP_MS", HOUR_MS),
        ))
    }

    /// Joins neighbouring ranges: one row for an agent that loses nothing.
    fn join_ranges(&self) -> duckdb::Result<()> {
        self.connection.execute_batch("BEGIN")?;
        let joined =
            self.join_ranges_inside().and_then(|()| self.connection.execute_batch("COMMIT"));
        self.or_roll_back(joined)
    }

    fn join_ranges_inside(&self) -> duckdb::Result<()> {
        let mut pieces: BTreeMap<i32, Vec<(u64, u64)>> = BTreeMap::new();
        let mut count = 0;
        let mut statement =
            self.connection.prepare("SELECT agent_no, first_seq, last_seq FROM stored_range")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            pieces.entry(row.get(0)?).or_default().push((row.get(1)?, row.get(2)?));
            count += 1;
        }
        let joined: Vec<_> = pieces
            .into_iter()
            .map(|(agent, ranges)| (agent, RangeSet::from_ranges(ranges)))
            .collect();
        if joined.iter().map(|(_, set)| set.ranges().len()).sum::<usize>() == count {
            return Ok(());
        }
        self.connection.execute_batch("DELETE FROM stored_range")?;
        let mut appender = self.connection.appender("stored_range")?;
        for (agent, set) in &joined {
            for (first, last) in set.ranges() {
                appender.append_row(duckdb::params![agent, first, last])?;
            }
        }
        appender.flush()
    }

    /// Joins the hours since an instant; the older ones, for which late samples
    /// came, have time until the hourly round.
    fn join_interfaces(&self, since_ms: i64) -> duckdb::Result<()> {
        let since = bucket_of(since_ms, HOUR_MS).to_string();
        self.transact(&include_str!("sql/join_interfaces.sql").replace("{since}", &since))
    }

    fn forget_samples(&self) -> duckdb::Result<()> {
        let keep = u64::from(self.config.samples_per_service);
        let allowed = keep + keep * SLACK_PERCENT / 100;
        self.connection
            .execute(include_str!("sql/forget_samples.sql"), [allowed, keep])
            .map(|removed| tracing::debug!(removed, "old samples"))
    }

    fn forget_volumes(&self) -> duckdb::Result<()> {
        let kept = [
            ("five_minute_volume", self.config.keep_five_minutes),
            ("hour_volume", self.config.keep_hours),
            ("interface_volume", self.config.keep_hours),
        ];
        for (table, keep) in kept {
            let until = Timestamp::now().checked_sub(keep).unwrap_or(Timestamp::MIN);
            self.connection.execute(
                &format!("DELETE FROM {table} WHERE bucket < make_timestamp_ms(?)"),
                [until.as_millisecond()],
            )?;
        }
        self.join_interfaces(0)?;
        // What a service left that was removed while its samples came in.
        self.connection.execute_batch(include_str!("sql/forget_removed.sql"))
    }

    fn transact(&self, sql: &str) -> duckdb::Result<()> {
        self.or_roll_back(self.connection.execute_batch(sql))
    }

    fn or_roll_back(&self, done: duckdb::Result<()>) -> duckdb::Result<()> {
        if done.is_err()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::debug!(%error, "rolling back housekeeping");
        }
        done
    }
}

/// What failed is tried again next time, and nothing is lost by waiting.
fn report(attempted: &str, done: duckdb::Result<()>) {
    if let Err(error) = done {
        tracing::warn!(reason = one_line(&error), "{attempted} failed; it is tried again");
    }
}
