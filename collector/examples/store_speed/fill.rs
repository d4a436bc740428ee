//! Years of history in minutes: the roll-ups as housekeeping leaves them.

use std::path::Path;

use duckdb::Connection;
use jiff::{Timestamp, tz::TimeZone};
use komandorr_collector::{Collector, Config};

const SERVICES: i64 = 1000;
const DAY_MS: i64 = 86_400_000;

const FIVE_MINUTES_MS: i64 = 300_000;
const HOUR_MS: i64 = 3_600_000;

/// A level of roll-up.
struct Level {
    table: &'static str,
    /// The table of the sums over all services.
    fleet: &'static str,
    bucket_ms: i64,
    /// Lengths of the blocks that it is sorted by, the long ones first.
    blocks: &'static [i64],
}

const FIVE_MINUTES: Level = Level {
    table: "five_minute_volume",
    fleet: "fleet_five_minutes",
    bucket_ms: FIVE_MINUTES_MS,
    blocks: &[32 * DAY_MS, 8 * DAY_MS, DAY_MS, 2 * HOUR_MS],
};
const HOURS: Level = Level {
    table: "hour_volume",
    fleet: "fleet_hours",
    bucket_ms: HOUR_MS,
    blocks: &[256 * DAY_MS, 32 * DAY_MS, 8 * DAY_MS, DAY_MS],
};
/// How long after its end a block is sorted, at the latest.
const SETTLED_MS: i64 = 6 * HOUR_MS;

/// So many months of five minutes, and of hours.
pub(crate) fn fill(database: &Path, months: i64, months_of_hours: i64) -> anyhow::Result<()> {
    let config = Config { path: database.to_owned(), ..Config::default() };
    drop(Collector::open(config, TimeZone::UTC)?);
    let connection = Connection::open(database)?;
    connection.execute_batch("SET preserve_insertion_order = false;")?;
    connection.execute_batch(&format!(
        "INSERT INTO service (service_no, id, name, created_at)
         SELECT nextval('service_no')::INTEGER, 'host-' || i, 'Host ' || i, now()::TIMESTAMP
         FROM range({SERVICES}) AS t (i)"
    ))?;
    let end_ms = Timestamp::now().as_millisecond();
    for (level, months) in [(FIVE_MINUTES, months), (HOURS, months_of_hours)] {
        level.fill(&connection, end_ms - months * 30 * DAY_MS, end_ms)?;
        connection.execute_batch("CHECKPOINT")?;
        size(&connection, level.table, database)?;
    }
    days(&connection)
}

impl Level {
    fn fill(&self, connection: &Connection, from_ms: i64, end_ms: i64) -> duckdb::Result<()> {
        let mut from = from_ms / DAY_MS * DAY_MS;
        while from < end_ms {
            let (to, order) = match self.sorted_until(from, end_ms) {
                Some(end) => (end, "service_no, bucket"),
                None => (end_ms / self.bucket_ms * self.bucket_ms, "bucket, service_no"),
            };
            if to <= from {
                break;
            }
            self.rows(connection, (from, to), order)?;
            from = to;
        }
        for length in self.blocks {
            let until = settled(*length, end_ms);
            connection.execute_batch(&format!(
                "INSERT INTO sorted_volume
                 VALUES ('{}', {length}, make_timestamp_ms({until}))",
                self.table
            ))?;
        }
        Ok(())
    }

    /// Up to where it lies sorted from a moment on: to the end of the longest block, or
    /// of the shorter ones in it that are over.
    fn sorted_until(&self, from: i64, end_ms: i64) -> Option<i64> {
        let within = self.blocks.iter().take(1).chain(self.blocks);
        let ends = within
            .zip(self.blocks)
            .map(|(within, length)| settled(*length, end_ms).min((from / within + 1) * within));
        ends.into_iter().find(|&end| end > from)
    }

