//! Volumes come in by time, all services side by side, and are read by service.
//! So what is old is sorted by service within blocks of time: a history then
//! lies together, is found by DuckDB's zone maps, and is packed closer.
//!
//! Blocks have several lengths. The end of a short one, and some time for what is late,
//! is when the longer one that it lies in is sorted up to there, anew: so a service's
//! history is in as few pieces as there are lengths, however far the longest block has
//! come. It goes in slices of some services, each a short transaction. Rows that come
//! later still are found just the same, only not as quickly.

use duckdb::{Connection, params};
use jiff::Timestamp;

use super::transact;
use crate::{
    bucket::{DAY_MS, HOUR_MS, bucket_of},
    level::Level,
    store::instant,
};

/// Blocks of one length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Blocks {
    level: Level,
    /// Their ends are the moments to sort at.
    length_ms: i64,
    /// How long the block is that is sorted up to such a moment.
    within_ms: i64,
}

/// The long ones first: where the end of one is due, that of the short ones in it needs
/// no sorting any more.
const BLOCKS: [Blocks; 8] = [
    Blocks::new(Level::FiveMinutes, Level::FiveMinutes.block_ms(), Level::FiveMinutes.block_ms()),
    Blocks::new(Level::FiveMinutes, 8 * DAY_MS, Level::FiveMinutes.block_ms()),
    Blocks::new(Level::FiveMinutes, DAY_MS, 8 * DAY_MS),
    Blocks::new(Level::FiveMinutes, 2 * HOUR_MS, DAY_MS),
    Blocks::new(Level::Hour, Level::Hour.block_ms(), Level::Hour.block_ms()),
    Blocks::new(Level::Hour, 32 * DAY_MS, Level::Hour.block_ms()),
    Blocks::new(Level::Hour, 8 * DAY_MS, 32 * DAY_MS),
    Blocks::new(Level::Hour, DAY_MS, 8 * DAY_MS),
];
/// How long after its end a block is sorted at the latest: what was late has
/// mostly come. Short ones wait only for their own length.
const SETTLED_MS: i64 = 6 * HOUR_MS;
/// About how many rows a slice has.
const SLICE_ROWS: i64 = 300_000;

/// Remembers which slice is next. After a restart the first is, which harms nothing.
#[derive(Debug, Default)]
pub(super) struct Sorter {
    at: Option<Place>,
}

/// What is sorted, and where in it the next slice begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    blocks: Blocks,
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

    /// What is over and not sorted.
    fn due(&self, connection: &Connection, now: Timestamp) -> duckdb::Result<Option<Place>> {
        for blocks in BLOCKS {
            let sorted_ms = sorted_until(connection, blocks, now)?;
            let Some(fresh) = sorted_ms.and_then(|ms| blocks.after(ms, now)) else { continue };
            let begun = |at: &Place| Place { first_service: fresh.first_service, ..*at } == fresh;
            return Ok(Some(self.at.filter(begun).unwrap_or(fresh)));
        }
        Ok(None)
    }
}

impl Blocks {
    const fn new(level: Level, length_ms: i64, within_ms: i64) -> Self {
        Self { level, length_ms, within_ms }
    }

    /// What is to be sorted where all is up to a moment.
    fn after(self, sorted_ms: i64, now: Timestamp) -> Option<Place> {
        let settled_ms = now.as_millisecond().saturating_sub(self.length_ms.min(SETTLED_MS));
        let over_ms = bucket_of(settled_ms, self.length_ms);
        let from_ms = bucket_of(sorted_ms, self.within_ms);
        let to_ms = over_ms.min(from_ms.saturating_add(self.within_ms));
        (to_ms > sorted_ms).then_some(Place {
            blocks: self,
            from_ms,
            to_ms,
            first_service: i32::MIN,
        })
    }
}

