//! Who may ask the database, and when.

use std::{path::Path, sync::Arc};

use duckdb::Connection;
use parking_lot::Mutex;
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::{
    journal::Journal,
    read::{Past, ReadError},
    store::{Database, Lane},
};

/// Queries that run at once: more would only share the same processors.
pub(super) const AT_ONCE: usize = 4;

/// Connections to one database, handed out for one query each.
#[derive(Debug, Clone)]
pub(in crate::read) struct Pool {
    path: Arc<Path>,
    pub(in crate::read) past: Arc<Past>,
    journal: Arc<Journal>,
    idle: Arc<Mutex<Vec<Lane>>>,
    permits: Arc<Semaphore>,
}

impl Pool {
    pub(in crate::read) fn new(
        database: &Arc<Database>,
        journal: &Arc<Journal>,
        past: &Arc<Past>,
    ) -> Self {
        let lanes = (0..AT_ONCE).map(|_| database.lane()).collect();
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        Self {
            path: database.path().into(),
            past: Arc::clone(past),
            journal: Arc::clone(journal),
            idle: Arc::new(Mutex::new(lanes)),
            permits,
        }
    }

    /// Waits until all that is acknowledged by now can be read, unless that takes too
    /// long.
    pub(super) async fn caught_up(&self) {
        self.journal.caught_up().await;
    }

    /// Runs a query that must not miss anything that is acknowledged.
    pub(in crate::read) async fn run_on_all<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> duckdb::Result<T> + Send + 'static,
    ) -> Result<T, ReadError> {
        if !self.journal.caught_up().await {
            return Err(ReadError::Store(
                "the newest samples are not in its tables yet".to_owned(),
            ));
        }
        self.run(query).await
    }

    /// Runs a query where it may block; on all that is acknowledged by now, unless
    /// that takes too long.
    pub(in crate::read) async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> duckdb::Result<T> + Send + 'static,
    ) -> Result<T, ReadError> {
        self.journal.caught_up().await;
        let stopped = |_| ReadError::Store("it is being closed".to_owned());
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(stopped)?;
        let idle = Arc::clone(&self.idle);
        let answer = spawn_blocking(move || {
            let _permit = permit;
            // There are as many as permits.
            let lane = idle.lock().pop().ok_or(duckdb::Error::InvalidQuery)?;
            let answer = lane.with(query);
            idle.lock().push(lane);
            answer
        });
        let answer = answer.await.map_err(|error| ReadError::Store(error.to_string()))?;
        answer.map_err(|error| ReadError::of(&error, &self.path))
    }

    /// Runs questions that see the same store, whatever housekeeping joins
    /// meanwhile.
    pub(in crate::read) async fn view<T: Send + 'static>(
        &self,
        questions: impl FnOnce(&Connection) -> duckdb::Result<T> + Send + 'static,
    ) -> Result<T, ReadError> {
        self.run(|connection| {
            let view = connection.unchecked_transaction()?;
            let answer = questions(&view)?;
            view.commit()?;
            Ok(answer)
        })
        .await
    }
}
