//! How many lines refusals may write: a log that anybody outside can fill is
//! itself a way to take the machine down.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Lines a second about refusals; the figures count all of them anyway.
const LINES_PER_SECOND: u32 = 10;

#[derive(Debug, Clone, Copy)]
struct Second {
    began: Instant,
    written: u32,
    left_out: u64,
}

/// The budget of lines.
#[derive(Debug, Default)]
pub(crate) struct Lines(Mutex<Option<Second>>);

impl Lines {
    /// Whether a line may be written now. Says once a second how many were
    /// not.
    pub(crate) fn allow(&self) -> bool {
        let (allowed, left_out) = self.take(Instant::now());
        if left_out > 0 {
            tracing::warn!(left_out, "more refusals than lines in the log");
        }
        allowed
    }

    fn take(&self, now: Instant) -> (bool, u64) {
        let mut second = self.0.lock();
        let fresh = Second { began: now, written: 0, left_out: 0 };
        let old = second.get_or_insert(fresh);
        let mut left_out = 0;
        if now.saturating_duration_since(old.began) >= Duration::from_secs(1) {
            left_out = old.left_out;
            *old = fresh;
        }
        old.written = old.written.saturating_add(1);
        let allowed = old.written <= LINES_PER_SECOND;
        old.left_out += u64::from(!allowed);
        (allowed, left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_writes_few_lines_and_says_how_many_it_left_out() {
        let lines = Lines::default();
        let start = Instant::now();
        let written = (0..1000).filter(|_| lines.take(start).0).count();
        assert_eq!(written, 10);
        let later = start + Duration::from_secs(1);
        assert_eq!(lines.take(later), (true, 990));
        assert_eq!(lines.take(later), (true, 0));
    }
}
