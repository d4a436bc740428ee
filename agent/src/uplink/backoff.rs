//! Pauses between attempts to connect: 1 s growing to 30 s, jittered.

use std::time::Duration;

/// The first pause.
const FIRST_MS: u64 = 1000;
/// The longest pause.
const LONGEST_MS: u64 = 30_000;

/// Pauses that grow until something works.
#[derive(Debug, Clone)]
pub struct Backoff {
    next_ms: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next_ms: FIRST_MS }
    }
}

impl Backoff {
    /// The pause before the next attempt: somewhere in the upper half of what
    /// is due, so that a fleet does not come back in one moment.
    pub fn pause(&mut self) -> Duration {
        let due = self.next_ms;
        self.next_ms = (due * 2).min(LONGEST_MS);
        Duration::from_millis(rand::random_range(due / 2..=due))
    }

    /// It worked: begins anew.
    pub fn reset(&mut self) {
        self.next_ms = FIRST_MS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_one_to_thirty_seconds_and_begin_anew() {
        let mut backoff = Backoff::default();
        for due in [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            let pause = u64::try_from(backoff.pause().as_millis()).unwrap();
            assert!((due / 2..=due).contains(&pause), "{pause} of {due}");
        }
        backoff.reset();
        assert!(backoff.pause() <= Duration::from_secs(1));
    }
}
