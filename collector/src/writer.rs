//! Storing, in two halves. This one takes what comes and makes a batch of it;
//! the [`Committer`], on a thread of its own, commits the batch before. As soon
//! as that is done the next one is handed over.

mod committer;
mod filling;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use komandorr_config::Backoff;
use komandorr_wire::{Delivery, decode_into};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

pub(crate) use committer::Committer;
pub(crate) use filling::Filled;
use filling::Filling;

use crate::{batch::Batcher, registry::Registry, stats::Stats, store::Lane};

/// Least time between two commits when little comes in: each costs about a
/// millisecond and an fsync however small it is. The first message after a
/// pause is not held back.
const LINGER: Duration = Duration::from_millis(30);
/// Most deliveries that are taken at once.
const MANY_DELIVERIES: usize = 2_000;
/// Pauses between two tries of what the database does not take.
pub(crate) const RETRY: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

/// What the writer's thread owns.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) lane: Lane,
    pub(crate) batcher: Batcher,
    pub(crate) registry: Arc<Registry>,
    pub(crate) stats: Arc<Stats>,
    /// To the committer, which says on the other one when it is free again.
    pub(crate) filled: mpsc::Sender<Filled>,
    pub(crate) freed: mpsc::Receiver<()>,
}

impl Writer {
    /// Writes until `stop`, or until all senders are gone; then what they sent
    /// before is stored and settled, unless the store takes nothing.
    pub(crate) async fn run(
        mut self,
        mut deliveries: mpsc::Receiver<Delivery>,
        stop: CancellationToken,
    ) {
        let mut gathered = Vec::new();
        let mut filling = Filling::default();
        let mut stopping = std::pin::pin!(stop.cancelled());
        let (mut open, mut committing) = (true, false);
        loop {
            let due = filling.is_due(Instant::now());
            // What lingers is left as it came: all at once costs less.
            if committing || due {
                self.fill(&mut filling);
            }
            if !committing && due && filling.is_filled() {
                if self.filled.send(filling.hand_over()).await.is_err() {
                    return;
                }
                committing = true;
                continue;
            }
            if !open && !committing && filling.is_empty() {
                return;
            }
            if filling.is_last() && filling.is_held_up() && !committing && !filling.is_filled() {
                return say_given_up();
            }
            tokio::select! {
                freed = self.freed.recv(), if committing => {
                    // A committer that is gone has said why.
                    if freed.is_none() {
                        return;
                    }
                    committing = false;
                    filling.not_before(Instant::now() + LINGER);
                }
                count = deliveries.recv_many(&mut gathered, MANY_DELIVERIES), if open && filling.has_room() => {
                    open = count > 0;
                    self.welcome(&gathered);
                    filling.add(gathered.drain(..));
                }
                () = &mut stopping, if !filling.is_last() => {
                    filling.last();
                    deliveries.close();
                }
                () = sleep_until(filling.wakes_at()), if !committing && !filling.is_empty() => {}
            }
        }
    }

    /// Registers together the services whose first valid samples these are.
    /// Whom this leaves out is registered alone, and there its error is told.
    fn welcome(&self, deliveries: &[Delivery]) {
        let mut unknown = BTreeSet::new();
        let mut previous = None;
        let mut samples = Vec::new();
        for message in deliveries.iter().flat_map(|delivery| &delivery.messages) {
            if previous.replace(&message.service) == Some(&message.service) {
                continue;
            }
            samples.clear();
            if !self.registry.knows(&message.service)
                && !self.registry.is_removed_since(&message.service, message.arrived_ms)
                && decode_into(&message.payload, &mut samples).is_ok()
            {
                unknown.insert(&message.service);
            }
        }
        if unknown.len() > 1
            && let Err(error) = self.registry.register_all(unknown)
        {
            tracing::debug!(%error, "registering services together");
        }
    }

    /// Takes what waits into the batch. Where a service cannot be registered
    /// its messages wait, as they do for a commit that fails.
    fn fill(&mut self, filling: &mut Filling) {
        let Err(error) = filling.take(&mut self.batcher, &self.registry, &self.stats) else {
            return;
        };
        self.stats.failed(&error.to_string());
        // Asks for nothing but the connection, which a loss takes back.
        drop(self.lane.with(|connection| connection.execute_batch("SELECT 1")));
    }
}

fn say_given_up() {
    tracing::error!(
        "stopped while the database takes nothing: what waits is not acknowledged, its senders still have it"
    );
}
