//! When a busy connection is read again.

use std::time::Duration;

use tokio::time::Instant;

/// Least time between two reads of a connection whose messages wait for the
/// store anyway. Clients that write each message by itself are then read many
/// at a time: system calls and wake-ups are most of what such a message costs.
const APART: Duration = Duration::from_millis(3);

/// Keeps reads apart. The first one after a pause is not held back.
#[derive(Debug)]
pub(super) struct Pace {
    last: Instant,
    /// When the next read is due, if it is held back.
    pub(super) next: Option<Instant>,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { last: Instant::now(), next: None }
    }

    /// Something has been read; `all`: nothing more was there.
    pub(super) fn read(&mut self, all: bool) {
        let now = Instant::now();
        let soon = now.saturating_duration_since(self.last) < APART * 2;
        self.next = (all && soon).then(|| now + APART);
        self.last = now;
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Instant) {
        self.next = self.next.filter(|next| *next > now);
    }
}
