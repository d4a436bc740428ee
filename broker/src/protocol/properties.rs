//! The properties of MQTT 5: every one is parsed and checked, few are used.

use super::{Violation, reader::Reader};

/// Identifiers of properties, named as in the specification.
pub(super) mod id {
    pub(in super::super) const PAYLOAD_FORMAT: u8 = 0x01;
    pub(in super::super) const MESSAGE_EXPIRY: u8 = 0x02;
    pub(in super::super) const CONTENT_TYPE: u8 = 0x03;
    pub(in super::super) const RESPONSE_TOPIC: u8 = 0x08;
    pub(in super::super) const CORRELATION_DATA: u8 = 0x09;
    pub(in super::super) const SUBSCRIPTION_ID: u8 = 0x0b;
    pub(in super::super) const SESSION_EXPIRY: u8 = 0x11;
    pub(in super::super) const ASSIGNED_CLIENT_ID: u8 = 0x12;
    pub(in super::super) const SERVER_KEEP_ALIVE: u8 = 0x13;
    pub(in super::super) const AUTH_METHOD: u8 = 0x15;
    pub(in super::super) const AUTH_DATA: u8 = 0x16;
    pub(in super::super) const REQUEST_PROBLEM: u8 = 0x17;
    pub(in super::super) const WILL_DELAY: u8 = 0x18;
    pub(in super::super) const REQUEST_RESPONSE: u8 = 0x19;
    pub(in super::super) const SERVER_REFERENCE: u8 = 0x1c;
    pub(in super::super) const REASON_STRING: u8 = 0x1f;
    pub(in super::super) const RECEIVE_MAXIMUM: u8 = 0x21;
    pub(in super::super) const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
    pub(in super::super) const TOPIC_ALIAS: u8 = 0x23;
    pub(in super::super) const MAXIMUM_QOS: u8 = 0x24;
    pub(in super::super) const USER_PROPERTY: u8 = 0x26;
    pub(in super::super) const MAXIMUM_PACKET_SIZE: u8 = 0x27;
    pub(in super::super) const SUBSCRIPTION_ID_AVAILABLE: u8 = 0x29;
    pub(in super::super) const SHARED_AVAILABLE: u8 = 0x2a;
}

/// Reads one packet's properties. `allowed` are those that this packet may
/// carry; each but the user property may come once. Numbers are handed to
/// `number`; texts and data are checked and left behind.
pub(super) fn read(
    from: &mut Reader<'_>,
    allowed: &[u8],
    mut number: impl FnMut(u8, u32) -> Result<(), Violation>,
) -> Result<(), Violation> {
    let length = from.varint()?;
    let length = usize::try_from(length).map_err(|_wide| Violation::TooLarge)?;
    let mut list = Reader::new(from.take(length)?);
    let mut seen = 0_u64;
    while !list.is_empty() {
        let id = list.u8()?;
        if !allowed.contains(&id) {
            return Err(Violation::Malformed("a property that this packet cannot carry"));
        }
        let bit = 1_u64 << (id & 63);
        if id != id::USER_PROPERTY && seen & bit != 0 {
            return Err(Violation::Protocol("a property came twice"));
        }
        seen |= bit;
        if let Some(value) = value(&mut list, id)? {
            number(id, value)?;
        }
    }
    Ok(())
}

/// The value of a property that is a number; `None` for texts and data.
fn value(list: &mut Reader<'_>, id: u8) -> Result<Option<u32>, Violation> {
    Ok(match id {
        id::PAYLOAD_FORMAT | id::REQUEST_PROBLEM | id::REQUEST_RESPONSE => match list.u8()? {
            flag @ (0 | 1) => Some(u32::from(flag)),
            _ => return Err(Violation::Protocol("a flag is neither 0 nor 1")),
        },
        id::RECEIVE_MAXIMUM | id::TOPIC_ALIAS_MAXIMUM | id::TOPIC_ALIAS => {
            Some(u32::from(list.u16()?))
        }
        id::MESSAGE_EXPIRY | id::SESSION_EXPIRY | id::WILL_DELAY | id::MAXIMUM_PACKET_SIZE => {
            Some(list.u32()?)
        }
        id::SUBSCRIPTION_ID => Some(list.varint()?),
        id::CORRELATION_DATA | id::AUTH_DATA => {
            list.binary()?;
            None
        }
        id::AUTH_METHOD => {
            list.text()?;
            Some(1)
        }
        id::CONTENT_TYPE | id::RESPONSE_TOPIC | id::SERVER_REFERENCE | id::REASON_STRING => {
            list.text()?;
            None
        }
        id::USER_PROPERTY => {
            list.text()?;
            list.text()?;
            None
        }
        _ => return Err(Violation::Malformed("unknown property")),
    })
}
