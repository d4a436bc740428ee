//! The DuckDB file: opening it, telling what is wrong with it, migrating it.

mod database;
mod migrate;
mod transaction;

use std::{
    fs::DirBuilder,
    path::{Path, PathBuf},
};

use duckdb::Connection;

pub(crate) use database::{Database, Lane};
use migrate::{Migrated, migrate};
pub(crate) use transaction::{or_roll_back, transaction};

use crate::backup;

/// Format of new files. From this version on DuckDB knows which log of changes
/// belongs to which file: a copy that is put in the place of a database does not
/// take up what the log of the other holds.
pub(crate) const STORAGE_VERSION: &str = "v1.4.0";

/// Size of a new file's blocks. A block of DuckDB's own 256 KB holds a day of
/// thirteen services or more, of which a page asks for one: a quarter of it
/// halves the time of a first look. Smaller ones are too small for DuckDB to
/// compress what is in them. Files that exist keep theirs.
const BLOCK_BYTES: &str = "65536";

/// Size of the log at which DuckDB makes a checkpoint by itself, in whosever commit
/// that is. Where samples come, who spreads the journal makes one long before.
const LOG_BYTES: &str = "64MiB";

/// Why the database cannot be used. One line: what is wrong, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder of the database cannot be made.
    #[error("cannot make the data folder {}: {source}; make it writable or set storage.path", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Another process has it.
    #[error(
        "the database {} is in use by another process: stop that one, or set storage.path to another file",
        path.display()
    )]
    InUse {
        /// The database file.
        path: PathBuf,
    },
    /// The system refuses to read or write it.
    #[error("cannot read and write the database {}: permission denied; give this user the right to, or set storage.path", path.display())]
    Denied {
        /// The database file.
        path: PathBuf,
    },
    /// No DuckDB database, or a damaged one. It is left as it is.
    #[error(
        "{} is no DuckDB database that can be read ({reason}); restore a backup, or move it away to begin a new one",
        path.display()
    )]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// DuckDB's own words.
        reason: String,
    },
    /// The log of changes beside it is another database's.
    #[error(
        "{}.wal is the log of another file than {}: a restored backup needs none, so move that log away",
        path.display(), path.display()
    )]
    OtherLog {
        /// The database file.
        path: PathBuf,
    },
    /// A database, but not ours.
    #[error("the database {} belongs to another program: set storage.path to another file", path.display())]
    Foreign {
        /// The database file.
        path: PathBuf,
    },
    /// Written by a newer version of ours.
    #[error(
        "the database {} has schema {found}, but this program knows only up to {known}: run the version that wrote it, or a newer one",
        path.display()
    )]
    Newer {
        /// The database file.
        path: PathBuf,
        /// The schema version in the file.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// What the last run had acknowledged does not get from the journal into the
    /// tables.
    #[error(
        "cannot take up what the last run had acknowledged into {}: {reason}; if the disk is full make room, then start again",
        path.display()
    )]
    Journal {
        /// The database file.
        path: PathBuf,
        /// DuckDB's own words.
        reason: String,
    },
    /// Anything else that DuckDB says.
    #[error("cannot open the database {}: {reason}", path.display())]
    Failed {
        /// The database file.
        path: PathBuf,
        /// DuckDB's own words.
        reason: String,
    },
}

/// Opens the database, which is made where it does not exist, and brings its
/// schema up to date.
fn open(path: &Path) -> Result<Connection, OpenError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make(folder).map_err(|source| OpenError::Folder { path: folder.to_owned(), source })?;
    }
    let failed = |error: duckdb::Error| explain(path, &error);
    let settings = duckdb::Config::default()
        .with("storage_compatibility_version", STORAGE_VERSION)
        .and_then(|settings| settings.with("default_block_size", BLOCK_BYTES))
        .map_err(failed)?;
    let connection = Connection::open_with_flags(path, settings).map_err(failed)?;
    backup::remove_unfinished(path);
    // Nothing is fetched from outside, and sums need no order of insertion.
    connection
        .execute_batch(&format!(
            "SET autoinstall_known_extensions = false;
             SET autoload_known_extensions = false;
             SET preserve_insertion_order = false;
             SET checkpoint_threshold = '{LOG_BYTES}';
             SET threads = {};",
            threads()
        ))
        .map_err(failed)?;
    bound_memory(&connection).map_err(failed)?;
    match migrate(&connection).map_err(failed)? {
        Migrated::Current => Ok(connection),
        Migrated::Foreign => Err(OpenError::Foreign { path: path.to_owned() }),
        Migrated::Newer { found, known } => {
            Err(OpenError::Newer { path: path.to_owned(), found, known })
        }
    }
}

