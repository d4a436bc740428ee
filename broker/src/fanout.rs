//! Copies of messages on their way to MQTT subscribers, through rumqttd's
//! router.
//!
//! Publishers never touch the router: they leave copies in a bounded queue,
//! and only while somebody subscribes. One task carries them to the router;
//! each subscribing connection has a link of its own, opened with its first
//! subscription. So the router's death or slowness concerns subscribers only,
//! and even their connections outlive it: they take a link to its successor.
//!
//! What the router keeps is bounded by construction: the topics and filters it
//! sees are a fixed set ([`feed`]), client ids are slot names, no message is
//! retained there, and every subscription is of `QoS` 0 (ours is the `QoS` 1).

mod envelope;
pub(crate) mod feed;
mod link;
mod panics;
mod queue;
mod router;
mod supervise;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::metrics::Counters;
pub(crate) use envelope::Envelope;
use feed::{ByKind, Kind};
pub(crate) use link::{Link, LinkEvent, RouterGone};
use queue::Queue;
use router::Generation;
pub(crate) use router::Settings;

/// The fan-out: shared by every connection.
pub(crate) struct Fanout {
    queue: Queue,
    current: watch::Sender<Arc<Generation>>,
    settings: Settings,
    /// How many connections want each kind.
    wanted: ByKind<AtomicU64>,
    counters: Arc<Counters>,
}

impl Fanout {
    /// Starts a router, the task that feeds it and the one that watches it.
    pub(crate) fn start(
        settings: Settings,
        counters: Arc<Counters>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> std::io::Result<Arc<Self>> {
        panics::keep_deliberate_ones_quiet();
        let first = Generation::start(settings)?;
        let fanout = Arc::new(Self {
            queue: Queue::new(settings.backlog),
            current: watch::Sender::new(Arc::new(first)),
            settings,
            wanted: Default::default(),
            counters,
        });
        tasks.spawn(Arc::clone(&fanout).carry(stop.clone()));
        tasks.spawn(Arc::clone(&fanout).supervise(stop.clone()));
        Ok(fanout)
    }

    /// Whether anybody wants messages of this kind.
    pub(crate) fn is_wanted(&self, kind: Kind) -> bool {
        self.wanted.get(kind as usize).is_some_and(|n| n.load(SeqCst) > 0)
    }

    /// Says that a connection wants these kinds, until dropped.
    pub(crate) fn want(self: &Arc<Self>, kinds: ByKind<bool>) -> Interest {
        for (counter, _) in self.wanted.iter().zip(kinds).filter(|(_, wanted)| *wanted) {
            counter.fetch_add(1, SeqCst);
        }
        Interest { fanout: Arc::clone(self), kinds }
    }

    /// Leaves copies for the subscribers. Never waits: when they pile up, the
    /// oldest are lost, and counted.
    pub(crate) fn publish(&self, copies: impl IntoIterator<Item = Envelope>) {
        self.counters.lost.fetch_add(self.queue.push(copies), SeqCst);
    }

    /// A link to the router that is alive now, or to the next one that is.
    pub(crate) async fn open(&self) -> Link {
        let mut watch = self.current.subscribe();
        loop {
            let generation = Arc::clone(&watch.borrow_and_update());
            if let Some(link) = Generation::open(&generation).await {
                return link;
            }
            // The supervisor outlives every connection; should it be gone, the
            // broker is stopping and the caller is about to be cancelled.
            if watch.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Whether the router answers.
    pub(crate) fn is_healthy(&self) -> bool {
        self.current.borrow().is_alive()
    }

    /// Ends the router, to see what happens then.
    #[cfg(test)]
    pub(crate) fn kill_router(&self) {
        self.current.borrow().ask(router::Request::Stop);
    }

    /// How many slots are in use. Blocks until the desk has done what it was
    /// asked before.
    #[cfg(test)]
    pub(crate) fn slots(&self) -> usize {
        let (reply, answer) = std::sync::mpsc::channel();
        self.current.borrow().ask(router::Request::Count(reply));
        answer.recv().unwrap()
    }

    /// Hangs the router for a time, to see what happens then.
    #[cfg(test)]
    pub(crate) async fn hang_router(&self, time: std::time::Duration) {
        let grip = self.open().await.grip();
        // The router waits for this lock when it looks at the link's packets.
        drop(tokio::task::spawn_blocking(move || grip.hold(time)));
    }

    /// Carries what is queued to the router, batch by batch; a batch that dies
    /// with its router is carried to the next one.
    async fn carry(self: Arc<Self>, stop: CancellationToken) {
        let work = async {
            let mut batch = Vec::new();
            loop {
                let mut link = self.open().await;
                loop {
                    if batch.is_empty() {
                        let Some(next) = link.unless_gone(self.queue.take()).await else { break };
                        batch = next;
                    }
                    if link.publish(&batch).await.is_err() {
                        break;
                    }
                    batch.clear();
                }
            }
        };
        stop.run_until_cancelled(work).await;
    }
}

/// That a connection wants copies.
pub(crate) struct Interest {
    fanout: Arc<Fanout>,
    kinds: ByKind<bool>,
}

impl Drop for Interest {
    fn drop(&mut self) {
        let counters = self.fanout.wanted.iter().zip(self.kinds);
        for (counter, _) in counters.filter(|(_, wanted)| *wanted) {
            counter.fetch_sub(1, SeqCst);
        }
    }
}
