//! A link to the router: feeds are subscribed, envelopes go in and come out.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt;
use rumqttd::{
    Notification,
    protocol::{Filter, Packet, Publish, QoS, RetainForwardRule, Subscribe, Unsubscribe},
};
use tokio::time::sleep;

use super::{
    Envelope,
    feed::Feed,
    router::{Generation, Line},
};

/// How long to wait before looking again whether the router has caught up.
const CROWDED_PAUSE: Duration = Duration::from_millis(1);

/// The router at the other end is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RouterGone;

/// What comes out of a link.
#[derive(Debug)]
pub(crate) enum LinkEvent {
    /// A message, to be read with [`Envelope::open`].
    Message(Bytes),
    /// The subscription with this number is in effect.
    Subscribed(u16),
    /// Nothing for the client.
    Nothing,
}

/// A connection of ours to one router. Says goodbye when dropped.
pub(crate) struct Link {
    line: Line,
    generation: Arc<Generation>,
    feeds: BTreeSet<Feed>,
    /// Per feed the place in the router's log where the next message is due.
    expected: Vec<(Bytes, u64)>,
    lost: u64,
    /// The router has given all it may and waits to be told to go on.
    owes_wake: bool,
}

impl Link {
    pub(super) fn new(line: Line, generation: Arc<Generation>) -> Self {
        let (feeds, expected) = (BTreeSet::new(), Vec::new());
        Self { line, generation, feeds, expected, lost: 0, owes_wake: false }
    }

    /// Changes what the link is subscribed to; [`LinkEvent::Subscribed`] with
    /// this number tells when it holds. `false` when nothing has to change.
    pub(crate) async fn subscribe(
        &mut self,
        wanted: &BTreeSet<Feed>,
        number: u16,
    ) -> Result<bool, RouterGone> {
        let mut packets = Vec::new();
        let leave: Vec<_> = self.feeds.difference(wanted).map(|f| f.filter().into()).collect();
        if !leave.is_empty() {
            packets.push(Packet::Unsubscribe(Unsubscribe { pkid: 0, filters: leave }, None));
        }
        let filters: Vec<_> = wanted.difference(&self.feeds).map(|f| filter(*f)).collect();
        let changes = !filters.is_empty();
        if changes {
            packets.push(Packet::Subscribe(Subscribe { pkid: number, filters }, None));
        }
        self.feeds.clone_from(wanted);
        self.expected.clear();
        if !packets.is_empty() {
            self.send(packets).await?;
        }
        Ok(changes)
    }

    /// Gives messages to the router, and waits until it has taken them.
    pub(super) async fn publish(&mut self, batch: &[Envelope]) -> Result<(), RouterGone> {
        let packet = |m: &Envelope| {
            Packet::Publish(Publish::new(m.feed.topic(), m.bytes.clone(), false), None)
        };
        self.send(batch.iter().map(packet).collect()).await?;
        while !self.line.tx.as_ref().is_none_or(|tx| tx.buffer().is_empty()) {
            self.pause().await?;
        }
        Ok(())
    }

    /// Waits for something, but not longer than this link's router is the one
    /// in use.
    pub(super) async fn unless_gone<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.generation.gone.run_until_cancelled(work).await
    }

    /// Sends a probe; it comes back as a message.
    pub(super) async fn probe(&mut self) -> Result<(), RouterGone> {
        let publish = Publish::new(Feed::Probe.topic(), Bytes::from_static(b"?"), false);
        self.send(vec![Packet::Publish(publish, None)]).await
    }

    async fn send(&mut self, mut packets: Vec<Packet>) -> Result<(), RouterGone> {
        while self.generation.is_crowded() {
            self.pause().await?;
        }
        let (Some(tx), Some(last)) = (self.line.tx.as_mut(), packets.pop()) else { return Ok(()) };
        tx.buffer().extend(packets);
        tx.send(last).await.map_err(|_closed| RouterGone)?;
        Ok(())
    }

    async fn pause(&self) -> Result<(), RouterGone> {
        if !self.generation.is_alive() {
            return Err(RouterGone);
        }
        sleep(CROWDED_PAUSE).await;
        Ok(())
    }

    /// The next thing from the router. Safe to drop while it waits.
    pub(crate) async fn next(&mut self) -> Result<LinkEvent, RouterGone> {
        if self.owes_wake {
            self.line.rx.wake().await.map_err(|_closed| RouterGone)?;
            self.owes_wake = false;
        }
        let notification = tokio::select! {
            next = self.line.rx.next() => next.map_err(|_closed| RouterGone)?,
            () = self.generation.gone.cancelled() => return Err(RouterGone),
        };
        self.event(notification)
    }

    /// The next thing that is there already.
    pub(crate) fn next_now(&mut self) -> Result<Option<LinkEvent>, RouterGone> {
        self.next().now_or_never().transpose()
    }

    /// Messages that this link lost since the last call, because it lagged.
    pub(crate) fn lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    fn event(&mut self, from: Option<Notification>) -> Result<LinkEvent, RouterGone> {
        let Some(notification) = from else { return Ok(LinkEvent::Nothing) };
        if let Notification::Forward(forward) = notification {
            if let Some((_, place)) = forward.cursor {
                self.count_lost(&forward.publish.topic, place);
            }
            return Ok(LinkEvent::Message(forward.publish.payload));
        }
        match Option::<Packet>::from(notification) {
            Some(Packet::SubAck(ack, _)) => Ok(LinkEvent::Subscribed(ack.pkid)),
            Some(Packet::Disconnect(..)) => Err(RouterGone),
            Some(_) => Ok(LinkEvent::Nothing),
            None => {
                self.owes_wake = true;
                Ok(LinkEvent::Nothing)
            }
        }
    }

    /// The router's log gives every message a number; a gap is what a lagging
    /// link has lost.
    fn count_lost(&mut self, topic: &Bytes, place: u64) {
        let all = self.feeds.contains(&Feed::AllTraffic) && topic.starts_with(b"t");
        let key = if all { Bytes::new() } else { topic.clone() };
        match self.expected.iter_mut().find(|(known, _)| *known == key) {
            Some((_, expected)) => {
                self.lost += place.saturating_sub(*expected);
                *expected = place + 1;
            }
            None => self.expected.push((key, place + 1)),
        }
    }
}

fn filter(feed: Feed) -> Filter {
    Filter {
        path: feed.filter().to_owned(),
        qos: QoS::AtMostOnce,
        nolocal: false,
        preserve_retain: false,
        retain_forward_rule: RetainForwardRule::Never,
    }
}

/// A grip on a link's lock, to hang the router with.
#[cfg(test)]
pub(super) struct Grip(rumqttd::local::LinkTx);

#[cfg(test)]
impl Link {
    pub(super) fn grip(&mut self) -> Grip {
        Grip(self.line.tx.take().unwrap())
    }
}

#[cfg(test)]
impl Grip {
    /// Makes the router wait for this link's lock, which it takes for each of
    /// these events.
    pub(super) fn hold(mut self, time: Duration) {
        for _ in 0..10_000 {
            for _ in 0..100 {
                self.0.publish("x", "").unwrap();
            }
            let buffer = self.0.buffer();
            // It comes for what it has not taken; on a busy machine that is nothing.
            if !buffer.is_empty() {
                std::thread::park_timeout(time);
                return;
            }
        }
    }
}
