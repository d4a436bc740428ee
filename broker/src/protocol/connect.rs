//! The first packet of every connection.

use super::{Version, Violation, properties, properties::id, reader::Reader};

/// CONNECT, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect<'a> {
    /// What the client speaks.
    pub version: Version,
    /// Clean session or clean start.
    pub clean: bool,
    /// Seconds; 0 turns it off.
    pub keep_alive: u16,
    /// As sent; may be empty.
    pub client_id: &'a str,
    /// Published when the connection ends without DISCONNECT.
    pub will: Option<Will<'a>>,
    /// User name, when there is one.
    pub username: Option<&'a str>,
    /// Password, when there is one.
    pub password: Option<&'a [u8]>,
    /// How many messages of `QoS` 1 the client takes before it acknowledges.
    pub receive_maximum: u16,
    /// The largest packet that the client takes.
    pub maximum_packet_size: u32,
    /// MQTT 5: how long the client would like its session kept.
    pub session_expiry: u32,
    /// MQTT 5: the client asks for an authentication method of its own.
    pub extended_authentication: bool,
}

/// The last will in a CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Will<'a> {
    /// Where it is published.
    pub topic: &'a str,
    /// What is published.
    pub payload: &'a [u8],
    /// 0, 1 or 2.
    pub qos: u8,
    /// Whether it is kept for later subscribers.
    pub retain: bool,
}

const CONNECT_PROPERTIES: [u8; 9] = [
    id::SESSION_EXPIRY,
    id::RECEIVE_MAXIMUM,
    id::MAXIMUM_PACKET_SIZE,
    id::TOPIC_ALIAS_MAXIMUM,
    id::REQUEST_RESPONSE,
    id::REQUEST_PROBLEM,
    id::USER_PROPERTY,
    id::AUTH_METHOD,
    id::AUTH_DATA,
];

const WILL_PROPERTIES: [u8; 7] = [
    id::WILL_DELAY,
    id::PAYLOAD_FORMAT,
    id::MESSAGE_EXPIRY,
    id::CONTENT_TYPE,
    id::RESPONSE_TOPIC,
    id::CORRELATION_DATA,
    id::USER_PROPERTY,
];

/// Bits of the connect flags.
const RESERVED: u8 = 0b0000_0001;
const CLEAN: u8 = 0b0000_0010;
const WILL: u8 = 0b0000_0100;
const WILL_RETAIN: u8 = 0b0010_0000;
const PASSWORD: u8 = 0b0100_0000;
const USERNAME: u8 = 0b1000_0000;

pub(super) fn read(mut from: Reader<'_>) -> Result<Connect<'_>, Violation> {
    let version = version(&mut from)?;
    let flags = from.u8()?;
    check_flags(version, flags)?;
    let keep_alive = from.u16()?;
    let mut connect = Connect {
        version,
        clean: flags & CLEAN != 0,
        keep_alive,
        client_id: "",
        will: None,
        username: None,
        password: None,
        receive_maximum: u16::MAX,
        maximum_packet_size: u32::MAX,
        session_expiry: 0,
        extended_authentication: false,
    };
    if version == Version::V5 {
        read_properties(&mut from, &mut connect)?;
    }
    connect.client_id = from.text()?;
    if flags & WILL != 0 {
        connect.will = Some(will(&mut from, version, flags)?);
    }
    if flags & USERNAME != 0 {
        connect.username = Some(from.text()?);
    }
    if flags & PASSWORD != 0 {
        connect.password = Some(from.binary()?);
    }
    if !from.is_empty() {
        return Err(Violation::Malformed("bytes after the end of CONNECT"));
    }
    Ok(connect)
}

fn version(from: &mut Reader<'_>) -> Result<Version, Violation> {
    let name = from.binary()?;
    let level = from.u8()?;
    match (name, level) {
        (b"MQTT", 4) => Ok(Version::V311),
        (b"MQTT", 5) => Ok(Version::V5),
        (b"MQTT" | b"MQIsdp", _) => Err(Violation::Version),
        _ => Err(Violation::Malformed("not MQTT")),
    }
}

fn check_flags(version: Version, flags: u8) -> Result<(), Violation> {
    if flags & RESERVED != 0 {
        return Err(Violation::Malformed("a reserved connect flag is set"));
    }
    let will = flags & (0b0001_1000 | WILL_RETAIN);
    if flags & WILL == 0 && will != 0 {
        return Err(Violation::Malformed("will flags without a will"));
    }
    if flags & 0b0001_1000 == 0b0001_1000 {
        return Err(Violation::Malformed("will with quality of service 3"));
    }
    if version == Version::V311 && flags & PASSWORD != 0 && flags & USERNAME == 0 {
        return Err(Violation::Malformed("a password without a user name"));
    }
    Ok(())
}

fn read_properties(from: &mut Reader<'_>, connect: &mut Connect<'_>) -> Result<(), Violation> {
    properties::read(from, &CONNECT_PROPERTIES, |property, value| {
        match property {
            id::SESSION_EXPIRY => connect.session_expiry = value,
            id::RECEIVE_MAXIMUM => {
                connect.receive_maximum = u16::try_from(value).unwrap_or(u16::MAX);
                if value == 0 {
                    return Err(Violation::Protocol("receive maximum 0"));
                }
            }
            id::MAXIMUM_PACKET_SIZE => {
                connect.maximum_packet_size = value;
                if value == 0 {
                    return Err(Violation::Protocol("maximum packet size 0"));
                }
            }
            id::AUTH_METHOD => connect.extended_authentication = true,
            _ => {}
        }
        Ok(())
    })
}

fn will<'a>(from: &mut Reader<'a>, version: Version, flags: u8) -> Result<Will<'a>, Violation> {
    if version == Version::V5 {
        properties::read(from, &WILL_PROPERTIES, |_, _| Ok(()))?;
    }
    let topic = from.text()?;
    let payload = from.binary()?;
    Ok(Will { topic, payload, qos: (flags >> 3) & 3, retain: flags & WILL_RETAIN != 0 })
}
