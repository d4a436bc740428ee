//! The way back of one message: from the commit to its PUBACK.

use std::sync::atomic::{AtomicBool, Ordering};

use komandorr_wire::{Outcome, Settle};
use tokio::sync::mpsc;

/// What became of a message.
#[derive(Debug)]
pub(super) enum Settled {
    /// Stored or refused: acknowledge it, by its packet id.
    Acknowledge(u16),
    /// Given up on: the broker has to send it again, which it does only on a
    /// new connection.
    Dropped,
}

/// Settles one message of one connection. The channel ends with the connection:
/// a packet id means something else on the next one.
#[derive(Debug)]
pub(super) struct Receipt {
    /// 0 at QoS 0, where nothing is acknowledged and nothing comes again.
    packet: u16,
    back: mpsc::UnboundedSender<Settled>,
    settled: AtomicBool,
}

impl Receipt {
    pub(super) fn new(packet: u16, back: mpsc::UnboundedSender<Settled>) -> Self {
        Self { packet, back, settled: AtomicBool::new(false) }
    }
}

impl Settle for Receipt {
    /// A refused message is acknowledged as well: it would come for ever.
    fn settle(&self, _outcomes: &[Outcome]) {
        self.settled.store(true, Ordering::Relaxed);
        // The connection may be gone: then the message comes again.
        drop(self.back.send(Settled::Acknowledge(self.packet)));
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if !self.settled.load(Ordering::Relaxed) && self.packet != 0 {
            drop(self.back.send(Settled::Dropped));
        }
    }
}
