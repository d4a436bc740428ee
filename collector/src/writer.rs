//! The one writer: takes what has gathered, commits it, acknowledges it, and
//! takes what has gathered meanwhile.

mod append;
mod latest;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use komandorr_wire::{
    DecodeError, Delivery, Message, Outcome, Sample, ServiceId, Settle, decode_into,
};
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    batch::{Batch, Batcher},
    live::Live,
    registry::{Registry, RegistryError},
    stats::Stats,
    store::{Lane, is_lost, one_line},
};

/// Least time between two commits when little comes in: each costs about a
/// millisecond and an fsync however small it is. The first message after a
/// pause is not held back.
const LINGER: Duration = Duration::from_millis(30);
/// When this many messages wait, the writer does not linger: a commit of them
/// is worth its fsync, and clients that fill their windows would wait in vain.
const ENOUGH_MESSAGES: usize = 400;
/// Most deliveries that are taken at once.
const MANY_DELIVERIES: usize = 2_000;
/// Most samples of one commit: bounds its memory and its time.
const MAX_ROWS: usize = 30_000;
/// Pauses between two tries of a commit that fails.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LONGEST: Duration = Duration::from_secs(5);

/// What the writer's thread owns.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) lane: Lane,
    pub(crate) batcher: Batcher,
    pub(crate) registry: Arc<Registry>,
    pub(crate) live: Arc<Live>,
    pub(crate) stats: Arc<Stats>,
    /// How many samples of a service are kept as they came.
    pub(crate) keep: usize,
    /// Told after each commit, so that housekeeping sees the load.
    pub(crate) committed: Arc<Notify>,
}

/// The number of a payload's service and of its samples, or why it is refused.
type Decoded = Result<(i32, usize), DecodeError>;

/// A delivery's samples and what becomes of its messages; kept from one
/// delivery to the next, so that only the first ones allocate.
#[derive(Default)]
struct Opened {
    samples: Vec<Sample>,
    messages: Vec<Decoded>,
    /// The service of the last message: the next one is mostly of the same.
    service: Option<(ServiceId, i32)>,
}

/// The messages of one delivery, as they will be settled.
struct Receipt {
    settle: Arc<dyn Settle>,
    outcomes: Vec<Outcome>,
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
        let mut next_commit = Instant::now();
        let closing = stop.clone();
        let mut closing = std::pin::pin!(closing.cancelled());
        let mut open = true;
        loop {
            tokio::select! {
                count = deliveries.recv_many(&mut gathered, MANY_DELIVERIES) => if count == 0 { return },
                () = &mut closing, if open => {
                    open = false;
                    deliveries.close();
                    continue;
                }
            }
            gather(&mut deliveries, &mut gathered, next_commit).await;
            self.welcome(&gathered);
            let mut rest = gathered.drain(..).peekable();
            while rest.peek().is_some() {
                let (batch, receipts) = self.take(&mut rest);
                if !self.commit(&batch, &stop).await {
                    tracing::error!(
                        messages = receipts.iter().map(|r| r.outcomes.len()).sum::<usize>(),
                        "stopped while the database takes nothing: what waits is not acknowledged, its senders still have it"
                    );
                    return;
                }
                self.live.apply(&batch);
                for receipt in receipts {
                    receipt.settle.settle(&receipt.outcomes);
                }
            }
            drop(rest);
            next_commit = Instant::now() + LINGER;
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

    /// Decodes deliveries into one batch, up to a bound.
    fn take(&mut self, rest: &mut impl Iterator<Item = Delivery>) -> (Batch, Vec<Receipt>) {
        let (mut batch, mut receipts) = (Batch::default(), Vec::new());
        let mut opened = Opened::default();
        for delivery in rest {
            if let Err(error) = self.open(&delivery.messages, &mut opened) {
                // Dropped unsettled: its sender still has it and comes again.
                tracing::error!(%error, "registering a service; its sample is not acknowledged");
                continue;
            }
            let mut samples = opened.samples.drain(..);
            let mut outcomes = Vec::with_capacity(delivery.messages.len());
            for (message, decoded) in delivery.messages.iter().zip(opened.messages.drain(..)) {
                outcomes.push(match decoded {
                    Ok((number, count)) => {
                        for sample in samples.by_ref().take(count) {
                            self.batcher.add(&mut batch, number, sample, message.arrived_ms);
                        }
                        Outcome::Stored
                    }
                    Err(error) => Outcome::Refused(error),
                });
            }
            drop(samples);
            receipts.push(Receipt { settle: delivery.settle, outcomes });
            if batch.rows.len() >= MAX_ROWS {
                break;
            }
        }
        (batch, receipts)
    }

    /// Decodes a delivery. A service is registered by its first valid sample.
    fn open(&self, messages: &[Message], opened: &mut Opened) -> Result<(), RegistryError> {
        opened.samples.clear();
        opened.messages.clear();
        for message in messages {
            let decoded = match decode_into(&message.payload, &mut opened.samples) {
                Ok(count) => Ok((opened.number(&self.registry, &message.service)?, count)),
                Err(error) => {
                    self.stats.refused(message, &error);
                    Err(error)
                }
            };
            opened.messages.push(decoded);
        }
        Ok(())
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
        let (mut pause, mut doubt) = (RETRY_FIRST, false);
        loop {
            let begun = Instant::now();
            // Where DuckDB gave up in a commit, it may be there all the same.
            let written = self.lane.with(|connection| {
                let there = doubt && append::is_there(connection, batch, self.keep)?;
                if there { Ok(()) } else { append::commit(connection, batch, self.keep) }
            });
            match written {
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
                    let reason = one_line(&error);
                    if self.stats.failed(&reason) {
                        tracing::error!(%reason, "the database does not take samples: acknowledgements wait, and it is tried again until it does");
                    }
                }
            }
            if timeout(pause, stop.cancelled()).await.is_ok() {
                return false;
            }
            pause = (pause * 2).min(RETRY_LONGEST);
        }
    }
}

impl Opened {
    fn number(&mut self, registry: &Registry, service: &ServiceId) -> Result<i32, RegistryError> {
        if let Some((known, number)) = &self.service
            && known == service
        {
            return Ok(*number);
        }
        let number = registry.ensure(service)?;
        self.service = Some((service.clone(), number));
        Ok(number)
    }
}

/// Waits for more until the next commit is due, unless much waits already.
async fn gather(
    deliveries: &mut mpsc::Receiver<Delivery>,
    gathered: &mut Vec<Delivery>,
    until: Instant,
) {
    while messages(gathered) < ENOUGH_MESSAGES {
        tokio::select! {
            biased;
            count = deliveries.recv_many(gathered, MANY_DELIVERIES) => if count == 0 { return },
            () = sleep_until(until) => return,
        }
    }
}

fn messages(deliveries: &[Delivery]) -> usize {
    deliveries.iter().map(|delivery| delivery.messages.len()).sum()
}
