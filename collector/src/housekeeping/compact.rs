//! Gives the space of removed data back to the system where the file is small.
//!
//! DuckDB writes what changed into new blocks, frees the old ones afterwards,
//! and cuts the file only where its end is free. A file of few blocks is then
//! up to twice as large as what it holds; in a large one these blocks are a
//! small part, and are used again.

use duckdb::Connection;

use super::transact;

/// Files above this stay as they are, bytes.
const SMALL: i64 = 64 << 20;
/// In a file up to this, rows that are removed but not yet given up count as much
/// as free blocks: it is moved once whatever is free, bytes.
const TINY: i64 = 8 << 20;
/// So little is not worth it, bytes.
const LITTLE: i64 = 1 << 20;

/// What changes all the time, or is large.
const TABLES: [&str; 9] = [
    "sample",
    "recent_volume",
    "five_minute_volume",
    "hour_volume",
    "day_volume",
    "fleet_five_minutes",
    "fleet_hours",
    "interface_volume",
    "stored_range",
];

/// What changes rarely: a few rows, which may lie at the end of the file and keep it
/// from being cut. Moved only when nobody else writes: a change of a service at the
/// same moment would be refused.
const RARELY_CHANGED: [&str; 2] = ["service", "agent"];

/// Passes over the tables: the first leaves gaps where the tables before lay, and
/// one that is not tight then is rare.
const PASSES: usize = 12;

/// Moves the tables one by one into free blocks, while a sixth of a small file is
/// free; those of a tiny one at least once. `alone`: nobody else writes any more.
pub(super) fn small_file(connection: &Connection, alone: bool) -> duckdb::Result<()> {
    connection.execute_batch("CHECKPOINT")?;
    for pass in 0..PASSES {
        if !is_loose(connection, pass == 0)? {
            break;
        }
        let rarely_changed = RARELY_CHANGED.iter().filter(|_| alone);
        let mut tables: Vec<_> = TABLES.iter().chain(rarely_changed).collect();
        if pass % 2 == 1 {
            // Small ones first, which fill the gaps; in one order the tables would
            // change places for ever.
            tables.reverse();
        }
        tables.into_iter().try_for_each(|table| move_table(connection, table))?;
    }
    connection.execute_batch("DROP TABLE IF EXISTS temp.moved")
}

fn is_loose(connection: &Connection, first: bool) -> duckdb::Result<bool> {
    let (size, blocks, free): (i64, i64, i64) = connection.query_row(
        "SELECT block_size * total_blocks, total_blocks, free_blocks
         FROM pragma_database_size() WHERE database_name = current_database()",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let has_gaps = free * 6 > blocks || (first && size <= TINY);
    Ok((LITTLE..=SMALL).contains(&size) && has_gaps)
}

fn move_table(connection: &Connection, table: &str) -> duckdb::Result<()> {
    transact(
        connection,
        &format!(
            "BEGIN;
             CREATE OR REPLACE TEMP TABLE moved AS FROM {table};
             DELETE FROM {table};
             INSERT INTO {table} FROM moved;
             COMMIT;"
        ),
    )?;
    // The blocks that the table leaves are free for the next one.
    connection.execute_batch("CHECKPOINT")
}
