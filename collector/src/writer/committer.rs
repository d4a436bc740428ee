//! The second half of the writer: commits a batch, acknowledges it, and is free
//! for the next one.

use std::sync::Arc;

use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Filled, RETRY, append, filling::Pending};
use crate::{
    batch::Batch,
    live::Live,
    stats::Stats,
    store::{Lane, is_lost, one_line},
};

/// What the committer's thread owns.
#[derive(Debug)]
pub(crate) struct Committer {
    pub(crate) lane: Lane,
    pub(crate) live: Arc<Live>,
    pub(crate) stats: Arc<Stats>,
    /// How many samples of a service are kept as they came.
    pub(crate) keep: usize,
    /// Told after each commit, so that housekeeping sees the load.
    pub(crate) committed: Arc<Notify>,
}

impl Committer {
    /// Commits batches in their order until there are no more, or until told to
    /// stop while the database takes nothing.
    pub(crate) async fn run(
        self,
        mut filled: mpsc::Receiver<Filled>,
        freed: mpsc::Sender<()>,
        stop: CancellationToken,
    ) {
        while let Some(Filled { batch, receipts }) = filled.recv().await {
            if !self.commit(&batch, &stop).await {
                super::say_given_up();
                return;
            }
            // The next batch is handed over while this one is settled.
            let writes_on = freed.send(()).await.is_ok();
            self.live.apply(&batch);
            receipts.iter().for_each(Pending::settle);
            if !writes_on {
                return;
            }
        }
    }

    /// Commits a batch, as often as it takes: what is not stored is not
    /// acknowledged, and what waits stays bounded because nobody takes more.
    /// `false` when told to stop before it succeeded.
    async fn commit(&self, batch: &Batch, stop: &CancellationToken) -> bool {
        if batch.rows.is_empty() {
            // Nothing was written, so nothing is known of the store's health.
            self.stats.repeated(batch.repeated);
            return true;
        }
        let (mut backoff, mut doubt) = (RETRY, false);
        loop {
            let begun = Instant::now();
            match self.write(batch, doubt) {
                Ok(()) => {
                    let took = begun.elapsed();
                    if self.stats.committed(batch.rows.len(), batch.repeated, took) {
                        tracing::info!("the database takes samples again");
                    }
                    self.committed.notify_one();
                    return true;
                }
                Err(error) => {
                    doubt |= is_lost(&error);
                    self.stats.failed(&one_line(&error));
                }
            }
            if timeout(backoff.pause(), stop.cancelled()).await.is_ok() {
                return false;
            }
        }
    }

    /// Commits a batch once. In `doubt` it is looked for first: where DuckDB gave
    /// up in a commit, it may be there all the same.
    fn write(&self, batch: &Batch, doubt: bool) -> duckdb::Result<()> {
        let _rewriting = (!batch.forgotten.is_empty()).then(|| self.lane.rewriting());
        self.lane.with(|connection| {
            let there = doubt && append::is_there(connection, batch, self.keep)?;
            if there { Ok(()) } else { append::commit(connection, batch, self.keep) }
        })
    }
}
