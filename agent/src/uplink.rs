//! The way to the server: MQTT 5 over TCP, TLS or WebSocket.
//!
//! Version 5, because there a PUBACK says why a sample was refused and a
//! DISCONNECT why the connection ends; every broker of this decade speaks it.
//!
//! [`Uplink::run`] owns the connection and reports what happens on it as
//! [`Event`]s, in order; [`Link`] is handed out with each connection to
//! publish on it. rumqttc keeps no message over a reconnect here: the spool
//! does, and a new connection begins with an empty event loop.

mod acks;
mod explain;
mod options;
mod pace;
mod tls;
mod url;

use std::time::{Duration, Instant};

use bytes::Bytes;
use komandorr_wire::{ServiceId, topic};
use rumqttc::Outgoing;
use rumqttc::v5::{
    AsyncClient, Event as Mqtt, EventLoop, Incoming,
    mqttbytes::{
        QoS,
        v5::{ConnAck, PubAckReason},
    },
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use acks::Acks;
use explain::Explain;
pub use explain::{Step, Trouble};
pub use options::Access;
use pace::{Merit, Pace};
pub use url::{InvalidUrl, Scheme, Url};

/// Most messages that may wait for their PUBACK. rumqttc counts packet ids up
/// to this and stumbles over one that is still in use.
const WINDOW: u16 = 64;
/// Requests that wait to be written: room for every unacknowledged message and
/// the disconnect.
const REQUESTS: usize = MOST_UNACKNOWLEDGED + 2;
/// Messages that may be on their way at once. Far below `WINDOW`, so that the
/// packet ids never meet, and below the Receive Maximum that brokers grant.
pub(crate) const MOST_UNACKNOWLEDGED: usize = 16;
/// Time between pings, and what a silent server costs at most.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// A poll that takes so much longer than the time between pings hangs in a write
/// to a dead peer: pings alone end one earlier.
const STUCK: Duration = Duration::from_secs(25);

/// What a message was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageId(pub u64);

/// What a message carries, which decides what its acknowledgement means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Samples,
    Status,
}

/// What happens on the way to the server.
#[derive(Debug)]
pub enum Event {
    /// Connected; messages can be published until `Lost`.
    Connected(Link),
    /// The server has a message and answers for it.
    Stored(MessageId),
    /// The server can never take this message.
    Refused(MessageId),
    /// The connection is gone, or none came about.
    Lost(Trouble),
}

/// Publishes on one connection.
#[derive(Debug)]
pub struct Link {
    client: AsyncClient,
    ids: mpsc::UnboundedSender<(MessageId, Kind)>,
    next: u64,
    outstanding: usize,
    service: ServiceId,
    /// Largest payload that the broker takes, bytes.
    most_bytes: usize,
}

impl Link {
    /// Sends samples; `None` when the connection is full or gone.
    pub fn samples(&mut self, payload: Bytes) -> Option<MessageId> {
        self.publish(topic::traffic(&self.service), payload, Kind::Samples)
    }

    /// Says whether this agent is connected, for everyone who asks later.
    pub fn status(&mut self, status: &'static str) -> Option<MessageId> {
        let payload = Bytes::from_static(status.as_bytes());
        self.publish(topic::status(&self.service), payload, Kind::Status)
    }

    /// Largest payload that the broker says it takes, bytes.
    pub fn most_bytes(&self) -> usize {
        self.most_bytes
    }

    fn publish(&mut self, topic: String, payload: Bytes, kind: Kind) -> Option<MessageId> {
        if self.outstanding >= MOST_UNACKNOWLEDGED {
            return None;
        }
        let id = MessageId(self.next);
        self.next += 1;
        // The id first: the message may be written before this thread goes on.
        // Both fail only when the connection is gone, which its event will
        // say: fewer messages are outstanding than the channel has places.
        self.ids.send((id, kind)).ok()?;
        let retain = kind == Kind::Status;
        self.client.try_publish(topic, QoS::AtLeastOnce, retain, payload).ok()?;
        self.outstanding += 1;
        Some(id)
    }

    /// Makes room: a message that was published here is stored or refused.
    pub fn settled(&mut self) {
        self.outstanding = self.outstanding.saturating_sub(1);
    }

    /// Ends the connection in order. The will is not published then.
    pub fn disconnect(&self) {
        if self.client.try_disconnect().is_err() {
            tracing::debug!("the connection was gone before it was ended");
        }
    }
}

/// Keeps a connection to the server.
#[derive(Debug)]
pub struct Uplink {
    access: Access,
    events: mpsc::Sender<Event>,
}

