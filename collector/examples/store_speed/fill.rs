//! Years of history in seconds: the roll-ups as housekeeping leaves them.

use std::path::Path;

use duckdb::Connection;
use jiff::{Timestamp, tz::TimeZone};
use komandorr_collector::{Collector, Config};

const SERVICES: i64 = 1000;
const DAY_MS: i64 = 86_400_000;

const HOUR_MS: i64 = 3_600_000;

/// Tables with the length of their buckets and of the blocks that they are
/// sorted by, the long ones first.
const LEVELS: [(&str, &str, i64, &[i64]); 2] = [
    (
        "five_minute_volume",
        "fleet_five_minutes",
        300_000,
        &[32 * DAY_MS, 8 * DAY_MS, DAY_MS, 2 * HOUR_MS],
    ),
    ("hour_volume", "fleet_hours", HOUR_MS, &[256 * DAY_MS, 8 * DAY_MS, DAY_MS]),
];
/// How long after its end a block is sorted, at the latest.
const SETTLED_MS: i64 = 6 * HOUR_MS;

pub(crate) fn fill(database: &Path, months: i64) -> anyhow::Result<()> {
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
    let begin_ms = (end_ms - months * 30 * DAY_MS) / DAY_MS * DAY_MS;
    for (table, fleet, bucket_ms, blocks) in LEVELS {
        let mut from = begin_ms;
        while from < end_ms {
            // The next end of a block that is sorted, the longest that fits.
            let mut ends = blocks.iter().map(|length| ((from / length + 1) * length, length));
            let sorted = ends.find(|&(end, length)| end + length.min(&SETTLED_MS) <= end_ms);
            let (to, order) = match sorted.map(|(end, _)| end) {
                Some(end) => (end, "service_no, bucket"),
                None => (end_ms / bucket_ms * bucket_ms, "bucket, service_no"),
            };
            if to <= from {
                break;
            }
            rows(&connection, table, fleet, bucket_ms, (from, to), order)?;
            from = to;
        }
        for length in blocks {
            let until = (end_ms - length.min(&SETTLED_MS)) / length * length;
            connection.execute_batch(&format!(
                "INSERT INTO sorted_volume VALUES ('{table}', {length}, make_timestamp_ms({until}))"
            ))?;
        }
        connection.execute_batch("CHECKPOINT")?;
        size(&connection, table, database)?;
    }
    days(&connection)
}

/// Each day of each service, from its hours.
fn days(connection: &Connection) -> anyhow::Result<()> {
    connection.execute_batch(
        "INSERT INTO day_volume
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

/// Each service has a usual speed, from 1 KB/s to 1 MB/s, and three times that
/// downwards; each bucket is by half above or below it.
fn rows(
    connection: &Connection,
    table: &str,
    fleet: &str,
    bucket_ms: i64,
    (from, to): (i64, i64),
    order: &str,
) -> duckdb::Result<()> {
    let buckets = (to - from) / bucket_ms;
    let seconds = bucket_ms / 1000;
    connection.execute_batch(&format!(
        "INSERT INTO {table}
         SELECT
             service_no,
             make_timestamp_ms({from} + b * {bucket_ms}) AS bucket,
             (usual * {seconds} * (0.5 + random()))::UBIGINT,
             (usual * 3 * {seconds} * (0.5 + random()))::UBIGINT,
             {bucket_ms},
             (usual * (1.5 + 2 * random()))::UBIGINT,
             (usual * 3 * (1.5 + 2 * random()))::UBIGINT,
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
         WHERE bucket >= make_timestamp_ms({from})::TIMESTAMP_MS AND bucket < make_timestamp_ms({to})::TIMESTAMP_MS
         GROUP BY bucket
         ORDER BY bucket;"
    ))
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
