//! Pauses between tries of what does not work yet.

use std::time::Duration;

/// Pauses of which each is twice as long as the one before, up to the longest.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Begins with the `first` pause.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// The pause before the next try.
    pub fn pause(&mut self) -> Duration {
        let due = self.next;
        self.next = due.saturating_mul(2).min(self.longest);
        due
    }

    /// The same for one of many who try: somewhere in the upper half of what is
    /// due, so that a fleet does not come back in one moment.
    pub fn jittered(&mut self) -> Duration {
        let due = self.pause();
        rand::random_range(due / 2..=due)
    }

    /// It worked: begins anew.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUE: [u64; 7] = [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000];

    fn backoff() -> Backoff {
        Backoff::new(Duration::from_secs(1), Duration::from_secs(30))
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew() {
        let mut backoff = backoff();
        for due in DUE {
            assert_eq!(backoff.pause(), Duration::from_millis(due));
        }
        backoff.reset();
        assert_eq!(backoff.pause(), Duration::from_secs(1));
    }

    #[test]
    fn a_fleet_is_spread_over_the_upper_half_of_each_pause() {
        let mut backoffs = [(); 50].map(|()| backoff());
        for due in DUE.map(Duration::from_millis) {
            let pauses = backoffs.each_mut().map(Backoff::jittered);
            assert!(pauses.iter().all(|pause| (due / 2..=due).contains(pause)), "{pauses:?}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{pauses:?}");
        }
    }
}