    /// Each service has a usual speed, from 1 KB/s to 1 MB/s, and three times that
    /// downwards; each five minutes are by up to half above or below it, with peaks
    /// above that. An hour is twelve of them: their sum, and the highest of their peaks.
    fn rows(
        &self,
        connection: &Connection,
        (from, to): (i64, i64),
        order: &str,
    ) -> duckdb::Result<()> {
        let &Self { table, fleet, bucket_ms, .. } = self;
        let (buckets, seconds) = ((to - from) / bucket_ms, bucket_ms / 1000);
        let parts = bucket_ms / FIVE_MINUTES_MS;
        let sum = vec!["random()"; usize::try_from(parts).unwrap_or(1)].join(" + ");
        let speed = format!("(0.5 + ({sum}) / {parts})");
        let peak = format!("(1.5 + 2 * pow(random(), 1.0 / {parts}))");
        connection.execute_batch(&format!(
            "INSERT INTO {table}
             SELECT
                 service_no,
                 make_timestamp_ms({from} + b * {bucket_ms}) AS bucket,
                 (usual * {seconds} * {speed})::UBIGINT,
                 (usual * 3 * {seconds} * {speed})::UBIGINT,
                 {bucket_ms},
                 (usual * {peak})::UBIGINT,
                 (usual * 3 * {peak})::UBIGINT,
                 {seconds} // 5
             FROM (
                 SELECT service_no, pow(10, 3 + 3 * (hash(service_no) % 1000) / 1000.0) AS usual
                 FROM service
             ), range({buckets}) AS t (b)
             ORDER BY {order};
             INSERT INTO {fleet}
             SELECT
                 bucket, count(*), sum(up_bytes), sum(down_bytes), sum(covered_ms),
                 sum(up_bytes::HUGEINT * 1000 // greatest(covered_ms, 1)),
                 sum(down_bytes::HUGEINT * 1000 // greatest(covered_ms, 1))
             FROM {table}
             WHERE bucket >= make_timestamp_ms({from})::TIMESTAMP_MS
                 AND bucket < make_timestamp_ms({to})::TIMESTAMP_MS
             GROUP BY bucket
             ORDER BY bucket;"
        ))
    }
}

/// The last end of a block that was sorted by a moment.
fn settled(length: i64, end_ms: i64) -> i64 {
    (end_ms - length.min(SETTLED_MS)) / length * length
}

/// Each day of each service, from its hours; in the order of time, as they come.
fn days(connection: &Connection) -> anyhow::Result<()> {
    connection.execute_batch(
        "SET preserve_insertion_order = true;
         INSERT INTO day_volume
         SELECT
             service_no, date_trunc('day', bucket)::TIMESTAMP_MS AS day,
             sum(up_bytes), sum(down_bytes), sum(covered_ms), max(up_peak), max(down_peak),
             sum(samples)
         FROM hour_volume
         GROUP BY service_no, day
         ORDER BY day, service_no;
         CHECKPOINT",
    )?;
    Ok(())
}

/// What a row takes on disk, by the blocks that its table uses.
pub(crate) fn size(connection: &Connection, table: &str, database: &Path) -> anyhow::Result<()> {
    let rows: i64 =
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
    let blocks: i64 = connection.query_row(
        &format!("SELECT count(DISTINCT block_id) FROM pragma_storage_info('{table}') WHERE block_id >= 0"),
        [],
        |row| row.get(0),
    )?;
    let block_bytes: i64 = connection.query_row(
        "SELECT block_size FROM pragma_database_size() WHERE database_name = current_database()",
        [],
        |row| row.get(0),
    )?;
    #[allow(clippy::cast_precision_loss, reason = "a mean")]
    let bytes = (blocks * block_bytes) as f64 / rows.max(1) as f64;
    println!(
        "{table}: {rows} rows, {bytes:.1} bytes each; the file has {} bytes",
        std::fs::metadata(database)?.len()
    );
    Ok(())
}