impl Uplink {
    /// A way to the server that reports to `events`.
    pub fn new(access: Access, events: mpsc::Sender<Event>) -> Self {
        Self { access, events }
    }

    /// Connects, again and again, until `stop`. Ends earlier when nobody
    /// listens to its events.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut pace = Pace::new();
        loop {
            let mut merit = Merit::default();
            let trouble = tokio::select! {
                trouble = self.connection(&mut merit) => trouble,
                () = stop.cancelled() => return,
            };
            let Some(trouble) = trouble else { return };
            let pause = pace.after(&merit, trouble.step, Instant::now());
            if self.events.send(Event::Lost(trouble)).await.is_err() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// One connection from its beginning to its end; `None` when nobody
    /// listens any more.
    async fn connection(&mut self, merit: &mut Merit) -> Option<Trouble> {
        let options = match self.access.options(WINDOW) {
            Ok(options) => options,
            Err(trouble) => return Some(trouble),
        };
        let (client, mut eventloop) = AsyncClient::new(options, REQUESTS);
        let (ids, queued) = mpsc::unbounded_channel();
        let service = self.access.service.clone();
        let link = Link { client, ids, next: 1, outstanding: 0, service, most_bytes: usize::MAX };
        let mut acks = Acks::new(queued);
        let mut link = Some(link);
        let mut stuck = KEEP_ALIVE + STUCK;
        loop {
            let polled = poll(&mut eventloop, stuck).await;
            let explain = Explain { access: &self.access, connected: link.is_none() };
            let event = match polled {
                Ok(event) => event,
                Err(Failure::Stuck) => return Some(explain.stuck()),
                Err(Failure::Mqtt(error)) => return Some(explain.error(&error)),
            };
            let event = match event {
                Mqtt::Incoming(Incoming::ConnAck(answer)) => link.take().map(|link| {
                    merit.connected(Instant::now());
                    stuck = pings(&answer) + STUCK;
                    let most_bytes = most_bytes(&answer, &link.service);
                    Event::Connected(Link { most_bytes, ..link })
                }),
                Mqtt::Outgoing(Outgoing::Publish(pkid)) => {
                    acks.sent(pkid);
                    None
                }
                Mqtt::Incoming(Incoming::PubAck(ack)) => match acks.acknowledged(ack.pkid) {
                    Some(message) => match answered(message, ack.reason, merit) {
                        Ok(event) => Some(event),
                        Err(reason) => return Some(explain.not_taken(reason)),
                    },
                    None => None,
                },
                Mqtt::Outgoing(_) | Mqtt::Incoming(_) => None,
            };
            if let Some(event) = event {
                self.events.send(event).await.ok()?;
            }
        }
    }
}

/// What the acknowledgement of a message means; its reason where the server does
/// not take such messages.
fn answered(
    (id, kind): (MessageId, Kind),
    reason: PubAckReason,
    merit: &mut Merit,
) -> Result<Event, PubAckReason> {
    match (reason, kind) {
        (PubAckReason::Success, Kind::Samples) => {
            merit.stored();
            Ok(Event::Stored(id))
        }
        // Nobody need listen for a status. Samples that nobody takes are stored by
        // nobody, as behind a broker that has not got its Komandorr back yet: they
        // come again.
        (PubAckReason::Success | PubAckReason::NoMatchingSubscribers, Kind::Status) => {
            Ok(Event::Stored(id))
        }
        (PubAckReason::PayloadFormatInvalid, _) => Ok(Event::Refused(id)),
        (reason, _) => Err(reason),
    }
}

/// Largest payload that a broker takes on a service's topic, which of MQTT 5 it
/// may say when it lets somebody in.
fn most_bytes(answer: &ConnAck, service: &ServiceId) -> usize {
    // First byte and length, length of the topic, packet id, no properties.
    const AROUND: usize = 5 + 2 + 2 + 1;
    let most = answer.properties.as_ref().and_then(|properties| properties.max_packet_size);
    let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    most.saturating_sub(AROUND + topic::traffic(service).len())
}

/// The time between pings: the server may ask for another one than the agent.
fn pings(answer: &ConnAck) -> Duration {
    let asked = answer.properties.as_ref().and_then(|properties| properties.server_keep_alive);
    asked.map_or(KEEP_ALIVE, |seconds| Duration::from_secs(seconds.into()))
}

enum Failure {
    Stuck,
    Mqtt(rumqttc::v5::ConnectionError),
}

async fn poll(eventloop: &mut EventLoop, stuck: Duration) -> Result<Mqtt, Failure> {
    match tokio::time::timeout(stuck, eventloop.poll()).await {
        Ok(result) => result.map_err(Failure::Mqtt),
        Err(_) => Err(Failure::Stuck),
    }
}
