//! How many samples a second are stored: measured, over the last minute.

use std::{collections::VecDeque, time::Duration};

use parking_lot::Mutex;
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;

use crate::site::Shared;

/// Time between two looks at the counter.
const EVERY: Duration = Duration::from_secs(5);
/// The mean is of so much time: agents report every few seconds to every minute.
const WINDOW: Duration = Duration::from_mins(1);

/// What the counter of samples was, and when; the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<VecDeque<(Instant, u64)>>);

impl Pace {
    fn note(&self, now: Instant, samples: u64) {
        let mut looks = self.0.lock();
        looks.push_back((now, samples));
        // The one before the window is its begin.
        while looks.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            looks.pop_front();
        }
    }

    /// Samples a second up to now, when the counter is at `samples`; `None`:
    /// too soon to tell.
    pub(super) fn per_second(&self, now: Instant, samples: u64) -> Option<f64> {
        let (at, before) = *self.0.lock().front()?;
        let seconds = now.duration_since(at).as_secs_f64();
        #[allow(clippy::cast_precision_loss, reason = "one decimal is shown")]
        let more = samples.saturating_sub(before) as f64;
        (seconds >= 1.0).then(|| more / seconds)
    }
}

/// Looks at the counter now and then, until `stop`.
pub(crate) async fn follow(site: Shared, stop: CancellationToken) {
    let mut looks = interval(EVERY);
    while stop.run_until_cancelled(looks.tick()).await.is_some() {
        site.pace.note(Instant::now(), site.app.stats.snapshot().samples);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_the_mean_of_the_last_minute() {
        let (pace, begun) = (Pace::default(), Instant::now());
        let after = |seconds| begun + Duration::from_secs(seconds);
        assert_eq!(pace.per_second(begun, 0), None);
        pace.note(begun, 1000);
        assert_eq!(pace.per_second(begun, 1000), None);
        assert_eq!(pace.per_second(after(2), 1007), Some(3.5));
        // Ten a second, and from the third minute on nothing more.
        for i in 1..=24 {
            pace.note(after(i * 5), 1000 + i * 50);
        }
        assert_eq!(pace.per_second(after(120), 2200), Some(10.0));
        for i in 25..=30 {
            pace.note(after(i * 5), 2200);
        }
        assert_eq!(pace.per_second(after(150), 2200), Some(5.0));
        for i in 31..=40 {
            pace.note(after(i * 5), 2200);
        }
        assert_eq!(pace.per_second(after(200), 2200), Some(0.0));
    }
}
