//! What is older than the settings say goes, and what removed services left.

use std::time::Duration;

use duckdb::{Connection, params};
use jiff::Timestamp;

use super::transact;
use crate::{
    Config,
    batch::FUTURE_TOLERANCE_MS,
    bucket::{DAY_MS, FIVE_MINUTES_MS, bucket_of},
    level::Level,
    read::Past,
    store::{instant, list},
};

/// Samples above the setting that may gather before they are removed, in
/// percent: removing rewrites, so not for every row.
const SLACK_PERCENT: u64 = 25;

/// How many samples are stored.
pub(super) fn count(connection: &Connection) -> duckdb::Result<i64> {
    connection.query_row("SELECT count(*) FROM sample", [], |row| row.get(0))
}

/// Keeps the last samples of each service.
pub(super) fn samples(connection: &Connection, keep: u64, now: Timestamp) -> duckdb::Result<()> {
    let allowed = keep + keep * SLACK_PERCENT / 100;
    let latest_ms = now.as_millisecond().saturating_add(FUTURE_TOLERANCE_MS);
    connection
        .execute(include_str!("../sql/forget_samples.sql"), params![allowed, keep, latest_ms])
        .map(|removed| tracing::debug!(removed, "old samples"))
}

/// Forgets volumes whose time is over.
pub(super) fn volumes(
    connection: &Connection,
    past: &Past,
    config: &Config,
    now: Timestamp,
) -> duckdb::Result<()> {
    let minutes = include_str!("../sql/forget_minutes.sql");
    let hours = include_str!("../sql/forget_hours.sql");
    let levels = [
        (Level::FiveMinutes, config.keep_five_minutes, FIVE_MINUTES_MS, minutes),
        // Days are forgotten with their hours, and go as a whole.
        (Level::Hour, config.hours_kept(), DAY_MS, hours),
    ];
    let present = present(connection, now)?;
    for (level, keep, whole_ms, sql) in levels {
        let until_ms = before(present, keep, whole_ms);
        let until = instant(until_ms);
        let due: bool = connection.query_row(
            &format!("SELECT EXISTS (FROM {} WHERE bucket < {until})", level.table()),
            [],
            |row| row.get(0),
        )?;
        if due {
            let change = past.change();
            transact(connection, &sql.replace("{until}", &until))?;
            change.was_before(level, until_ms);
        }
    }
    left_behind(connection, past, &removed(connection)?)
}

/// This moment, but not much later than the newest traffic: a host that starts with a
/// clock years ahead, until somebody sets it, would forget all that there is. Where
/// nothing comes any more, what is there stays.
fn present(connection: &Connection, now: Timestamp) -> duckdb::Result<Timestamp> {
    let newest_ms: Option<i64> = connection.query_row(
        "SELECT epoch_ms(max(bucket))
         FROM (SELECT bucket FROM day_volume UNION ALL SELECT bucket FROM recent_volume)",
        [],
        |row| row.get(0),
    )?;
    // The end of that day, and another one.
    let latest = newest_ms.map(|ms| bucket_of(ms, DAY_MS).saturating_add(2 * DAY_MS));
    let latest = latest.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    Ok(latest.map_or(now, |latest| now.min(latest)))
}

/// The instant up to which nothing is kept, at the begin of a whole part of time; Unix
/// milliseconds.
fn before(present: Timestamp, keep: Duration, whole_ms: i64) -> i64 {
    let until = present.checked_sub(keep).unwrap_or(Timestamp::MIN);
    bucket_of(until.as_millisecond(), whole_ms)
}

/// Forgets what came in for services while they were removed.
fn left_behind(connection: &Connection, past: &Past, gone: &[i64]) -> duckdb::Result<()> {
    if gone.is_empty() {
        return Ok(());
    }
    // By number, so that what is sorted by service is not read for others; and
    // asked again, as a number may belong to a service that was just registered.
    let gone = list(gone);
    let gone =
        format!("service_no IN ({gone}) AND service_no NOT IN (SELECT service_no FROM service)");
    for level in Level::ALL {
        let left: bool = connection.query_row(
            &format!("SELECT EXISTS (FROM {} WHERE {gone})", level.table()),
            [],
            |row| row.get(0),
        )?;
        if left {
            // Of days nothing is remembered.
            let _change = (level != Level::Day).then(|| past.change());
            transact(connection, &format!("BEGIN; {} COMMIT;", level.without(&gone)))?;
        }
    }
    connection.execute_batch(&format!(
        "DELETE FROM sample WHERE {gone};
         DELETE FROM interface_volume WHERE {gone};
         DELETE FROM import_mark WHERE {gone};
         DELETE FROM own_traffic WHERE {gone};
         DELETE FROM agent WHERE {gone};
         DELETE FROM stored_range WHERE agent_no NOT IN (SELECT agent_no FROM agent);
         DELETE FROM forgotten_volume WHERE {gone};"
    ))
}

