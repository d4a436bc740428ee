//! Volumes come in by time, all services side by side, and are read by service.
//! So what is old is sorted by service within blocks of time: a history then
//! lies together, is found by DuckDB's zone maps, and is packed closer.
//!
//! A block is sorted when it is over, in slices of some services, each a short
//! transaction. Short blocks are sorted soon, long ones later. Rows that come
//! later still are found just the same, only not as quickly.

use duckdb::{Connection, params};
use jiff::Timestamp;

use super::transact;
use crate::{
    bucket::{DAY_MS, HOUR_MS, bucket_of},
    level::Level,
    store::instant,
};

/// Blocks of each level, the long ones first: where a long one is due its short
/// ones need no sorting any more.
const BLOCKS: [(Level, i64); 7] = [
    (Level::FiveMinutes, Level::FiveMinutes.block_ms()),
    (Level::FiveMinutes, 8 * DAY_MS),
    (Level::FiveMinutes, DAY_MS),
    (Level::FiveMinutes, 2 * HOUR_MS),
    (Level::Hour, Level::Hour.block_ms()),
    (Level::Hour, 8 * DAY_MS),
    (Level::Hour, DAY_MS),
];
/// How long after its end a block is sorted at the latest: what was late has
/// mostly come. Short ones wait only for their own length.
const SETTLED_MS: i64 = 6 * HOUR_MS;
/// About how many rows a slice has.
const SLICE_ROWS: i64 = 300_000;

/// Remembers which slice of a block is next. After a restart a block begins
/// again, which harms nothing.
#[derive(Debug, Default)]
pub(super) struct Sorter {
    at: Option<Place>,
}

/// Where in a block the next slice begins.
#[derive(Debug, Clone, Copy)]
struct Place {
    level: Level,
    from_ms: i64,
    to_ms: i64,
    first_service: i32,
}

impl Sorter {
    /// Sorts one slice; `false`: nothing is to be sorted at present.
    pub(super) fn next_slice(
        &mut self,
        connection: &Connection,
        now: Timestamp,
    ) -> duckdb::Result<bool> {
        let Some(place) = self.due(connection, now)? else { return Ok(false) };
        if let Some(last) = last_service(connection, place)? {
            sort(connection, place, last)?;
            self.at = Some(Place { first_service: last.saturating_add(1), ..place });
        } else {
            remember(connection, place)?;
            self.at = None;
        }
        Ok(true)
    }

    /// The first block that is over and not sorted.
    fn due(&self, connection: &Connection, now: Timestamp) -> duckdb::Result<Option<Place>> {
        for (level, length_ms) in BLOCKS {
            let Some(from_ms) = sorted_until(connection, level, length_ms, now)? else { continue };
            let to_ms = from_ms.saturating_add(length_ms);
            if to_ms.saturating_add(length_ms.min(SETTLED_MS)) > now.as_millisecond() {
                continue;
            }
            let begun =
                |at: &Place| at.level == level && (at.from_ms, at.to_ms) == (from_ms, to_ms);
            let fresh = Place { level, from_ms, to_ms, first_service: i32::MIN };
            return Ok(Some(self.at.filter(begun).unwrap_or(fresh)));
        }
        Ok(None)
    }
}

/// Up to where blocks of at least a length are sorted; at first the begin of
/// the data, and nothing where there is none. What was noted while a clock was ahead
/// of now does not count.
fn sorted_until(
    connection: &Connection,
    level: Level,
    length_ms: i64,
    now: Timestamp,
) -> duckdb::Result<Option<i64>> {
    let table = level.table();
    let sorted: Option<i64> = connection.query_row(
        "SELECT max(epoch_ms(until)) FROM sorted_volume
         WHERE table_name = ? AND block_ms >= ? AND until <= make_timestamp_ms(?)",
        params![table, length_ms, now.as_millisecond()],
        |row| row.get(0),
    )?;
    // Asked only where it is needed: DuckDB looks at every row for it.
    let begin = || {
        let sql = format!("SELECT epoch_ms(min(bucket)) FROM {table}");
        connection.query_row(&sql, [], |row| row.get::<_, Option<i64>>(0))
    };
    let until = if sorted.is_some() { sorted } else { begin()? };
    Ok(until.map(|until| bucket_of(until, length_ms)))
}

fn remember(connection: &Connection, place: Place) -> duckdb::Result<()> {
    let (table, length_ms) = (place.level.table(), place.to_ms - place.from_ms);
    connection.execute(
        "DELETE FROM sorted_volume WHERE table_name = ? AND block_ms = ?",
        params![table, length_ms],
    )?;
    connection.execute(
        "INSERT INTO sorted_volume VALUES (?, ?, make_timestamp_ms(?))",
        params![table, length_ms, place.to_ms],
    )?;
    Ok(())
}

/// The last service of a slice that begins at a place; none: the block ends.
fn last_service(connection: &Connection, place: Place) -> duckdb::Result<Option<i32>> {
    let mut statement = connection.prepare(&format!(
        "SELECT service_no, count(*) FROM {} WHERE {} GROUP BY service_no ORDER BY service_no",
        place.level.table(),
        rows(place, i32::MAX)
    ))?;
    let mut counts = statement.query([])?;
    let (mut last, mut sum) = (None, 0);
    while let Some(row) = counts.next()? {
        sum += row.get::<_, i64>(1)?;
        last = Some(row.get(0)?);
        if sum >= SLICE_ROWS {
            break;
        }
    }
    Ok(last)
}

fn sort(connection: &Connection, place: Place, last_service: i32) -> duckdb::Result<()> {
    let sql = include_str!("../sql/sort_slice.sql")
        .replace("{table}", place.level.table())
        .replace("{rows}", &rows(place, last_service));
    transact(connection, &sql)
}

/// Which rows of a block a slice has.
fn rows(place: Place, last_service: i32) -> String {
    let Place { from_ms, to_ms, first_service, .. } = place;
    format!(
        "bucket >= {} AND bucket < {}
             AND service_no BETWEEN {first_service} AND {last_service}",
        instant(from_ms),
        instant(to_ms)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Database;

    #[test]
    fn what_a_clock_ahead_has_noted_keeps_nothing_from_being_sorted() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let lane = Database::open(&folder.path().join("sort.duckdb"))?.lane();
        let connection = lane.lock()?;
        connection.execute_batch(
            "INSERT INTO hour_volume
             SELECT n % 3, TIMESTAMP '2026-11-01' + INTERVAL 1 HOUR * n, 1, 1, 1, 1, 1, 1
             FROM range(48) AS t (n)",
        )?;
        let sorted = |now: &str| -> anyhow::Result<u32> {
            let (mut sorter, mut slices) = (Sorter::default(), 0);
            while sorter.next_slice(&connection, now.parse()?)? {
                slices += 1;
            }
            Ok(slices)
        };
        assert!(sorted("2031-01-01T00:00:00Z")? > 0);
        let now = "2026-11-24T12:00:00Z";
        assert!(sorted(now)? > 0);
        assert_eq!(sorted(now)?, 0, "once");
        Ok(())
    }
}
