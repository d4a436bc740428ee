//! Messages on their way to the store, and the acknowledgements on their way
//! back. Everything is first in, first out, so that one number per connection
//! ("done up to message n") is the whole list of acknowledgements.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{
            AtomicU64, AtomicUsize,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    time::Instant,
};

use komandorr_wire::{Delivery, Message, Outcome, Settle};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

/// What a waiting message costs beside its payload, in bytes: the structures
/// around it, roughly.
const MESSAGE_OVERHEAD: usize = 128;

/// The way into the store.
pub(crate) struct Intake {
    pub(crate) deliveries: mpsc::Sender<Delivery>,
    /// Bytes that may wait for the store, of all connections together.
    pub(crate) budget: Arc<Semaphore>,
    budget_size: u32,
    /// Closed when the broker drains. A lock and not a flag: once `close` has
    /// returned, no delivery can slip into the channel any more.
    open: RwLock<bool>,
}

impl Intake {
    pub(crate) fn new(deliveries: mpsc::Sender<Delivery>, bytes: u64) -> Self {
        let budget_size = u32::try_from(bytes).unwrap_or(u32::MAX);
        let permits = usize::try_from(budget_size).unwrap_or(Semaphore::MAX_PERMITS);
        let budget = Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        Self { deliveries, budget, budget_size, open: RwLock::new(true) }
    }

    /// What a payload of this length takes of the budget. The largest packet
    /// always fits an empty one.
    pub(crate) fn cost(&self, payload: usize) -> u32 {
        let cost = u32::try_from(payload.saturating_add(MESSAGE_OVERHEAD)).unwrap_or(u32::MAX);
        cost.min(self.budget_size)
    }

    pub(crate) fn waiting_bytes(&self) -> u64 {
        let free = u64::try_from(self.budget.available_permits()).unwrap_or(u64::MAX);
        u64::from(self.budget_size).saturating_sub(free)
    }

    pub(crate) fn close(&self) {
        *self.open.write() = false;
    }

    /// Puts a delivery into the place that was reserved for it, unless the
    /// broker drains.
    pub(crate) fn send(&self, place: mpsc::OwnedPermit<Delivery>, delivery: Delivery) -> bool {
        let open = self.open.read();
        if *open {
            place.send(delivery);
        }
        *open
    }

    /// Puts a connection's batch into the place that was reserved for it. Not
    /// when the broker drains: then the batch stays where it is, is never
    /// acknowledged, and comes again to the next broker.
    pub(crate) fn hand_over(&self, place: mpsc::OwnedPermit<Delivery>, window: &mut Window) {
        let open = self.open.read();
        if *open && let Some(delivery) = window.delivery() {
            place.send(delivery);
        }
    }
}

/// Where the store reports what became of one connection's messages.
#[derive(Debug)]
pub(crate) struct AckSlot {
    /// All messages up to this number are settled.
    done: AtomicU64,
    /// The numbers among them that were refused, in order.
    refused: Mutex<VecDeque<u64>>,
    /// The first message that was dropped without being settled.
    lost: AtomicU64,
    pub(crate) wake: Notify,
}

/// No message is lost.
const NONE_LOST: u64 = u64::MAX;

impl Default for AckSlot {
    fn default() -> Self {
        Self {
            done: AtomicU64::new(0),
            refused: Mutex::default(),
            lost: AtomicU64::new(NONE_LOST),
            wake: Notify::new(),
        }
    }
}

/// One delivery's way back: settles its messages, or reports them lost when it
/// is dropped without.
struct Handover {
    slot: Arc<AckSlot>,
    first: u64,
    count: usize,
    /// How many of them are settled.
    settled: AtomicUsize,
    /// Gives its bytes back to the budget.
    _bytes: Option<OwnedSemaphorePermit>,
}

impl Settle for Handover {
    fn settle(&self, outcomes: &[Outcome]) {
        let numbered = (self.first..).zip(outcomes).take(self.count);
        let mut last = None;
        for (number, outcome) in numbered {
            if matches!(outcome, Outcome::Refused(_)) {
                self.slot.refused.lock().push_back(number);
            }
            last = Some(number);
        }
        if let Some(last) = last {
            self.slot.done.fetch_max(last, Release);
        }
        // Fewer outcomes than messages: the rest counts as lost when dropped.
        self.settled.store(outcomes.len().min(self.count), Relaxed);
        self.slot.wake.notify_one();
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        let settled = *self.settled.get_mut();
        if settled < self.count {
            let first = self.first + u64::try_from(settled).unwrap_or_default();
            self.slot.lost.fetch_min(first, Release);
            self.slot.wake.notify_one();
        }
    }
}

