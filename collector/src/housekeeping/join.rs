//! Many small rows become one.

use std::collections::BTreeMap;

use duckdb::Connection;

use super::{or_roll_back, transact};
use crate::{
    bucket::{HOUR_MS, bucket_of},
    level::Level,
    ranges::RangeSet,
};

/// How many parts wait to be joined.
pub(super) fn parts(connection: &Connection) -> duckdb::Result<i64> {
    connection.query_row("SELECT count(*) FROM recent_volume", [], |row| row.get(0))
}

/// Joins the parts into buckets of both levels.
pub(super) fn volumes(connection: &Connection) -> duckdb::Result<()> {
    let first: Option<i64> =
        connection
            .query_row("SELECT epoch_ms(min(bucket)) FROM recent_volume", [], |row| row.get(0))?;
    let Some(first) = first else { return Ok(()) };
    let joins: String = Level::ALL
        .iter()
        .map(|level| {
            include_str!("../sql/join_volumes.sql")
                .replace("{table}", level.table())
                .replace("{fleet}", level.fleet())
                .replace("{bucket}", level.bucket())
                .replace("{first}", &bucket_of(first, level.length_ms()).to_string())
        })
        .collect();
    // In one transaction: whoever reads meanwhile sees all of it or nothing.
    // The last statement deletes only what this transaction sees, so that parts
    // which arrive meanwhile stay. What came for a service that is removed goes.
    transact(
        connection,
        &format!(
            "BEGIN;
             CREATE OR REPLACE TEMP TABLE taken AS
             FROM recent_volume SEMI JOIN service USING (service_no);
             {joins}
             DELETE FROM recent_volume;
             COMMIT;"
        ),
    )
}

/// Joins neighbouring ranges: one row for an agent that loses nothing.
pub(super) fn ranges(connection: &Connection) -> duckdb::Result<()> {
    connection.execute_batch("BEGIN")?;
    let joined = ranges_inside(connection).and_then(|()| connection.execute_batch("COMMIT"));
    or_roll_back(connection, joined)
}

fn ranges_inside(connection: &Connection) -> duckdb::Result<()> {
    let mut pieces: BTreeMap<i32, Vec<(u64, u64)>> = BTreeMap::new();
    let mut count = 0;
    let mut statement =
        connection.prepare("SELECT agent_no, first_seq, last_seq FROM stored_range")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        pieces.entry(row.get(0)?).or_default().push((row.get(1)?, row.get(2)?));
        count += 1;
    }
    let joined: Vec<_> =
        pieces.into_iter().map(|(agent, ranges)| (agent, RangeSet::from_ranges(ranges))).collect();
    if joined.iter().map(|(_, set)| set.ranges().len()).sum::<usize>() == count {
        return Ok(());
    }
    connection.execute_batch("DELETE FROM stored_range")?;
    let mut appender = connection.appender("stored_range")?;
    for (agent, set) in &joined {
        for (first, last) in set.ranges() {
            appender.append_row(duckdb::params![agent, first, last])?;
        }
    }
    appender.flush()
}

/// Joins the hours since an instant; the older ones, for which late samples
/// came, have time until the hourly round.
pub(super) fn interfaces(connection: &Connection, since_ms: i64) -> duckdb::Result<()> {
    let since = bucket_of(since_ms, HOUR_MS).to_string();
    transact(connection, &include_str!("../sql/join_interfaces.sql").replace("{since}", &since))
}
