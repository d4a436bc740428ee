//! How soon a connection is tried again: soon after one that was good for
//! something, ever later where each breaks as soon as it is there.

use std::time::{Duration, Instant};

use komandorr_config::Backoff;

use super::explain::Step;

/// The pauses between attempts to connect.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What one connection has been good for so far.
#[derive(Debug, Default)]
pub(super) struct Merit {
    since: Option<Instant>,
    stored: bool,
}

impl Merit {
    /// The server has let the agent in.
    pub(super) fn connected(&mut self, now: Instant) {
        self.since = Some(now);
    }

    /// The server has stored samples. That it takes a status says little: one that
    /// refuses every sample does so as well.
    pub(super) fn stored(&mut self) {
        self.stored = true;
    }
}

/// The pauses, one after the other.
#[derive(Debug)]
pub(super) struct Pace(Backoff);

impl Pace {
    pub(super) const fn new() -> Self {
        Self(Backoff::new(FIRST_PAUSE, LONGEST_PAUSE))
    }

    /// The pause after a connection that ended at `step`. Two agents of one
    /// identity break each other's, however much each of them gets stored.
    pub(super) fn after(&mut self, ended: &Merit, step: Step, now: Instant) -> Duration {
        let lasted = ended.since.is_some_and(|since| now - since >= LONGEST_PAUSE);
        if (ended.stored || lasted) && step != Step::Rival {
            self.0.reset();
        }
        self.0.jittered()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The longest that the fifth pause can be, after connections like this one.
    fn fifth(lasted: Option<u64>, stored: bool, step: Step) -> Duration {
        let (mut pace, begin) = (Pace::new(), Instant::now());
        let now = begin + Duration::from_secs(lasted.unwrap_or(0));
        let merit = Merit { since: lasted.map(|_| begin), stored };
        (0..5).map(|_| pace.after(&merit, step, now)).last().unwrap()
    }

    #[test]
    fn pauses_grow_unless_samples_were_stored_or_the_connection_lasted() {
        let (soon, late) = (FIRST_PAUSE, FIRST_PAUSE * 8);
        assert!(fifth(None, false, Step::Connect) >= late);
        assert!(fifth(Some(2), false, Step::Credential) >= late, "a status alone is no merit");
        assert!(fifth(Some(2), true, Step::Session) <= soon);
        assert!(fifth(Some(30), false, Step::Session) <= soon);
        assert!(fifth(Some(60), true, Step::Rival) >= late, "they would go on for ever");
    }
}
