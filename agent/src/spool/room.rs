//! What goes when there is too much, or when the server has it.

use std::{fs, io};

use super::{Spool, segment::Segment};

/// Waiting samples that had to go, by the bound that they were over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// The spool was full.
    pub full: u64,
    /// They had waited for too long.
    pub old: u64,
}

impl Spool {
    /// Lets the oldest go while there is too much or too old. Before the write
    /// that it is for: on a full disk that could not succeed without.
    pub(super) fn make_room(&mut self, elapsed_ms: u64) {
        let age = u64::try_from(self.limits.age.as_millis()).unwrap_or(u64::MAX);
        let room = self.limits.bytes.saturating_sub(self.segment_size());
        while let Some(oldest) = self.older.front() {
            let used = self.older.iter().map(|s| s.len).fold(0, u64::saturating_add);
            let old = oldest.until_ms.saturating_add(age) < elapsed_ms;
            if used <= room && !old {
                break;
            }
            let Some(oldest) = self.older.pop_front() else { break };
            let pairs = oldest.samples.pairs().iter();
            let lost: u64 = pairs.map(|&(first, last)| self.waiting.remove(first, last)).sum();
            self.dropped += lost;
            let untold = if old { &mut self.untold.old } else { &mut self.untold.full };
            *untold += lost;
            remove(&oldest);
        }
    }

    /// The server has these samples.
    pub fn acknowledge(&mut self, numbers: &[(u64, u64)]) {
        for &(first, last) in numbers {
            self.waiting.remove(first, last);
        }
        self.discard_acknowledged();
    }

    /// Removes the segments of which nothing waits any more.
    pub(super) fn discard_acknowledged(&mut self) {
        while let Some(oldest) = self.older.front() {
            if oldest.samples.pairs().iter().any(|&(a, b)| self.waiting.meets(a, b)) {
                break;
            }
            remove(oldest);
            self.older.pop_front();
        }
    }
}

/// A file that stays behind is read again at the next start, which is harmless.
pub(super) fn remove(segment: &Segment) {
    if let Err(error) = fs::remove_file(&segment.path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %segment.path.display(), %error, "cannot remove a spool segment");
    }
}
