//! Spreads the journal as it fills, on a thread of its own: whoever commits
//! does not wait for it.

use std::sync::Arc;

use komandorr_config::Backoff;
use tokio::{sync::Notify, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Journal,
    spread::{store, take},
};
use crate::{
    store::{Lane, one_line},
    writer::RETRY,
};

/// What the spreader's thread owns.
#[derive(Debug)]
pub(crate) struct Spreader {
    pub(crate) lane: Lane,
    pub(crate) journal: Arc<Journal>,
    /// How many samples of a service are kept as they came.
    pub(crate) keep: usize,
    /// Told after each time, so that housekeeping sees the load.
    pub(crate) spread: Arc<Notify>,
}

impl Spreader {
    /// Spreads until `done`, and once more at the end.
    pub(crate) async fn run(self, done: CancellationToken) {
        let mut backoff = RETRY;
        while done.run_until_cancelled(self.journal.due()).await.is_some() {
            if self.spread_now() {
                backoff = RETRY;
            } else {
                self.pause(&mut backoff, &done).await;
            }
        }
        self.spread_now();
    }

    async fn pause(&self, backoff: &mut Backoff, done: &CancellationToken) {
        // At the end it is tried once more at once.
        drop(timeout(backoff.pause(), done.cancelled()).await);
    }

    /// Spreads what is committed by now. What fails stays in the journal.
    pub(super) fn spread_now(&self) -> bool {
        let until = self.journal.written();
        while self.journal.spread() < until {
            let taken = self.lane.with(|connection| take(connection, until, self.keep));
            let spread = taken.and_then(|taken| match taken {
                Some(mut taken) => {
                    store(&self.lane, &self.journal, &mut taken).map(|()| (taken.last, taken.bytes))
                }
                None => Ok((until, 0)),
            });
            match spread {
                Ok((last, bytes)) => self.journal.has_spread(last, bytes),
                Err(error) => {
                    self.journal.cannot_spread(one_line(&error));
                    return false;
                }
            }
        }
        self.spread.notify_one();
        true
    }
}
