//! What a connected client may send.

use super::reader::Reader;
use super::{Connect, Frame, Version, Violation, connect, properties, properties::id};

/// A packet from a client, borrowed from the read buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet<'a> {
    /// The first packet, and only the first.
    Connect(Connect<'a>),
    /// A message.
    Publish(Publish<'a>),
    /// The client has taken a message of `QoS` 1.
    PubAck {
        /// Of that message.
        packet_id: u16,
    },
    /// A wish for messages.
    Subscribe {
        /// To be repeated in the answer.
        packet_id: u16,
        /// At least one.
        filters: Vec<Requested<'a>>,
    },
    /// The end of that wish.
    Unsubscribe {
        /// To be repeated in the answer.
        packet_id: u16,
        /// At least one.
        filters: Vec<&'a str>,
    },
    /// Are you there?
    PingReq,
    /// The client leaves.
    Disconnect {
        /// MQTT 5: it wants its will published all the same.
        with_will: bool,
    },
}

/// PUBLISH from a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Where to.
    pub topic: &'a str,
    /// What.
    pub payload: &'a [u8],
    /// For `QoS` 1, otherwise 0.
    pub packet_id: u16,
    /// 0 or 1: `QoS` 2 is a violation.
    pub qos: u8,
    /// Whether to keep it for later subscribers.
    pub retain: bool,
}

/// One filter of a SUBSCRIBE with its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requested<'a> {
    /// As sent, not yet checked against any rule.
    pub filter: &'a str,
    /// 0, 1 or 2.
    pub qos: u8,
    /// MQTT 5: not what this same connection publishes.
    pub no_local: bool,
    /// MQTT 5: keep the retain flag as it was published.
    pub retain_as_published: bool,
    /// MQTT 5: 0 send retained messages, 1 only when the subscription is new,
    /// 2 never.
    pub retain_handling: u8,
}

const PUBLISH_PROPERTIES: [u8; 8] = [
    id::PAYLOAD_FORMAT,
    id::MESSAGE_EXPIRY,
    id::TOPIC_ALIAS,
    id::RESPONSE_TOPIC,
    id::CORRELATION_DATA,
    id::USER_PROPERTY,
    id::SUBSCRIPTION_ID,
    id::CONTENT_TYPE,
];
const SUBSCRIBE_PROPERTIES: [u8; 2] = [id::SUBSCRIPTION_ID, id::USER_PROPERTY];
const UNSUBSCRIBE_PROPERTIES: [u8; 1] = [id::USER_PROPERTY];
const ACK_PROPERTIES: [u8; 2] = [id::REASON_STRING, id::USER_PROPERTY];
const DISCONNECT_PROPERTIES: [u8; 4] =
    [id::SESSION_EXPIRY, id::REASON_STRING, id::USER_PROPERTY, id::SERVER_REFERENCE];

/// Reads one frame. `version` is `None` before CONNECT.
pub fn decode<'a>(frame: &Frame<'a>, version: Option<Version>) -> Result<Packet<'a>, Violation> {
    let from = Reader::new(frame.body);
    let Some(version) = version else {
        return match frame.first {
            0x10 => connect::read(from).map(Packet::Connect),
            _ => Err(Violation::Protocol("the first packet is not CONNECT")),
        };
    };
    match frame.first {
        0x30..=0x3f => publish(from, frame.first & 0x0f, version),
        0x40 => puback(from, version),
        0x82 => subscribe(from, version),
        0xa2 => unsubscribe(from, version),
        0xc0 if frame.body.is_empty() => Ok(Packet::PingReq),
        0xe0 => disconnect(from, version),
        0x10 => Err(Violation::Protocol("a second CONNECT")),
        0x50..=0x7f => Err(Violation::Protocol("a packet of quality of service 2")),
        0x80..=0x8f | 0xa0..=0xaf | 0xc0..=0xcf => {
            Err(Violation::Malformed("reserved flags are set"))
        }
        _ => Err(Violation::Protocol("a packet that clients do not send here")),
    }
}

