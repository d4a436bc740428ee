//! Replaces a dead or hung router within a second.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{
    Fanout,
    feed::Feed,
    link::{Link, LinkEvent},
    router::Generation,
};

/// How often the router is looked at.
const TICK: Duration = Duration::from_millis(50);
/// A router that leaves a probe unanswered for this many ticks is hung: 0.6 s.
/// A loaded one answers within a few milliseconds.
const PATIENCE: u32 = 12;
/// A tick that comes later than this says that the machine is starved, not
/// that the router hangs: it does not count.
const STARVED: Duration = Duration::from_millis(150);

/// What is known of the router's pulse.
struct Pulse {
    link: Option<Link>,
    unanswered: u32,
}

impl Fanout {
    pub(super) async fn supervise(self: Arc<Self>, stop: CancellationToken) {
        stop.run_until_cancelled(self.watch()).await;
        // Connections end by themselves; the router ends with its last handle.
    }

    async fn watch(&self) {
        let mut pulse = Pulse { link: None, unanswered: 0 };
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = Instant::now();
        loop {
            ticks.tick().await;
            let starved = last.elapsed() > STARVED;
            last = Instant::now();
            let generation = Arc::clone(&self.current.borrow());
            let verdict = if generation.is_alive() {
                feel(&mut pulse, &generation, starved).await
            } else {
                Some("dead")
            };
            if let Some(state) = verdict {
                self.replace(&generation, state);
                pulse = Pulse { link: None, unanswered: 0 };
            }
        }
    }

    fn replace(&self, old: &Generation, state: &str) {
        match Generation::start(self.settings) {
            Ok(next) => {
                tracing::error!(
                    router = old.name(),
                    next = next.name(),
                    "the router is {state}: another has taken over; subscribers may have lost messages"
                );
                self.current.send_replace(Arc::new(next));
                self.counters.router_restarts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                old.gone.cancel();
            }
            Err(error) => {
                tracing::error!(%error, "the router is {state}, and no thread for another one");
            }
        }
    }
}

/// One look; tells when the router is to be replaced.
async fn feel(
    pulse: &mut Pulse,
    generation: &Arc<Generation>,
    starved: bool,
) -> Option<&'static str> {
    // Everything that could wait for the router is cut short by the tick: a
    // hung one would otherwise hold its own supervisor.
    let look = tokio::time::timeout(TICK, touch(pulse, generation)).await;
    match look {
        Ok(Ok(true)) => pulse.unanswered = 0,
        Ok(Err(())) => return Some("dead"),
        _ if starved => {}
        Ok(Ok(false)) | Err(_) => pulse.unanswered += 1,
    }
    (pulse.unanswered >= PATIENCE).then_some("hung")
}

/// Whether the last probe has come back; sends the next one then.
async fn touch(pulse: &mut Pulse, generation: &Arc<Generation>) -> Result<bool, ()> {
    let link = match &mut pulse.link {
        Some(link) => link,
        none => {
            let mut link = Generation::open(generation).await.ok_or(())?;
            let feeds = BTreeSet::from([Feed::Probe]);
            link.subscribe(&feeds, 1).await.map_err(|_gone| ())?;
            link.probe().await.map_err(|_gone| ())?;
            none.insert(link)
        }
    };
    let mut answered = false;
    while let Some(event) = link.next_now().map_err(|_gone| ())? {
        answered |= matches!(event, LinkEvent::Message(_));
    }
    if answered {
        link.probe().await.map_err(|_gone| ())?;
    }
    Ok(answered)
}
