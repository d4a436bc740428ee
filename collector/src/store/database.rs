//! The one opened database and everybody's connections to it, which can be
//! taken from all of them at once: DuckDB gives up a database for good when its
//! disk fills in the wrong moment, and takes it again after a new opening.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use duckdb::Connection;
use parking_lot::{Condvar, MappedMutexGuard, Mutex, MutexGuard};

use super::{OpenError, one_line, open};
use crate::backup::beside;

/// Longest time for which a use waits until the others have given a lost
/// database back, so that it can be opened again.
const CLOSED_WITHIN: Duration = Duration::from_secs(2);

/// A connection that somebody owns; empty until its next use after a loss.
type Slot = Arc<Mutex<Option<Connection>>>;

/// The database of this process.
#[derive(Debug)]
pub(crate) struct Database {
    path: PathBuf,
    root: Mutex<Root>,
    /// Told when the root is closed after a loss.
    closed: Condvar,
    slots: Mutex<Vec<Slot>>,
    /// Held by whoever rewrites rows that others may rewrite: DuckDB refuses
    /// the second of two who do.
    rewriting: Mutex<()>,
}

#[derive(Debug)]
enum Root {
    Open(Connection),
    /// Somebody takes all connections back.
    Closing,
    /// To be opened by whoever needs it next.
    Closed,
}

/// One owner's connection.
#[derive(Debug)]
pub(crate) struct Lane {
    database: Arc<Database>,
    slot: Slot,
    /// Settings of its connection.
    settings: &'static str,
}

/// A commit's inserts are as simple as statements can be: improving the plan of
/// each takes a tenth of its time.
const WRITES: &str = "PRAGMA disable_optimizer";

impl Database {
    /// Opens a database, makes or migrates it.
    pub(crate) fn open(path: &Path) -> Result<Arc<Self>, OpenError> {
        let root = Mutex::new(Root::Open(open(path)?));
        Ok(Arc::new(Self {
            path: path.to_owned(),
            root,
            closed: Condvar::new(),
            slots: Mutex::default(),
            rewriting: Mutex::default(),
        }))
    }

    /// Its file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The log of changes beside it.
    pub(crate) fn log(&self) -> PathBuf {
        beside(&self.path, ".wal")
    }

    /// A lane of one's own.
    pub(crate) fn lane(self: &Arc<Self>) -> Lane {
        self.lane_with("")
    }

    /// The one of who only writes.
    pub(crate) fn writing_lane(self: &Arc<Self>) -> Lane {
        self.lane_with(WRITES)
    }

    fn lane_with(self: &Arc<Self>, settings: &'static str) -> Lane {
        let slot = Slot::default();
        self.slots.lock().push(Arc::clone(&slot));
        Lane { database: Arc::clone(self), slot, settings }
    }

    /// Takes all connections back if an error says that DuckDB has given up;
    /// the next use of a lane opens the database again. Waits for uses that are
    /// under way, so nobody may hold a lane who calls it.
    pub(crate) fn heal(&self, error: &duckdb::Error) {
        if !is_lost(error) {
            return;
        }
        {
            let mut root = self.root.lock();
            if !matches!(*root, Root::Open(_)) {
                return;
            }
            *root = Root::Closing;
        }
        tracing::warn!(
            database = %self.path.display(),
            reason = one_line(error),
            "DuckDB has given up the database; it is opened again"
        );
        let slots: Vec<Slot> = self.slots.lock().clone();
        for slot in slots {
            *slot.lock() = None;
        }
        *self.root.lock() = Root::Closed;
        self.closed.notify_all();
    }

    fn wait_while_closing(&self) {
        let closing = |root: &mut Root| matches!(root, Root::Closing);
        self.closed.wait_while_for(&mut self.root.lock(), closing, CLOSED_WITHIN);
    }

    fn connect(&self) -> duckdb::Result<Connection> {
        let mut root = self.root.lock();
        if matches!(*root, Root::Closed) {
            *root = Root::Open(open(&self.path).map_err(unavailable)?);
            tracing::info!(database = %self.path.display(), "the database is open again");
        }
        match &*root {
            Root::Open(connection) => connection.try_clone(),
            _ => Err(unavailable("the database is being opened again")),
        }
    }
}

impl Lane {
    /// The connection, for as long as the guard lives. While the database is
    /// being opened again it waits a while.
    pub(crate) fn lock(&self) -> duckdb::Result<MappedMutexGuard<'_, Connection>> {
        self.database.wait_while_closing();
        let mut slot = self.slot.lock();
        if slot.is_none() {
            let connection = self.database.connect()?;
            connection.execute_batch(self.settings)?;
            *slot = Some(connection);
        }
        let none = || unavailable("there is no connection to the database");
        MutexGuard::try_map(slot, Option::as_mut).ok().ok_or_else(none)
    }

    /// Waits until nobody else rewrites volumes; taken before the connection.
    pub(crate) fn rewriting(&self) -> MutexGuard<'_, ()> {
        self.database.rewriting.lock()
    }

    /// Uses the connection; what is lost by an error is there again at the
    /// next use.
    pub(crate) fn with<T>(
        &self,
        work: impl FnOnce(&Connection) -> duckdb::Result<T>,
    ) -> duckdb::Result<T> {
        let done = self.lock().and_then(|connection| work(&connection));
        if let Err(error) = &done {
            self.database.heal(error);
        }
        done
    }

    /// Looks at what is stored after a change that failed: a commit may be durable
    /// though DuckDB reports an error, such as of the checkpoint that it makes then.
    /// What the error has lost is there again; nobody may hold the lane.
    pub(crate) fn after<T>(
        &self,
        error: &duckdb::Error,
        look: impl FnOnce(&Connection) -> duckdb::Result<T>,
    ) -> duckdb::Result<T> {
        self.database.heal(error);
        self.with(look)
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.database.slots.lock().retain(|slot| !Arc::ptr_eq(slot, &self.slot));
    }
}

/// Whether DuckDB answers nothing any more until the database is opened anew.
fn is_lost(error: &duckdb::Error) -> bool {
    let text = error.to_string();
    text.contains("database has been invalidated") || text.contains("FATAL Error")
}

#[allow(clippy::needless_pass_by_value, reason = "stands behind map_err")]
fn unavailable(reason: impl ToString) -> duckdb::Error {
    let code = duckdb::ffi::Error::new(duckdb::ffi::DuckDBError);
    duckdb::Error::DuckDBFailure(code, Some(reason.to_string()))
}