fn publish(mut from: Reader<'_>, flags: u8, version: Version) -> Result<Packet<'_>, Violation> {
    let qos = (flags >> 1) & 3;
    match qos {
        0 if flags & 8 != 0 => return Err(Violation::Malformed("a duplicate of QoS 0")),
        2 => return Err(Violation::Qos),
        3 => return Err(Violation::Malformed("quality of service 3")),
        _ => {}
    }
    let topic = from.text()?;
    let packet_id = if qos == 0 { 0 } else { from.packet_id()? };
    if version == Version::V5 {
        properties::read(&mut from, &PUBLISH_PROPERTIES, |property, _| match property {
            id::TOPIC_ALIAS => Err(Violation::TopicAlias),
            id::SUBSCRIPTION_ID => Err(Violation::Protocol("a client's subscription identifier")),
            _ => Ok(()),
        })?;
    }
    if topic.is_empty() {
        return Err(Violation::Protocol("an empty topic"));
    }
    let retain = flags & 1 != 0;
    Ok(Packet::Publish(Publish { topic, payload: from.rest(), packet_id, qos, retain }))
}

fn puback(mut from: Reader<'_>, version: Version) -> Result<Packet<'_>, Violation> {
    let packet_id = from.packet_id()?;
    if version == Version::V5 && !from.is_empty() {
        from.u8()?;
        if !from.is_empty() {
            properties::read(&mut from, &ACK_PROPERTIES, |_, _| Ok(()))?;
        }
    }
    finish(from, Packet::PubAck { packet_id })
}

fn subscribe(mut from: Reader<'_>, version: Version) -> Result<Packet<'_>, Violation> {
    let packet_id = from.packet_id()?;
    if version == Version::V5 {
        properties::read(&mut from, &SUBSCRIBE_PROPERTIES, |property, _| match property {
            id::SUBSCRIPTION_ID => Err(Violation::SubscriptionId),
            _ => Ok(()),
        })?;
    }
    let mut filters = Vec::new();
    while !from.is_empty() {
        let filter = from.text()?;
        let options = from.u8()?;
        let reserved = if version == Version::V5 { 0b1100_0000 } else { 0b1111_1100 };
        let retain_handling = (options >> 4) & 3;
        if options & reserved != 0 || options & 3 == 3 || retain_handling == 3 {
            return Err(Violation::Malformed("impossible subscription options"));
        }
        filters.push(Requested {
            filter,
            qos: options & 3,
            no_local: options & 4 != 0,
            retain_as_published: options & 8 != 0,
            retain_handling,
        });
    }
    if filters.is_empty() {
        return Err(Violation::Protocol("SUBSCRIBE without a filter"));
    }
    Ok(Packet::Subscribe { packet_id, filters })
}

fn unsubscribe(mut from: Reader<'_>, version: Version) -> Result<Packet<'_>, Violation> {
    let packet_id = from.packet_id()?;
    if version == Version::V5 {
        properties::read(&mut from, &UNSUBSCRIBE_PROPERTIES, |_, _| Ok(()))?;
    }
    let mut filters = Vec::new();
    while !from.is_empty() {
        filters.push(from.text()?);
    }
    if filters.is_empty() {
        return Err(Violation::Protocol("UNSUBSCRIBE without a filter"));
    }
    Ok(Packet::Unsubscribe { packet_id, filters })
}

fn disconnect(mut from: Reader<'_>, version: Version) -> Result<Packet<'_>, Violation> {
    let mut with_will = false;
    if version == Version::V5 && !from.is_empty() {
        with_will = from.u8()? != 0;
        if !from.is_empty() {
            properties::read(&mut from, &DISCONNECT_PROPERTIES, |_, _| Ok(()))?;
        }
    }
    finish(from, Packet::Disconnect { with_will })
}

fn finish<'a>(from: Reader<'a>, packet: Packet<'a>) -> Result<Packet<'a>, Violation> {
    if from.is_empty() { Ok(packet) } else { Err(Violation::Malformed("bytes after the end")) }
}