/// Makes a folder for this user alone: DuckDB's files are for everybody.
fn make(folder: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// Most memory that DuckDB may take for what it keeps of its file and for its
/// work. It would take four fifths of the machine's, and a page about years
/// would fill it; behind it the system caches the file anyway.
const MEMORY_MIB: f64 = 512.0;

/// Bounds DuckDB's memory, unless it has found a tighter bound by itself, such
/// as a container's.
fn bound_memory(connection: &Connection) -> duckdb::Result<()> {
    let found: String =
        connection.query_row("SELECT current_setting('memory_limit')", [], |row| row.get(0))?;
    let more = found.split_once(' ').is_some_and(|(number, unit)| match unit {
        "GiB" | "TiB" | "PiB" => true,
        "MiB" => number.parse::<f64>().is_ok_and(|mib| mib > MEMORY_MIB),
        _ => false,
    });
    if more {
        connection.execute_batch(&format!("SET memory_limit = '{MEMORY_MIB}MiB'"))?;
    }
    Ok(())
}

/// Threads that DuckDB divides one statement among: half of the processors, at
/// least one. A commit is small, and while a second thread has a part of it the
/// writer asks again and again whether it is done: on two processors two
/// threads cost twice as much for each commit and a third more for each sample.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |count| (count.get() / 2).max(1))
}

/// An instant for comparing with the times of rows. Without the last cast DuckDB
/// would convert the time of each row instead of it, and its zone maps, by which
/// it leaves out blocks of other times, would serve for nothing.
pub(crate) fn instant(ms: i64) -> String {
    format!("make_timestamp_ms({ms})::TIMESTAMP_MS")
}

/// Numbers as the inside of an SQL list.
pub(crate) fn list(numbers: &[impl ToString]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Turns DuckDB's words into what a person can act on.
pub(crate) fn explain(path: &Path, error: &duckdb::Error) -> OpenError {
    let path = path.to_owned();
    let reason = one_line(error);
    let has = |part: &str| reason.contains(part);
    if has("Conflicting lock") || has("Could not set lock") {
        OpenError::InUse { path }
    } else if has("Permission denied") || has("Read-only file system") {
        OpenError::Denied { path }
    } else if has("WAL does not match") {
        OpenError::OtherLog { path }
    } else if has("not a valid DuckDB database")
        || is_damage(&reason)
        || has("Serialization Error")
        || has("replaying WAL")
        || has("Is a directory")
    {
        OpenError::Damaged { path, reason }
    } else {
        OpenError::Failed { path, reason }
    }
}

/// Whether DuckDB, in its own words, has found a block that is not as it wrote it.
pub(crate) fn is_damage(reason: &str) -> bool {
    reason.contains("Corrupt") || reason.contains("checksum")
}

/// DuckDB's message without its line breaks.
pub(crate) fn one_line(error: &duckdb::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_has_small_blocks_and_an_old_one_keeps_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let (new, old) = (folder.path().join("new.duckdb"), folder.path().join("old.duckdb"));
        drop(Connection::open(&old).unwrap());
        let block_bytes = |path| {
            let sql = "SELECT block_size FROM pragma_database_size()";
            open(path).unwrap().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
        };
        assert_eq!(block_bytes(&new), 65_536);
        assert_eq!(block_bytes(&old), 262_144);
        assert_eq!(block_bytes(&old), 262_144);
    }
}