/// Up to where it is sorted within blocks of a length, at least; at first the begin of
/// the data, and nothing where there is none. What was noted while a clock was ahead
/// of now does not count.
fn sorted_until(
    connection: &Connection,
    blocks: Blocks,
    now: Timestamp,
) -> duckdb::Result<Option<i64>> {
    let Blocks { level, length_ms, .. } = blocks;
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
    let Blocks { level, length_ms, .. } = place.blocks;
    let table = level.table();
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

/// The last service of a slice that begins at a place; none: there is no more.
fn last_service(connection: &Connection, place: Place) -> duckdb::Result<Option<i32>> {
    let mut statement = connection.prepare(&format!(
        "SELECT service_no, count(*) FROM {} WHERE {} GROUP BY service_no ORDER BY service_no",
        place.blocks.level.table(),
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
        .replace("{table}", place.blocks.level.table())
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
    use jiff::SignedDuration;

    use super::*;
    use crate::{bucket::FIVE_MINUTES_MS, store::Database};

    /// Sorts until nothing is to be sorted; how many slices that were.
    fn sort_all(connection: &Connection, now: Timestamp) -> anyhow::Result<u32> {
        let (mut sorter, mut slices) = (Sorter::default(), 0);
        while sorter.next_slice(connection, now)? {
            slices += 1;
        }
        Ok(slices)
    }

    #[test]
    fn the_past_of_a_service_lies_in_few_pieces_at_any_time() -> anyhow::Result<()> {
        const SERVICES: i64 = 3;
        let folder = tempfile::tempdir()?;
        let lane = Database::open(&folder.path().join("sort.duckdb"))?.lane();
        let connection = lane.lock()?;
        let begin: Timestamp = "2026-10-05T03:25:00Z".parse()?;
        let (begin_ms, mut filled_ms) = (begin.as_millisecond(), begin.as_millisecond());
        for hours in (7..70 * 24).step_by(31) {
            let now = begin + SignedDuration::from_hours(hours);
            let now_ms = bucket_of(now.as_millisecond(), FIVE_MINUTES_MS);
            connection.execute_batch(&format!(
                "INSERT INTO five_minute_volume
                 SELECT service_no, make_timestamp_ms(ms), ms, service_no, 1, 1, 1, 1
                 FROM range({filled_ms}, {now_ms}, {FIVE_MINUTES_MS}) AS t (ms),
                     range({SERVICES}) AS s (service_no)
                 ORDER BY ms, service_no"
            ))?;
            filled_ms = now_ms;
            sort_all(&connection, now)?;
            let over = bucket_of(now_ms - 2 * HOUR_MS, 2 * HOUR_MS);
            let pieces: i64 = connection.query_row(
                &format!(
                    "SELECT count(*) FILTER (service_no IS DISTINCT FROM before) FROM (
                         SELECT service_no, lag(service_no) OVER (ORDER BY rowid) AS before
                         FROM five_minute_volume WHERE bucket < {}
                     )",
                    instant(over)
                ),
                [],
                |row| row.get(0),
            )?;
            let block_ms = Level::FiveMinutes.block_ms();
            let whole = (bucket_of(over, block_ms) - bucket_of(begin_ms, block_ms)) / block_ms;
            // And the running block, its last days, yesterday until it has settled, today.
            assert!(pieces <= (whole + 4) * SERVICES, "{pieces} after {hours} hours");
        }
        let (rows, sent): (i64, i64) = connection.query_row(
            "SELECT count(DISTINCT (service_no, bucket)), sum(up_bytes)::BIGINT
             FROM five_minute_volume",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let buckets = (filled_ms - begin_ms) / FIVE_MINUTES_MS;
        assert_eq!(rows, buckets * SERVICES);
        let mean = (begin_ms + filled_ms - FIVE_MINUTES_MS) / 2;
        assert_eq!(sent, rows * mean);
        Ok(())
    }

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
        let sorted = |now: &str| sort_all(&connection, now.parse()?);
        assert!(sorted("2031-01-01T00:00:00Z")? > 0);
        let now = "2026-11-24T12:00:00Z";
        assert!(sorted(now)? > 0);
        assert_eq!(sorted(now)?, 0, "once");
        Ok(())
    }
}
