//! The handover from MQTT to the store: payloads go one way, and what became
//! of them comes back to be acknowledged.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use crate::{DecodeError, ServiceId};

/// What became of a delivered message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its samples are committed (or were before): acknowledge it.
    Stored,
    /// It can never be stored: acknowledge it as refused, so that it is not
    /// sent for ever.
    Refused(DecodeError),
}

/// Takes back what became of deliveries: the side that MQTT acknowledgements
/// go out on.
///
/// Called from the store's writer thread, so it must not block. A delivery
/// that is dropped without being settled was not stored and must not be
/// acknowledged.
pub trait Settle: Send + Sync {
    /// The outcomes of the messages of one delivery, in their order. The
    /// deliveries of one sender are settled in the order in which they came.
    fn settle(&self, outcomes: &[Outcome]);
}

/// One published payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The service to whose traffic topic it was published.
    pub service: ServiceId,
    /// MessagePack, as it arrived.
    pub payload: Bytes,
    /// When it arrived, Unix milliseconds of this host's clock.
    pub arrived_ms: i64,
}

/// What one sender had sent when it was last read from: one or more messages
/// on their way to the store, settled together.
pub struct Delivery {
    /// The messages in order of arrival; never empty.
    pub messages: Vec<Message>,
    /// Where the outcomes go.
    pub settle: Arc<dyn Settle>,
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("messages", &self.messages.len()).finish_non_exhaustive()
    }
}
