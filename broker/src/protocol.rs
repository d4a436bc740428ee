//! MQTT on the wire, 3.1.1 and 5: a strict reader of what clients send and a
//! writer of what the broker answers. No I/O, nothing allocated but vectors
//! whose length the frame bounds; any bytes give a packet or a violation.
//!
//! rumqttd's own codecs are not used for what comes from outside: they swallow
//! malformed properties, accept reserved bits, and panic on some packets.

mod connect;
mod encode;
mod frame;
mod packet;
mod properties;
mod reader;
#[cfg(test)]
mod tests;

pub use connect::{Connect, Will};
pub use encode::{
    ConnAck, Delivered, connack, connack_refused, disconnect, pingresp, puback, publish, suback,
    unsuback,
};
pub use frame::{Frame, frame};
pub use packet::{Packet, Publish, Requested, decode};

/// The protocol version that a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// MQTT 3.1.1 (protocol level 4).
    V311,
    /// MQTT 5 (protocol level 5).
    V5,
}

impl Version {
    /// The version as people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V311 => "3.1.1",
            Self::V5 => "5",
        }
    }
}

/// Reason codes of MQTT 5 that the broker sends.
#[expect(missing_docs, reason = "the names are those of the specification")]
pub mod reason {
    pub const SUCCESS: u8 = 0x00;
    pub const NO_SUBSCRIPTION_EXISTED: u8 = 0x11;
    pub const UNSPECIFIED_ERROR: u8 = 0x80;
    pub const MALFORMED_PACKET: u8 = 0x81;
    pub const PROTOCOL_ERROR: u8 = 0x82;
    pub const UNSUPPORTED_PROTOCOL_VERSION: u8 = 0x84;
    pub const CLIENT_ID_NOT_VALID: u8 = 0x85;
    pub const BAD_USER_NAME_OR_PASSWORD: u8 = 0x86;
    pub const NOT_AUTHORIZED: u8 = 0x87;
    pub const SERVER_UNAVAILABLE: u8 = 0x88;
    pub const SERVER_BUSY: u8 = 0x89;
    pub const SERVER_SHUTTING_DOWN: u8 = 0x8b;
    pub const BAD_AUTHENTICATION_METHOD: u8 = 0x8c;
    pub const KEEP_ALIVE_TIMEOUT: u8 = 0x8d;
    pub const SESSION_TAKEN_OVER: u8 = 0x8e;
    pub const TOPIC_FILTER_INVALID: u8 = 0x8f;
    pub const TOPIC_NAME_INVALID: u8 = 0x90;
    pub const TOPIC_ALIAS_INVALID: u8 = 0x94;
    pub const PACKET_TOO_LARGE: u8 = 0x95;
    pub const QUOTA_EXCEEDED: u8 = 0x97;
    pub const ADMINISTRATIVE_ACTION: u8 = 0x98;
    pub const PAYLOAD_FORMAT_INVALID: u8 = 0x99;
    pub const QOS_NOT_SUPPORTED: u8 = 0x9b;
    pub const SHARED_SUBSCRIPTIONS_NOT_SUPPORTED: u8 = 0x9e;
    pub const CONNECTION_RATE_EXCEEDED: u8 = 0x9f;
    pub const SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED: u8 = 0xa1;
}

/// How bytes from a client break the protocol. Each ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Bytes that are no packet of the claimed kind.
    #[error("malformed packet: {0}")]
    Malformed(&'static str),
    /// A well-formed packet where it must not come.
    #[error("protocol error: {0}")]
    Protocol(&'static str),
    /// Larger than this broker takes.
    #[error("packet too large")]
    TooLarge,
    /// Neither MQTT 3.1.1 nor MQTT 5.
    #[error("unsupported protocol version")]
    Version,
    /// A topic alias although none was offered.
    #[error("topic alias used, none were offered")]
    TopicAlias,
    /// A subscription identifier although they are not offered.
    #[error("subscription identifiers are not offered")]
    SubscriptionId,
    /// Quality of service 2, which is not offered.
    #[error("quality of service 2 is not offered")]
    Qos,
}

impl Violation {
    /// The reason code of MQTT 5 for it.
    pub fn reason(self) -> u8 {
        match self {
            Self::Malformed(_) => reason::MALFORMED_PACKET,
            Self::Protocol(_) => reason::PROTOCOL_ERROR,
            Self::TooLarge => reason::PACKET_TOO_LARGE,
            Self::Version => reason::UNSUPPORTED_PROTOCOL_VERSION,
            Self::TopicAlias => reason::TOPIC_ALIAS_INVALID,
            Self::SubscriptionId => reason::SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED,
            Self::Qos => reason::QOS_NOT_SUPPORTED,
        }
    }
}

/// Reads bytes as the stream of a client, as far as they go: what the fuzzer
/// calls, and what its corpus is replayed with.
pub fn fuzz(bytes: &[u8]) {
    for mut version in [None, Some(Version::V311), Some(Version::V5)] {
        let mut rest = bytes;
        while let Ok(Some(frame)) = frame(rest, bytes.len().max(1)) {
            match decode(&frame, version) {
                Ok(Packet::Connect(connect)) => version = Some(connect.version),
                Ok(_) => {}
                Err(_) => break,
            }
            rest = rest.get(frame.len..).unwrap_or_default();
        }
    }
}
