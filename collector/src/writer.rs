//! The one writer: takes what has gathered, commits it, acknowledges it, and
//! takes what has gathered meanwhile.

mod append;
mod latest;

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use komandorr_wire::{Delivery, Message, Outcome, Sample, ServiceId, Settle, decode_into};
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
/// The same for payloads that hold many samples each, bytes.
const ENOUGH_BYTES: usize = 64 * 1024;
/// Most deliveries that are taken at once.
const MANY_DELIVERIES: usize = 2_000;
/// Most samples of one commit: bounds its memory and its time.
const MAX_ROWS: usize = 30_000;
/// Most five minutes of services that one commit adds to: a sample of a month
/// has nine thousand of them.
const MAX_VOLUMES: usize = 100_000;
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

/// A delivery with what becomes of its first messages: of those that are in a
/// batch already.
struct Opened {
    messages: Vec<Message>,
    outcomes: Vec<Outcome>,
    settle: Arc<dyn Settle>,
}

/// What one commit stores, and what it settles.
#[derive(Default)]
struct Taken {
    batch: Batch,
    receipts: Vec<Opened>,
    /// Why the next message could not be taken: its service is not registered.
    trouble: Option<RegistryError>,
}

/// Kept from one message to the next.
#[derive(Default)]
struct Scratch {
    samples: Vec<Sample>,
    /// The service of the last message: the next one is mostly of the same.
    service: Option<(ServiceId, i32)>,
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
            let waiting = gathered.drain(..).map(Opened::new).collect();
            if !self.store(waiting, &stop).await {
                tracing::error!(
                    "stopped while the database takes nothing: what waits is not acknowledged, its senders still have it"
                );
                return;
            }
            next_commit = Instant::now() + LINGER;
        }
    }

    /// Stores and settles deliveries in their order. `false` when told to stop
    /// before the database took them.
    async fn store(&mut self, mut waiting: VecDeque<Opened>, stop: &CancellationToken) -> bool {
        let mut pause = RETRY_FIRST;
        while !waiting.is_empty() {
            let Taken { batch, receipts, trouble } = self.take(&mut waiting);
            if !self.commit(&batch, stop).await {
                return false;
            }
            self.live.apply(&batch);
            for receipt in receipts {
                receipt.settle.settle(&receipt.outcomes);
            }
            let Some(error) = trouble else {
                pause = RETRY_FIRST;
                continue;
            };
            self.say_failed(&error.to_string());
            // Asked for nothing but the connection, which a loss takes back.
            drop(self.lane.with(|connection| connection.execute_batch("SELECT 1")));
            if timeout(pause, stop.cancelled()).await.is_ok() {
                return false;
            }
            pause = (pause * 2).min(RETRY_LONGEST);
        }
        true
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

    /// Decodes deliveries into one batch, up to a bound; the rest, and where
    /// need be the rest of a delivery, stays.
    fn take(&mut self, waiting: &mut VecDeque<Opened>) -> Taken {
        let mut taken = Taken::default();
        let mut scratch = Scratch::default();
        while let Some(delivery) = waiting.front_mut() {
            while let Some(message) = delivery.messages.get(delivery.outcomes.len()) {
                if taken.batch.rows.len() >= MAX_ROWS || taken.batch.volumes.len() >= MAX_VOLUMES {
                    return taken;
                }
                match self.open(message, &mut scratch, &mut taken.batch) {
                    Ok(outcome) => delivery.outcomes.push(outcome),
                    Err(error) => {
                        taken.trouble = Some(error);
                        return taken;
                    }
                }
            }
            taken.receipts.extend(waiting.pop_front());
        }
        taken
    }

    /// Adds a message's samples to a batch. A service is registered by its
    /// first valid sample; one that was removed after the message had come is
    /// not registered anew by it.
    fn open(
        &mut self,
        message: &Message,
        scratch: &mut Scratch,
        batch: &mut Batch,
    ) -> Result<Outcome, RegistryError> {
        scratch.samples.clear();
        if let Err(error) = decode_into(&message.payload, &mut scratch.samples) {
            self.stats.refused(message, &error);
            return Ok(Outcome::Refused(error));
        }
        if let Some(number) = scratch.number(&self.registry, message)? {
            for sample in scratch.samples.drain(..) {
                self.batcher.add(batch, number, sample, message.arrived_ms);
            }
        }
        Ok(Outcome::Stored)
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
                    self.say_failed(&one_line(&error));
                }
            }
            if timeout(pause, stop.cancelled()).await.is_ok() {
                return false;
            }
            pause = (pause * 2).min(RETRY_LONGEST);
        }
    }

    fn say_failed(&self, reason: &str) {
        if self.stats.failed(reason) {
            tracing::error!(%reason, "the database does not take samples: acknowledgements wait, and it is tried again until it does");
        }
    }
}

impl Opened {
    fn new(Delivery { messages, settle }: Delivery) -> Self {
        Self { outcomes: Vec::with_capacity(messages.len()), messages, settle }
    }
}

impl Scratch {
    /// The number of a message's service; `None`: it is removed since.
    fn number(
        &mut self,
        registry: &Registry,
        message: &Message,
    ) -> Result<Option<i32>, RegistryError> {
        let service = &message.service;
        if let Some((known, number)) = &self.service
            && known == service
        {
            return Ok(Some(*number));
        }
        if registry.is_removed_since(service, message.arrived_ms) {
            return Ok(None);
        }
        let number = registry.ensure(service)?;
        self.service = Some((service.clone(), number));
        Ok(Some(number))
    }
}

/// Waits for more until the next commit is due, unless much waits already.
async fn gather(
    deliveries: &mut mpsc::Receiver<Delivery>,
    gathered: &mut Vec<Delivery>,
    until: Instant,
) {
    while !is_enough(gathered) {
        tokio::select! {
            biased;
            count = deliveries.recv_many(gathered, MANY_DELIVERIES) => if count == 0 { return },
            () = sleep_until(until) => return,
        }
    }
}

fn is_enough(deliveries: &[Delivery]) -> bool {
    let (mut count, mut bytes) = (0, 0);
    for message in deliveries.iter().flat_map(|delivery| &delivery.messages) {
        count += 1;
        bytes += message.payload.len();
        if count >= ENOUGH_MESSAGES || bytes >= ENOUGH_BYTES {
            return true;
        }
    }
    false
}