/// A PUBACK that is owed.
#[derive(Debug, Clone, Copy)]
struct Owed {
    /// Due when the store has settled up to this number.
    after: u64,
    packet_id: u16,
    since: Instant,
    kind: OwedKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OwedKind {
    /// For a message that went to the store.
    Stored,
    /// For one that did not have to: due as soon as its turn comes, with this
    /// reason.
    Direct(u8),
}

/// A PUBACK that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) packet_id: u16,
    /// `None` when the store refused the payload.
    pub(crate) reason: Option<u8>,
    /// When the message arrived, for those that went to the store.
    pub(crate) since: Option<Instant>,
}

/// One connection's messages between PUBLISH and PUBACK: pure bookkeeping.
#[derive(Default)]
pub(crate) struct Window {
    pub(crate) slot: Arc<AckSlot>,
    taken: u64,
    owed: VecDeque<Owed>,
    batch: Vec<Message>,
    bytes: Option<OwnedSemaphorePermit>,
}

impl Window {
    /// A message for the store, with its share of the budget.
    pub(crate) fn take(
        &mut self,
        message: Message,
        bytes: OwnedSemaphorePermit,
        packet_id: Option<u16>,
        now: Instant,
    ) {
        self.taken += 1;
        self.batch.push(message);
        match &mut self.bytes {
            Some(all) => all.merge(bytes),
            none => *none = Some(bytes),
        }
        if let Some(packet_id) = packet_id {
            let (after, kind) = (self.taken, OwedKind::Stored);
            self.owed.push_back(Owed { after, packet_id, since: now, kind });
        }
    }

    /// A message that needs no store: its PUBACK only keeps its turn.
    pub(crate) fn answer(&mut self, packet_id: u16, reason: u8, now: Instant) {
        let kind = OwedKind::Direct(reason);
        self.owed.push_back(Owed { after: self.taken, packet_id, since: now, kind });
    }

    pub(crate) fn unacknowledged(&self) -> usize {
        self.owed.len()
    }

    /// Messages that wait to be handed over.
    pub(crate) fn batched(&self) -> usize {
        self.batch.len()
    }

    /// What they take of the budget.
    pub(crate) fn batched_bytes(&self) -> usize {
        self.bytes.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    /// Everything taken since the last call, as one delivery.
    pub(crate) fn delivery(&mut self) -> Option<Delivery> {
        if self.batch.is_empty() {
            return None;
        }
        let messages = std::mem::take(&mut self.batch);
        let count = messages.len();
        let first = self.taken + 1 - u64::try_from(count).unwrap_or(u64::MAX);
        let settle = Handover {
            slot: Arc::clone(&self.slot),
            first,
            count,
            settled: AtomicUsize::new(0),
            _bytes: self.bytes.take(),
        };
        Some(Delivery { messages, settle: Arc::new(settle) })
    }

    /// Whether a delivery was dropped unsettled: its messages must not be
    /// acknowledged, and with them nothing that came later.
    pub(crate) fn is_lost(&self) -> bool {
        self.slot.lost.load(Acquire) != NONE_LOST
    }

    /// The next PUBACK that is due.
    pub(crate) fn due(&mut self) -> Option<Due> {
        let Some(&owed) = self.owed.front() else {
            // Of messages without a PUBACK nobody asks.
            self.slot.refused.lock().clear();
            return None;
        };
        // In this order: a later delivery may have been settled after an
        // earlier one was dropped, and must not acknowledge that one too.
        let done = self.slot.done.load(Acquire);
        if owed.after > done || owed.after >= self.slot.lost.load(Acquire) {
            return None;
        }
        self.owed.pop_front();
        Some(match owed.kind {
            OwedKind::Direct(reason) => {
                Due { packet_id: owed.packet_id, reason: Some(reason), since: None }
            }
            OwedKind::Stored => {
                let mut refused = self.slot.refused.lock();
                // Numbers of QoS 0 messages have no PUBACK: skip them.
                while refused.front().is_some_and(|n| *n < owed.after) {
                    refused.pop_front();
                }
                let refused = refused.front() == Some(&owed.after);
                let reason = (!refused).then_some(0);
                Due { packet_id: owed.packet_id, reason, since: Some(owed.since) }
            }
        })
    }
}

#[cfg(test)]
mod tests;