/// Numbers that were given to services that are gone, or not there yet.
fn removed(connection: &Connection) -> duckdb::Result<Vec<i64>> {
    let mut statement = connection.prepare(
        "WITH last AS (
             SELECT coalesce(last_value, 0) AS number FROM duckdb_sequences()
             WHERE sequence_name = 'service_no' AND database_name = current_database()
         )
         SELECT number FROM range(1, (SELECT number + 1 FROM last)) AS given (number)
         ANTI JOIN service ON service_no = number",
    )?;
    let numbers = statement.query_map([], |row| row.get(0))?;
    numbers.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{read, store::Database};

    #[test]
    fn totals_go_on_counting_hours_that_are_forgotten() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let lane = Database::open(&folder.path().join("forget.duckdb"))?.lane();
        let connection = lane.lock()?;
        connection.execute_batch(
            "INSERT INTO service (service_no, id, name, created_at)
             VALUES (nextval('service_no'), 'web-1', '', now()::TIMESTAMP);
             INSERT INTO hour_volume
             SELECT 1, now()::TIMESTAMP - INTERVAL 1 DAY * n, 10, 1, 1, 1, 1, 1
             FROM range(1, 101) AS t (n);
             INSERT INTO day_volume
             SELECT * REPLACE (date_trunc('day', bucket) AS bucket) FROM hour_volume",
        )?;
        for days in [90, 50, 50, 10] {
            let keep_hours = Duration::from_hours(24 * days);
            let keep_five_minutes = Duration::ZERO;
            let config = Config { keep_five_minutes, keep_hours, ..Config::default() };
            volumes(&connection, &Past::default(), &config, Timestamp::now())?;
            for table in ["hour_volume", "day_volume"] {
                let count = format!("SELECT count(*) FROM {table}");
                let left: u64 = connection.query_row(&count, [], |row| row.get(0))?;
                assert!(left.abs_diff(days) <= 1, "{table}: {left} of {days}");
            }
            let total = read::of_all_time(&connection)?;
            assert_eq!(total.get(&1).map(|volume| volume.total()), Some(1100));
        }
        Ok(())
    }

    #[test]
    fn samples_of_while_the_clock_was_ahead_go_first() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let lane = Database::open(&folder.path().join("forget.duckdb"))?.lane();
        let connection = lane.lock()?;
        connection.execute_batch(
            "INSERT INTO sample BY NAME
             SELECT 1 AS service_no, 1000 AS interval_ms, n AS up_bytes, 0 AS down_bytes,
                 false AS gap, false AS clock_corrected,
                 CASE WHEN n < 100 THEN TIMESTAMP '2026-11-24 11:00:00'
                      ELSE TIMESTAMP '2031-01-01' END + INTERVAL 1 SECOND * n AS ended_at
             FROM range(200) AS t (n)",
        )?;
        samples(&connection, 150, "2026-11-24T12:00:00Z".parse()?)?;
        let kept: (u64, u64, u64) = connection.query_row(
            "SELECT count(*), min(up_bytes), (count(*) FILTER (up_bytes < 100)) FROM sample",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        assert_eq!(kept, (150, 0, 100));
        Ok(())
    }

    #[test]
    fn a_clock_that_is_ahead_forgets_nothing() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let lane = Database::open(&folder.path().join("forget.duckdb"))?.lane();
        let connection = lane.lock()?;
        connection.execute_batch(
            "INSERT INTO five_minute_volume
             SELECT 1, TIMESTAMP '2026-11-24 12:00:00' - INTERVAL 1 DAY * n, 10, 1, 1, 1, 1, 1
             FROM range(300) AS t (n);
             INSERT INTO hour_volume FROM five_minute_volume;
             INSERT INTO day_volume
             SELECT * REPLACE (date_trunc('day', bucket) AS bucket) FROM hour_volume",
        )?;
        let counts = || -> duckdb::Result<[u64; 2]> {
            let count = |table: &str| {
                let sql = format!("SELECT count(*) FROM {table}");
                connection.query_row(&sql, [], |row| row.get(0))
            };
            Ok([count("five_minute_volume")?, count("forgotten_five_minutes")?])
        };
        let config = Config::default();
        volumes(&connection, &Past::default(), &config, "2099-01-01T00:00:00Z".parse()?)?;
        assert_eq!(counts()?, [300, 0]);
        // What comes later makes room as ever.
        connection.execute_batch(
            "INSERT INTO recent_volume
             SELECT 1, TIMESTAMP '2027-11-24 12:00:00', 10, 1, 1, 1, 1, 1",
        )?;
        volumes(&connection, &Past::default(), &config, "2027-11-24T12:00:00Z".parse()?)?;
        assert_eq!(counts()?, [36, 1]);
        Ok(())
    }

    #[test]
    fn what_removed_services_left_goes_and_what_others_have_stays() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let lane = Database::open(&folder.path().join("forget.duckdb"))?.lane();
        let connection = lane.lock()?;
        connection.execute_batch(
            "INSERT INTO service (service_no, id, name, created_at)
             SELECT nextval('service_no'), 'host-' || n, '', now()::TIMESTAMP FROM range(4) AS t (n);
             INSERT INTO hour_volume
             SELECT service_no, TIMESTAMP '2026-11-24 12:00:00', 1, 1, 1, 1, 1, 1 FROM service;
             INSERT INTO day_volume FROM hour_volume;
             INSERT INTO interface_volume
             SELECT service_no, 'eth0', 'physical', true, TIMESTAMP '2026-11-24 12:00:00', 1, 1
             FROM service;
             INSERT INTO own_traffic
             SELECT service_no, TIMESTAMP '2026-11-24 12:00:00' FROM service;
             DELETE FROM service WHERE service_no IN (2, 3)",
        )?;
        assert_eq!(removed(&connection)?, [2, 3]);
        // The fourth was registered after somebody had asked who is gone.
        left_behind(&connection, &Past::default(), &[2, 3, 4])?;
        for table in ["hour_volume", "day_volume", "interface_volume", "own_traffic"] {
            let left: String = connection.query_row(
                &format!("SELECT string_agg(service_no, ' ' ORDER BY service_no) FROM {table}"),
                [],
                |row| row.get(0),
            )?;
            assert_eq!(left, "1 4", "{table}");
        }
        Ok(())
    }
}
