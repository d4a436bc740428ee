//! The second half of the writer: commits a batch, acknowledges it, and is free
//! for the next one.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Filled, RETRY, filling::Pending};
use crate::{
    batch::Batch,
    journal::{self, Journal},
    live::{Live, SpanVolumes, Spans},
    read::{KeptMinutes, in_spans},
    stats::Stats,
    store::{Lane, one_line, transaction},
};

/// What the committer's thread owns.
#[derive(Debug)]
pub(crate) struct Committer {
    pub(crate) lane: Lane,
    pub(crate) live: Arc<Live>,
    pub(crate) stats: Arc<Stats>,
    /// How many samples of a service are kept as they came.
    pub(crate) keep: usize,
    pub(crate) journal: Arc<Journal>,
    /// For what it reads now and then, with DuckDB's optimizer.
    pub(crate) reading: Lane,
    pub(crate) minutes: KeptMinutes,
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
            self.show(&batch, Timestamp::now());
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
        let entry = match journal::encode(batch, self.keep) {
            Ok(entry) => entry,
            Err(error) => {
                self.stats.failed(&error.to_string());
                return false;
            }
        };
        let (mut backoff, mut doubt) = (RETRY, false);
        loop {
            let room = self.journal.room().await;
            let begun = Instant::now();
            match room.and_then(|()| self.write(&entry, &mut doubt)) {
                Ok(()) => {
                    if self.stats.committed(batch.rows.len(), batch.repeated, begun.elapsed()) {
                        tracing::info!("the database takes samples again");
                    }
                    return true;
                }
                Err(reason) => self.stats.failed(&reason),
            }
            if timeout(backoff.pause(), stop.cancelled()).await.is_ok() {
                return false;
            }
        }
    }

    /// Has the live state take up a batch. What it has counted of today and this month
    /// holds until another day begins or the clock is set: then all of it is read anew,
    /// here, where nothing else is committed meanwhile.
    fn show(&self, batch: &Batch, now: Timestamp) {
        let read = |spans| {
            let volumes = self.stored(spans).inspect_err(|error| {
                let reason = one_line(error);
                tracing::debug!(reason, "today and this month cannot be read: tried again");
            });
            (spans, volumes.ok())
        };
        self.live.apply(batch, now, self.live.begun(now).map(read));
    }

    /// What all services have moved in spans, as far as it is committed.
    fn stored(&self, spans: Spans) -> duckdb::Result<SpanVolumes> {
        self.reading.with(|connection| {
            transaction(connection, |connection| {
                let mut volumes = in_spans(connection, spans, self.minutes)?;
                journal::add_waiting(connection, spans, &mut volumes)?;
                Ok(volumes)
            })
        })
    }

    /// Commits an entry once. In `doubt`, after an error, it is looked for first: it
    /// may be there all the same.
    fn write(&self, entry: &[u8], doubt: &mut bool) -> Result<(), String> {
        let number = self.journal.next_number();
        let _alone = self.journal.alone();
        let written = self.lane.with(|connection| {
            let there = *doubt && journal::holds(connection, number)?;
            if there { Ok(()) } else { journal::write(connection, number, entry) }
        });
        *doubt |= written.is_err();
        written.map_err(|error| one_line(&error))?;
        self.journal.wrote(entry.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
