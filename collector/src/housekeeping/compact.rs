//! Gives the space of removed data back to the system where the file is small.
//!
//! DuckDB writes what changed into the first free blocks, frees the old ones
//! afterwards, and cuts the file only where its end is free. A file of few blocks
//! is then up to twice as large as what it holds; in a large one these blocks are
//! a small part, and are used again. Moving tables into free blocks is not enough:
//! those that a table leaves take the next one, and in the end as many are free as
//! before. So the gaps are filled first. Then all tables come to lie behind them,
//! the filler goes, and all tables fit in at the beginning.

use duckdb::Connection;

use super::transact;

/// Files above this stay as they are, bytes.
const SMALL: i64 = 32 << 20;
/// In a file up to this, rows that are removed but not yet given up count as much
/// as free blocks: it is moved whatever is free, bytes.
const TINY: i64 = 8 << 20;
/// So little is not worth it, bytes.
const LITTLE: i64 = 1 << 20;

/// What changes all the time, or is large. Nobody else removes rows of these who
/// does not wait for housekeeping.
const VOLUMES: [&str; 9] = [
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

/// Moves the tables to the beginning of a small file of which a sixth is free, or of
/// a tiny one. `alone`: nobody else writes any more, so that what rarely changes can
/// be moved too; whoever removed rows of it at the same moment would be refused.
pub(super) fn small_file(connection: &Connection, alone: bool) -> duckdb::Result<()> {
    // A process that was killed may have left it.
    remove_filler(connection)?;
    let file = File::measure(connection)?;
    if !file.is_loose() {
        return Ok(());
    }
    let tables = if alone { all_tables(connection)? } else { VOLUMES.map(String::from).to_vec() };
    let moved = fill(connection, file.free_bytes()).and_then(|()| move_all(connection, &tables));
    remove_filler(connection)?;
    moved?;
    move_all(connection, &tables)
}

/// How a file's blocks are used.
#[derive(Debug, Clone, Copy)]
struct File {
    block_bytes: i64,
    blocks: i64,
    free: i64,
}

impl File {
    fn measure(connection: &Connection) -> duckdb::Result<Self> {
        connection.query_row(
            "SELECT block_size, total_blocks, free_blocks
             FROM pragma_database_size() WHERE database_name = current_database()",
            [],
            |row| Ok(Self { block_bytes: row.get(0)?, blocks: row.get(1)?, free: row.get(2)? }),
        )
    }

    fn is_loose(self) -> bool {
        let size = self.block_bytes * self.blocks;
        (LITTLE..=SMALL).contains(&size) && (size <= TINY || self.free * 6 > self.blocks)
    }

    fn free_bytes(self) -> i64 {
        self.block_bytes * self.free
    }
}

/// Takes up the free blocks, by numbers of eight bytes that cannot be compressed.
fn fill(connection: &Connection, bytes: i64) -> duckdb::Result<()> {
    connection.execute_batch(&format!(
        "CREATE TABLE filler AS SELECT hash(number) AS value FROM range({bytes} // 8) AS r(number);
         FORCE CHECKPOINT;"
    ))
}

fn remove_filler(connection: &Connection) -> duckdb::Result<()> {
    connection.execute_batch("DROP TABLE IF EXISTS filler; FORCE CHECKPOINT;")
}

/// All tables but those whose rows are updated in place: DuckDB lets that pass while
/// the row is moved, and it would be lost with the old row.
fn all_tables(connection: &Connection) -> duckdb::Result<Vec<String>> {
    let mut statement = connection.prepare(
        "SELECT table_name FROM duckdb_tables()
         WHERE database_name = current_database() AND NOT internal
             AND table_name NOT IN ('credential', 'session')",
    )?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect()
}

/// Writes all rows anew behind those that there are, and removes these, in one
/// transaction: what one table leaves is no place for the next. The checkpoint does
/// not mind who writes at this moment; then the file may become less tight.
fn move_all(connection: &Connection, tables: &[String]) -> duckdb::Result<()> {
    let moves = tables.iter().map(|table| {
        format!(
            "SET VARIABLE last_row = (SELECT max(rowid) FROM {table});
             INSERT INTO {table} FROM {table};
             DELETE FROM {table} WHERE rowid <= getvariable('last_row');"
        )
    });
    let moves = moves.collect::<Vec<_>>().concat();
    transact(connection, &format!("BEGIN; {moves} COMMIT; FORCE CHECKPOINT;"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Database;

    /// Everything that a file holds, as text.
    fn rows(connection: &Connection) -> anyhow::Result<Vec<String>> {
        let mut all = Vec::new();
        for table in all_tables(connection)? {
            let mut statement =
                connection.prepare(&format!("SELECT t::VARCHAR FROM {table} AS t"))?;
            let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
            all.extend(rows.collect::<Result<Vec<_>, _>>()?);
        }
        all.sort();
        Ok(all)
    }

    /// A file that is mostly free, what it holds at its beginning and its end.
    fn loose(connection: &Connection) -> duckdb::Result<()> {
        let hours = |from: u32, until: u32| {
            format!(
                "INSERT INTO hour_volume
                 SELECT n % 50, make_timestamp_ms(n * 3600000), hash(n) // 8, hash(n + 1) // 8,
                        3600000, hash(n + 2) // 8, hash(n + 3) // 8, 60
                 FROM range({from}, {until}) AS r(n);
                 CHECKPOINT;"
            )
        };
        connection.execute_batch(&[hours(0, 10_000), hours(10_000, 130_000)].concat())?;
        connection.execute_batch(
            "INSERT INTO service (service_no, id, name, created_at)
             SELECT n, 'web-' || n, 'web ' || n, make_timestamp_ms(n) FROM range(50) AS r(n);
             CHECKPOINT;
             DELETE FROM hour_volume WHERE bucket >= make_timestamp_ms(10000 * 3600000::BIGINT);
             CHECKPOINT;",
        )
    }

    #[test]
    fn a_loose_file_is_tight_afterwards_and_holds_the_same() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let database = Database::open(&folder.path().join("traffic.duckdb"))?;
        let lane = database.lane();
        let connection = lane.lock()?;
        loose(&connection)?;
        let (held, before) = (rows(&connection)?, File::measure(&connection)?);
        assert!(before.is_loose() && before.free * 2 > before.blocks, "{before:?}");
        // What a process left that was killed in the middle.
        fill(&connection, 100_000)?;
        small_file(&connection, true)?;
        let after = File::measure(&connection)?;
        assert!(after.free <= 2 && after.blocks * 2 < before.blocks, "{before:?} {after:?}");
        assert_eq!(rows(&connection)?, held);
        Ok(())
    }
}
