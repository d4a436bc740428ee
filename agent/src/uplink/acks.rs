//! Which message an acknowledgement is about.

use std::collections::HashMap;

use tokio::sync::mpsc;

use super::{Kind, MessageId};

/// Matches packet ids, which rumqttc gives when it writes a message, with the
/// messages in the order in which they were handed to it.
pub(super) struct Acks {
    queued: mpsc::UnboundedReceiver<(MessageId, Kind)>,
    sent: HashMap<u16, (MessageId, Kind)>,
}

impl Acks {
    /// Of the messages that are handed over in the order of `queued`.
    pub(super) fn new(queued: mpsc::UnboundedReceiver<(MessageId, Kind)>) -> Self {
        Self { queued, sent: HashMap::new() }
    }

    pub(super) fn sent(&mut self, pkid: u16) {
        // One that is not there is a bug of the order in `publish`.
        if let Ok(message) = self.queued.try_recv() {
            self.sent.insert(pkid, message);
        }
    }

    pub(super) fn acknowledged(&mut self, pkid: u16) -> Option<(MessageId, Kind)> {
        self.sent.remove(&pkid)
    }
}
