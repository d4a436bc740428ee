//! A consistent copy of the database, made while everything goes on.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use duckdb::Connection;
use parking_lot::Mutex;
use tokio::{sync::OwnedSemaphorePermit, task::spawn_blocking};

use crate::store::{STORAGE_VERSION, one_line};

/// How much of the copy is read at once.
const PIECE_BYTES: usize = 256 * 1024;
/// Stands in the names of copies that are being made, after the database's.
const MARK: &str = ".backup-";

/// Why there is no copy. One line: what was attempted and why it failed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Another copy is being made or taken.
    #[error("another backup is under way: wait until it has ended")]
    Busy,
    /// DuckDB failed.
    #[error("cannot copy the database to {}: {reason}", path.display())]
    Failed {
        /// The file that the copy would have been.
        path: PathBuf,
        /// DuckDB's own words.
        reason: String,
    },
    /// The system failed.
    #[error("cannot read the copy {}: {source}", path.display())]
    Unreadable {
        /// The copy.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A copy, whole and closed. Its file has no name any more: it goes when this
/// does, and a process that is killed leaves nothing behind.
#[derive(Debug)]
pub struct Backup {
    file: Arc<Mutex<File>>,
    length: u64,
    rest: u64,
    /// One copy at a time: each takes as much room as the database.
    _permit: OwnedSemaphorePermit,
}

impl Backup {
    /// Copies the database into a file beside it and opens that.
    pub(crate) fn make(
        connection: &Connection,
        database: &Path,
        permit: OwnedSemaphorePermit,
    ) -> Result<Self, BackupError> {
        let path = beside(database, &format!("{MARK}{:016x}", rand::random::<u64>()));
        let copied = copy(connection, &path);
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
        // From here on only the open file holds it.
        for leftover in [path.clone(), beside(&path, ".wal")] {
            remove(&leftover);
        }
        copied.map_err(|error| BackupError::Failed {
            path: path.clone(),
            reason: one_line(&error),
        })?;
        let (length, file) = opened.map_err(|source| BackupError::Unreadable { path, source })?;
        let file = Arc::new(Mutex::new(file));
        Ok(Self { file, length, rest: length, _permit: permit })
    }

    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The next piece; `None` at the end.
    pub async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.rest == 0 {
            return None;
        }
        let file = Arc::clone(&self.file);
        let read = spawn_blocking(move || {
            let mut piece = vec![0; PIECE_BYTES];
            let length = file.lock().read(&mut piece)?;
            piece.truncate(length);
            Ok(Bytes::from(piece))
        });
        let piece = match read.await {
            Ok(Ok(piece)) if piece.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => read,
            Err(error) => Err(io::Error::other(error)),
        };
        self.rest -= piece.as_ref().map_or(self.rest, |piece| piece.len() as u64).min(self.rest);
        Some(piece)
    }
}

/// DuckDB reads one snapshot and goes on taking samples meanwhile.
fn copy(connection: &Connection, path: &Path) -> duckdb::Result<()> {
    let name: String = connection.query_row("SELECT current_database()", [], |row| row.get(0))?;
    let quoted = path.display().to_string().replace('\'', "''");
    let name = name.replace('"', "\"\"");
    connection.execute_batch(&format!(
        "ATTACH '{quoted}' AS komandorr_backup (STORAGE_VERSION '{STORAGE_VERSION}')"
    ))?;
    // Forced, it waits for whoever looks at the list of tables, which begins a
    // transaction in every attached database; otherwise it would be refused.
    let copied = connection.execute_batch(&format!(
        "COPY FROM DATABASE \"{name}\" TO komandorr_backup; FORCE CHECKPOINT komandorr_backup;"
    ));
    let detached = connection.execute_batch("DETACH komandorr_backup");
    copied.and(detached)
}

/// Removes copies that a killed process did not end.
pub(crate) fn remove_unfinished(database: &Path) {
    let (Some(folder), Some(name)) = (database.parent(), database.file_name()) else { return };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let begin = format!("{}{MARK}", name.to_string_lossy());
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(&begin) {
            remove(&entry.path());
        }
    }
}

/// A path with something after its name.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "removing a copy of the database");
        }
        _ => {}
    }
}
