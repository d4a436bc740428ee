//! A batch that is being made.

use std::{collections::VecDeque, sync::Arc};

use komandorr_config::Backoff;
use komandorr_wire::{Delivery, Message, Outcome, Sample, ServiceId, Settle, decode_into};
use tokio::time::Instant;

use super::RETRY;
use crate::{
    batch::{Batch, Batcher},
    registry::{Registry, RegistryError},
    stats::Stats,
};

/// With this many messages a batch does not linger: it is worth its fsync, and
/// clients that fill their windows would wait in vain.
const ENOUGH_MESSAGES: usize = 200;
/// The same for payloads that hold many samples each, bytes.
const ENOUGH_BYTES: usize = 64 * 1024;
/// Most samples of one commit: bounds its memory and its time.
const MAX_ROWS: usize = 30_000;
/// Most five minutes of services that one commit adds to: a sample of a month
/// has nine thousand of them.
const MAX_VOLUMES: usize = 100_000;
/// Most messages and bytes of payloads that are taken while the batch before is
/// committed, however few samples are new in them.
const MAX_MESSAGES: usize = 100_000;
const MAX_BYTES: usize = 64 << 20;

/// A delivery that is not settled, with what becomes of its first messages: of
/// those that are in a batch already.
pub(super) struct Pending {
    messages: Vec<Message>,
    outcomes: Vec<Outcome>,
    settle: Arc<dyn Settle>,
    bytes: usize,
}

/// What one commit stores, and the deliveries that it settles.
#[derive(Default)]
pub(crate) struct Filled {
    pub(super) batch: Batch,
    pub(super) receipts: Vec<Pending>,
}

/// A batch with what waits to get into it.
pub(super) struct Filling {
    filled: Filled,
    waiting: VecDeque<Pending>,
    /// Messages of all of them, and bytes of their payloads.
    messages: usize,
    bytes: usize,
    /// Some found no room in the batch before: they have waited enough.
    late: bool,
    /// Until then it lingers.
    not_before: Instant,
    /// When the next message is tried again, and the pauses after that.
    retry: Option<(Instant, Backoff)>,
    /// Nothing more will come: it need not linger.
    last: bool,
    scratch: Scratch,
}

/// Kept from one message to the next.
#[derive(Default)]
struct Scratch {
    samples: Vec<Sample>,
    /// The service of the last message: the next one is mostly of the same.
    service: Option<(ServiceId, i32)>,
}

impl Default for Filling {
    fn default() -> Self {
        Self {
            filled: Filled::default(),
            waiting: VecDeque::new(),
            messages: 0,
            bytes: 0,
            late: false,
            not_before: Instant::now(),
            retry: None,
            last: false,
            scratch: Scratch::default(),
        }
    }
}

impl Filling {
    /// Puts deliveries at the end of those that wait.
    pub(super) fn add(&mut self, deliveries: impl Iterator<Item = Delivery>) {
        for delivery in deliveries {
            let pending = Pending::new(delivery);
            self.messages += pending.messages.len();
            self.bytes += pending.bytes;
            self.waiting.push_back(pending);
        }
    }

    /// Whether deliveries may be added.
    pub(super) fn has_room(&self) -> bool {
        !self.is_full() && self.retry.is_none()
    }

    /// Whether it waits until a service can be registered.
    pub(super) fn is_held_up(&self) -> bool {
        self.retry.is_some()
    }

    /// Whether there is something that can be handed over.
    pub(super) fn is_filled(&self) -> bool {
        !self.filled.is_empty()
    }

    /// Whether there is nothing to store and nothing to settle.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.filled.is_empty()
    }

    /// Lingers until then, unless it has enough.
    pub(super) fn not_before(&mut self, at: Instant) {
        self.not_before = at;
    }

    /// Does not linger any more.
    pub(super) fn last(&mut self) {
        self.last = true;
    }

    pub(super) fn is_last(&self) -> bool {
        self.last
    }

    /// Whether it is time to commit what it has.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let enough = self.messages >= ENOUGH_MESSAGES || self.bytes >= ENOUGH_BYTES;
        let urgent = enough || self.late || self.last || self.filled.batch.is_full();
        !self.is_empty() && (urgent || now >= self.not_before)
    }

    fn is_full(&self) -> bool {
        self.filled.batch.is_full() || self.messages >= MAX_MESSAGES || self.bytes >= MAX_BYTES
    }

    /// When to look again though nothing comes.
    pub(super) fn wakes_at(&self) -> Instant {
        self.retry.map_or(self.not_before, |(at, _)| at)
    }

    /// Gives what it has, and begins anew.
    pub(super) fn hand_over(&mut self) -> Filled {
        let filled = std::mem::take(&mut self.filled);
        for pending in &filled.receipts {
            self.messages -= pending.messages.len();
            self.bytes -= pending.bytes;
        }
        self.late = !self.waiting.is_empty();
        filled
    }

    /// Takes what waits into the batch, up to a bound. After an error it is
    /// tried again after a pause; what is in the batch is not held up by it.
    pub(super) fn take(
        &mut self,
        batcher: &mut Batcher,
        registry: &Registry,
        stats: &Stats,
    ) -> Result<(), RegistryError> {
        if self.retry.is_some_and(|(at, _)| Instant::now() < at) {
            return Ok(());
        }
        // It may have been removed since the last time.
        self.scratch.service = None;
        while let Some(delivery) = self.waiting.front_mut() {
            while let Some(message) = delivery.messages.get(delivery.outcomes.len()) {
                let batch = &mut self.filled.batch;
                if batch.is_full() {
                    return Ok(());
                }
                match self.scratch.open(message, batch, batcher, registry, stats) {
                    Ok(outcome) => delivery.outcomes.push(outcome),
                    Err(error) => {
                        let mut backoff = self.retry.map_or(RETRY, |(_, backoff)| backoff);
                        self.retry = Some((Instant::now() + backoff.pause(), backoff));
                        return Err(error);
                    }
                }
                self.retry = None;
            }
            self.filled.receipts.extend(self.waiting.pop_front());
        }
        Ok(())
    }
}

impl Filled {
    fn is_empty(&self) -> bool {
        self.receipts.is_empty() && self.batch.rows.is_empty()
    }
}

impl Batch {
    /// Whether it is as large as one commit may be.
    fn is_full(&self) -> bool {
        self.rows.len() >= MAX_ROWS || self.volumes.len() >= MAX_VOLUMES
    }
}

impl Pending {
    fn new(Delivery { messages, settle }: Delivery) -> Self {
        let bytes = messages.iter().map(|message| message.payload.len()).sum();
        Self { outcomes: Vec::with_capacity(messages.len()), messages, settle, bytes }
    }

    /// Tells its sender what became of it.
    pub(super) fn settle(&self) {
        self.settle.settle(&self.outcomes);
    }
}

impl Scratch {
    /// Adds a message's samples to a batch. A service is registered by its
    /// first valid sample; one that was removed after the message had come is
    /// not registered anew by it.
    fn open(
        &mut self,
        message: &Message,
        batch: &mut Batch,
        batcher: &mut Batcher,
        registry: &Registry,
        stats: &Stats,
    ) -> Result<Outcome, RegistryError> {
        self.samples.clear();
        if let Err(error) = decode_into(&message.payload, &mut self.samples) {
            stats.refused(message, &error);
            return Ok(Outcome::Refused(error));
        }
        if let Some(number) = self.number(registry, message)? {
            batcher.add(batch, number, self.samples.drain(..), message.arrived_ms);
        }
        Ok(Outcome::Stored)
    }

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

#[cfg(test)]
mod tests;
