//! Many small rows become one.

use std::collections::BTreeMap;

use duckdb::Connection;
use jiff::Timestamp;

use super::transact;
use crate::{
    bucket::{HOUR_MS, bucket_of},
    level::Level,
    ranges::RangeSet,
    read::Past,
    store::{instant, transaction},
};

/// How much of the interfaces' past one hourly round looks at.
const PAST_MS: i64 = 32 * 24 * HOUR_MS;

/// How many parts wait to be joined.
pub(super) fn parts(connection: &Connection) -> duckdb::Result<i64> {
    connection.query_row("SELECT count(*) FROM recent_volume", [], |row| row.get(0))
}

/// Joins the parts into buckets of all levels.
pub(super) fn volumes(connection: &Connection, past: &Past) -> duckdb::Result<()> {
    let change = past.change();
    // In one transaction: whoever reads meanwhile sees all of it or nothing.
    let firsts = transaction(connection, volumes_inside)?;
    change.was_of(&firsts);
    Ok(())
}

/// Joins them in a transaction; the services concerned, each with the start of its
/// earliest part in Unix milliseconds.
fn volumes_inside(connection: &Connection) -> duckdb::Result<Vec<(i32, i64)>> {
    connection.execute_batch(
        "CREATE OR REPLACE TEMP TABLE taken AS
         FROM recent_volume SEMI JOIN service USING (service_no)",
    )?;
    let mut statement =
        connection.prepare("SELECT service_no, epoch_ms(min(bucket)) FROM taken GROUP BY ALL")?;
    let firsts: Vec<(i32, i64)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<duckdb::Result<_>>()?;
    if let Some(&first_ms) = firsts.iter().map(|(_, first_ms)| first_ms).min() {
        let joins: String = Level::ALL.iter().map(|level| level.join(first_ms)).collect();
        connection.execute_batch(&joins)?;
    }
    // Only what this transaction sees is deleted, so that parts which arrive meanwhile
    // stay. What came for a service that is removed goes.
    connection.execute_batch("DELETE FROM recent_volume")?;
    Ok(firsts)
}

/// Joins neighbouring ranges: one row for an agent that loses nothing.
pub(super) fn ranges(connection: &Connection) -> duckdb::Result<()> {
    transaction(connection, ranges_inside)
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

/// Joins what came for each interface in the last hours.
pub(super) fn new_interfaces(connection: &Connection) -> duckdb::Result<()> {
    let now_ms = Timestamp::now().as_millisecond();
    interfaces(connection, now_ms - 2 * HOUR_MS, now_ms + 2 * HOUR_MS)
}

/// Joins hours for which late samples came: one part of the past, counted back
/// from now and from the begin again after the oldest, so that a round costs
/// the same however long the history is.
pub(super) fn old_interfaces(connection: &Connection, part: i64) -> duckdb::Result<()> {
    let now_ms = Timestamp::now().as_millisecond();
    let oldest: Option<i64> =
        connection.query_row("SELECT epoch_ms(min(bucket)) FROM interface_volume", [], |row| {
            row.get(0)
        })?;
    let Some(oldest) = oldest else { return Ok(()) };
    let parts = (now_ms - oldest) / PAST_MS + 1;
    let until_ms = now_ms - part.rem_euclid(parts.max(1)) * PAST_MS;
    interfaces(connection, until_ms - PAST_MS, until_ms)
}

/// Makes one row an interface and hour of a time.
fn interfaces(connection: &Connection, from_ms: i64, until_ms: i64) -> duckdb::Result<()> {
    let hour = |ms| instant(bucket_of(ms, HOUR_MS));
    let sql = include_str!("../sql/join_interfaces.sql")
        .replace("{from}", &hour(from_ms))
        .replace("{until}", &hour(until_ms));
    transact(connection, &sql)
}
