//! Spreads the journal as it fills, on a thread of its own: whoever commits
//! does not wait for it.

use std::{fs, path::PathBuf, sync::Arc};

use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    Journal,
    spread::{store, take},
};
use crate::{
    store::{Lane, one_line},
    writer::RETRY,
};

/// Size of the log of changes that is worth a checkpoint, bytes. Each compresses
/// what has changed, some 100 ms for so much.
const LONG_LOG: u64 = 16 << 20;

/// What the spreader's thread owns.
#[derive(Debug)]
pub(crate) struct Spreader {
    pub(crate) lane: Lane,
    /// DuckDB's log of changes.
    pub(crate) log: PathBuf,
    pub(crate) journal: Arc<Journal>,
    /// How many samples of a service are kept as they came.
    pub(crate) keep: usize,
    /// Told after each time, so that housekeeping sees the load.
    pub(crate) spread: Arc<Notify>,
}

impl Drop for Spreader {
    /// Whoever waits for it learns that it is gone, whatever has ended it.
    fn drop(&mut self) {
        self.journal.abandon();
    }
}

impl Spreader {
    /// Spreads until `done`, and once more at the end.
    pub(crate) async fn run(self, done: CancellationToken) {
        let mut backoff = RETRY;
        while done.run_until_cancelled(self.journal.due()).await.is_some() {
            if self.spread_now() {
                backoff = RETRY;
            } else {
                // At the end it is tried once more at once.
                done.run_until_cancelled(sleep(backoff.pause())).await;
            }
        }
        self.spread_now();
    }

    /// Spreads what is committed by now. What fails stays in the journal. Where a
    /// checkpoint is due nobody commits until it is made.
    pub(super) fn spread_now(&self) -> bool {
        let due = fs::metadata(&self.log).is_ok_and(|log| log.len() >= LONG_LOG);
        let _alone = due.then(|| self.journal.alone());
        let spread = self.spread_committed();
        if due && spread {
            self.checkpoint();
        }
        self.spread.notify_one();
        spread
    }

    fn checkpoint(&self) {
        let made = self.lane.with(|connection| connection.execute_batch("CHECKPOINT"));
        if let Err(error) = made {
            // Housekeeping writes at this moment: the next time is soon.
            tracing::debug!(reason = one_line(&error), "no checkpoint");
        }
    }

    fn spread_committed(&self) -> bool {
        let until = self.journal.written();
        while self.journal.spread() < until {
            let taken = self.lane.with(|connection| take(connection, until, self.keep));
            let spread = taken.and_then(|taken| match taken {
                Some(mut taken) => store(&self.lane, &mut taken).map(|()| taken.last),
                None => Ok(until),
            });
            match spread {
                Ok(last) => self.journal.has_spread(last),
                Err(error) => {
                    self.journal.cannot_spread(&one_line(&error));
                    return false;
                }
            }
        }
        true
    }
}
