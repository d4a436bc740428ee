//! What all connections share, and what the broker publishes by itself.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use komandorr_config::guesses::SlowDown;
use komandorr_wire::{Delivery, Message, Outcome, ServiceId, Settle, topic::Topic};
use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admission::Admission,
    config::Config,
    fanout::{Envelope, Fanout, feed::Kind},
    gate::{Gatekeeper, Identity},
    intake::Intake,
    metrics::{Counters, Refused},
    notices::Notices,
    retained::{Presence, Retained},
    rules::{Rules, Target},
    sessions::Sessions,
};

/// How long a last will to a traffic topic may wait for the store.
const WILL_PATIENCE: Duration = Duration::from_secs(1);

/// What all connections share.
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) gatekeeper: Arc<dyn Gatekeeper>,
    pub(crate) intake: Intake,
    pub(crate) fanout: Arc<Fanout>,
    pub(crate) retained: Retained,
    pub(crate) notices: Notices,
    pub(crate) rules: Rules,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) admission: Arc<Admission>,
    /// Places for who holds much of a packet that is not whole.
    pub(crate) large: Arc<Semaphore>,
    pub(crate) slow_down: SlowDown,
    pub(crate) counters: Arc<Counters>,
    /// Nothing more is taken from publishers.
    pub(crate) draining: CancellationToken,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl Core {
    /// Hands one message to the store, outside any connection; the answer
    /// comes when it is settled. `None`: the store is gone, or the broker
    /// drains.
    pub(crate) async fn submit(
        &self,
        service: ServiceId,
        payload: Bytes,
    ) -> Option<oneshot::Receiver<Outcome>> {
        let cost = self.intake.cost(payload.len());
        let budget = Arc::clone(&self.intake.budget).acquire_many_owned(cost);
        let reserve = self.intake.deliveries.clone().reserve_owned();
        let wait = async { Some((budget.await.ok()?, reserve.await.ok()?)) };
        let (bytes, place) = self.draining.run_until_cancelled(wait).await??;
        let (reply, answer) = oneshot::channel();
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let arrived_ms = since_1970.map_or(0, |t| i64::try_from(t.as_millis()).unwrap_or(i64::MAX));
        let message = Message { service, payload, arrived_ms };
        let settle = Arc::new(Single(Mutex::new(Some((reply, bytes)))));
        let delivery = Delivery { messages: vec![message], settle };
        self.counters.publishes.fetch_add(1, Relaxed);
        self.intake.send(place, delivery).then_some(answer)
    }

    /// Keeps or clears a status; gives the copy for subscribers, if any.
    pub(crate) fn set_status(
        &self,
        service: &ServiceId,
        payload: &[u8],
        (qos1, retain): (bool, bool),
        origin: u64,
    ) -> Result<Option<Envelope>, Refused> {
        let version = match Presence::parse(payload) {
            Some(presence) if retain => {
                self.retained.set(service, presence).ok_or(Refused::Retained)?
            }
            Some(_) => 0,
            // An empty retained message clears; an ordinary one does nothing.
            None if payload.is_empty() && retain => self.retained.clear(service),
            None if payload.is_empty() => 0,
            None => return Err(Refused::StatusPayload),
        };
        let wanted = self.fanout.is_wanted(Kind::Status);
        let copy =
            || Envelope::new(Kind::Status, service, payload, (qos1, retain), (origin, version));
        Ok(wanted.then(copy))
    }

    /// Passes on what Home Assistant says of itself; gives the copy for
    /// subscribers, if any.
    pub(crate) fn greet(&self, payload: &[u8], qos1: bool, origin: u64) -> Option<Envelope> {
        let topic = self.rules.greeting().filter(|_| self.fanout.is_wanted(Kind::Notice))?;
        Some(Envelope::notice(topic, payload, (qos1, false), (origin, 0)))
    }

    /// Whether an agent's own service is registered. Others speak for services
    /// that need not be.
    pub(crate) fn is_registered(&self, identity: &Identity, service: &ServiceId) -> bool {
        !matches!(identity, Identity::Service(_)) || self.gatekeeper.admit(identity, service)
    }

    /// Forgets the status of a service, and tells subscribers that it is gone.
    pub(crate) fn clear_status(&self, service: &ServiceId) {
        if let Ok(copy) = self.set_status(service, b"", (true, true), 0) {
            self.fanout.publish(copy);
        }
    }

    /// Publishes the last will of a connection that has ended, unless its
    /// service was removed meanwhile.
    pub(crate) async fn publish_will(
        &self,
        (origin, identity): (u64, &Identity),
        target: Target,
        payload: &[u8],
        flags: (bool, bool),
    ) {
        let topic = match target {
            Target::Greeting => return self.fanout.publish(self.greet(payload, flags.0, origin)),
            Target::Service(topic) => topic,
        };
        if !self.is_registered(identity, topic.service()) {
            return;
        }
        match topic {
            Topic::Status(service) => match self.set_status(&service, payload, flags, origin) {
                Ok(copy) => self.fanout.publish(copy),
                Err(why) => self.counters.refuse(why),
            },
            Topic::Traffic(service) => {
                let copy = Envelope::new(Kind::Traffic, &service, payload, flags, (origin, 0));
                let sent = timeout(WILL_PATIENCE, self.submit(service, copy.payload())).await;
                if matches!(sent, Ok(Some(_))) && self.fanout.is_wanted(Kind::Traffic) {
                    self.fanout.publish([copy]);
                }
            }
        }
    }
}

/// The way back of a single message: the answer and its share of the budget.
struct Single(Mutex<Option<(oneshot::Sender<Outcome>, OwnedSemaphorePermit)>>);

impl Settle for Single {
    fn settle(&self, outcomes: &[Outcome]) {
        let reply = self.0.lock().take();
        if let (Some((reply, _bytes)), Some(outcome)) = (reply, outcomes.first())
            && reply.send(outcome.clone()).is_err()
        {
            tracing::trace!("nobody waits for this message any more");
        }
    }
}
