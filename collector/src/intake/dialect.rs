//! The two versions of MQTT behind one face: connect, subscribe, receive,
//! acknowledge.

use bytes::Bytes;
use rumqttc::{
    AsyncClient as Client311, Event as Event311, EventLoop as EventLoop311, Outgoing, Packet,
    Publish as Publish311, QoS as QoS311, SubscribeReasonCode as Code311,
    v5::{
        AsyncClient as Client5, Event as Event5, EventLoop as EventLoop5, Incoming as Incoming5,
        mqttbytes::{
            QoS as QoS5,
            v5::{Publish as Publish5, SubscribeReasonCode as Code5},
        },
    },
};

use super::{
    access::Access,
    explain::{Ended, explain_5, explain_311},
};

/// A version of MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V5,
    V311,
}

/// Gives orders to a connection.
#[derive(Debug, Clone)]
pub(super) enum Client {
    V5(Client5),
    V311(Client311),
}

/// Carries them out and tells what happens.
pub(super) enum EventLoop {
    V5(Box<EventLoop5>),
    V311(Box<EventLoop311>),
}

/// What happens on a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Let in; whether several servers can share a subscription.
    Connected {
        shares: bool,
    },
    /// The quality of the subscription, or why there is none.
    Subscribed(Result<u8, String>),
    Message(Incoming),
    /// Our farewell is on its way.
    Farewell,
    Other,
}

/// A message; `packet` is 0 at `QoS` 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Incoming {
    pub(super) topic: Bytes,
    pub(super) payload: Bytes,
    pub(super) packet: u16,
}

/// A connection that is made with the first poll.
pub(super) fn open(access: &Access, version: Version, orders: usize) -> (Client, EventLoop) {
    match version {
        Version::V5 => {
            let (client, events) = Client5::new(access.options_5(), orders);
            (Client::V5(client), EventLoop::V5(Box::new(events)))
        }
        Version::V311 => {
            let (client, mut events) = Client311::new(access.options_311(), orders);
            events.set_network_options(Access::network());
            (Client::V311(client), EventLoop::V311(Box::new(events)))
        }
    }
}

impl Client {
    /// Asks for a subscription at `QoS` 1.
    pub(super) fn subscribe(&self, filter: String) -> Result<(), String> {
        let asked = match self {
            Self::V5(client) => {
                client.try_subscribe(filter, QoS5::AtLeastOnce).map_err(|e| e.to_string())
            }
            Self::V311(client) => {
                client.try_subscribe(filter, QoS311::AtLeastOnce).map_err(|e| e.to_string())
            }
        };
        asked.map_err(|error| format!("cannot subscribe: {error}"))
    }

    /// Acknowledges a message. Fails only when the connection is gone, which
    /// its event loop says.
    pub(super) async fn acknowledge(&self, packet: u16) {
        match self {
            Self::V5(client) => {
                let qos = QoS5::AtLeastOnce;
                let publish = Publish5 { pkid: packet, qos, ..Publish5::default() };
                drop(client.ack(&publish).await);
            }
            Self::V311(client) => {
                let mut publish = Publish311::new("", QoS311::AtLeastOnce, Vec::new());
                publish.pkid = packet;
                drop(client.ack(&publish).await);
            }
        }
    }

    /// Says farewell.
    pub(super) async fn disconnect(&self) {
        match self {
            Self::V5(client) => drop(client.disconnect().await),
            Self::V311(client) => drop(client.disconnect().await),
        }
    }
}

impl EventLoop {
    /// The next thing that happens. Must not be dropped while it waits: it may
    /// have taken an order and not written it.
    pub(super) async fn poll(&mut self) -> Result<Event, Ended> {
        match self {
            Self::V5(events) => events.poll().await.map(event_5).map_err(|e| explain_5(&e)),
            Self::V311(events) => events.poll().await.map(event_311).map_err(|e| explain_311(&e)),
        }
    }
}

fn event_5(event: Event5) -> Event {
    match event {
        Event5::Incoming(Incoming5::ConnAck(ack)) => {
            let shared = ack.properties.and_then(|p| p.shared_subscription_available);
            Event::Connected { shares: shared != Some(0) }
        }
        Event5::Incoming(Incoming5::SubAck(ack)) => {
            Event::Subscribed(match ack.return_codes.first() {
                Some(Code5::Success(qos)) => Ok(*qos as u8),
                code => Err(format!("{code:?}")),
            })
        }
        Event5::Incoming(Incoming5::Publish(publish)) => Event::Message(Incoming {
            topic: publish.topic,
            payload: publish.payload,
            packet: publish.pkid,
        }),
        Event5::Outgoing(Outgoing::Disconnect) => Event::Farewell,
        Event5::Incoming(_) | Event5::Outgoing(_) => Event::Other,
    }
}

fn event_311(event: Event311) -> Event {
    match event {
        // There the specification does not know them, and a broker that grants
        // one may deliver nothing for it, as RabbitMQ does.
        Event311::Incoming(Packet::ConnAck(_)) => Event::Connected { shares: false },
        Event311::Incoming(Packet::SubAck(ack)) => {
            Event::Subscribed(match ack.return_codes.first() {
                Some(Code311::Success(qos)) => Ok(*qos as u8),
                code => Err(format!("{code:?}")),
            })
        }
        Event311::Incoming(Packet::Publish(publish)) => Event::Message(Incoming {
            topic: publish.topic.into(),
            payload: publish.payload,
            packet: publish.pkid,
        }),
        Event311::Outgoing(Outgoing::Disconnect) => Event::Farewell,
        Event311::Incoming(_) | Event311::Outgoing(_) => Event::Other,
    }
}
