//! The bounded queue between publishers and the router: full, it loses its
//! oldest.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Envelope;

/// Most messages that go to the router at once: it handles nothing else
/// meanwhile.
const BATCH: usize = 512;

#[derive(Default)]
struct Waiting {
    messages: VecDeque<Envelope>,
    bytes: usize,
}

pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    more: Notify,
    limit: usize,
}

impl Queue {
    pub(super) fn new(limit: usize) -> Self {
        Self { waiting: Mutex::default(), more: Notify::new(), limit }
    }

    /// Returns how many of the oldest had to go.
    pub(super) fn push(&self, copies: impl IntoIterator<Item = Envelope>) -> u64 {
        let mut lost = 0;
        let mut waiting = self.waiting.lock();
        for copy in copies {
            waiting.bytes += copy.bytes.len();
            waiting.messages.push_back(copy);
            while waiting.bytes > self.limit {
                let Some(oldest) = waiting.messages.pop_front() else { break };
                waiting.bytes -= oldest.bytes.len();
                lost += 1;
            }
        }
        drop(waiting);
        self.more.notify_one();
        lost
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.lock().messages.is_empty()
    }

    /// The next batch, as soon as there is one.
    pub(super) async fn take(&self) -> Vec<Envelope> {
        loop {
            {
                let mut waiting = self.waiting.lock();
                if !waiting.messages.is_empty() {
                    let n = waiting.messages.len().min(BATCH);
                    let batch: Vec<_> = waiting.messages.drain(..n).collect();
                    waiting.bytes -= batch.iter().map(|m| m.bytes.len()).sum::<usize>();
                    return batch;
                }
            }
            self.more.notified().await;
        }
    }
}
