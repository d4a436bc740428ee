//! Writing what the broker sends.

use bytes::{BufMut, BytesMut};

use super::{Version, properties::id, reason};

/// A successful CONNACK.
#[derive(Debug, Clone)]
pub struct ConnAck<'a> {
    /// How many unacknowledged messages of `QoS` 1 the broker takes at once.
    pub receive_maximum: u16,
    /// The largest packet that the broker takes, in bytes.
    pub maximum_packet_size: u32,
    /// The keep alive that holds when it is not the one that was asked for.
    pub server_keep_alive: Option<u16>,
    /// The id that the broker chose for a client without one.
    pub assigned_client_id: Option<&'a str>,
    /// Whether to say that no session is kept although one was asked for.
    pub session_not_kept: bool,
}

/// A message on its way to a subscriber.
#[derive(Debug, Clone, Copy)]
pub struct Delivered<'a> {
    /// The topic, in pieces that follow each other.
    pub topic: (&'a str, &'a str),
    /// The payload.
    pub payload: &'a [u8],
    /// For `QoS` 1; `None`: `QoS` 0.
    pub packet_id: Option<u16>,
    /// The retain flag.
    pub retain: bool,
}

/// CONNACK: welcome. No session is ever present: none is kept.
pub fn connack(out: &mut BytesMut, version: Version, ack: &ConnAck<'_>) {
    if version == Version::V311 {
        out.put_slice(&[0x20, 2, 0, 0]);
        return;
    }
    let mut list = Vec::with_capacity(32);
    if ack.session_not_kept {
        list.put_u8(id::SESSION_EXPIRY);
        list.put_u32(0);
    }
    list.put_u8(id::RECEIVE_MAXIMUM);
    list.put_u16(ack.receive_maximum);
    list.put_slice(&[id::MAXIMUM_QOS, 1]);
    list.put_u8(id::MAXIMUM_PACKET_SIZE);
    list.put_u32(ack.maximum_packet_size);
    if let Some(name) = ack.assigned_client_id {
        list.put_u8(id::ASSIGNED_CLIENT_ID);
        put_text(&mut list, name);
    }
    list.put_slice(&[id::SUBSCRIPTION_ID_AVAILABLE, 0, id::SHARED_AVAILABLE, 0]);
    if let Some(seconds) = ack.server_keep_alive {
        list.put_u8(id::SERVER_KEEP_ALIVE);
        list.put_u16(seconds);
    }
    let list_len = varint_len(list.len());
    put_header(out, 0x20, 2 + list_len + list.len());
    out.put_slice(&[0, reason::SUCCESS]);
    put_varint(out, list.len());
    out.put_slice(&list);
}

/// CONNACK: refused, with the return code of 3.1.1 or the reason code of 5.
pub fn connack_refused(out: &mut BytesMut, version: Version, v311: u8, v5: u8) {
    match version {
        Version::V311 => out.put_slice(&[0x20, 2, 0, v311]),
        Version::V5 => out.put_slice(&[0x20, 3, 0, v5, 0]),
    }
}

/// PUBACK; 3.1.1 cannot carry a reason.
pub fn puback(out: &mut BytesMut, version: Version, packet_id: u16, reason: u8) {
    if version == Version::V311 || reason == reason::SUCCESS {
        out.put_slice(&[0x40, 2]);
        out.put_u16(packet_id);
    } else {
        // With an empty property list: some clients swallow the legal short form.
        out.put_slice(&[0x40, 4]);
        out.put_u16(packet_id);
        out.put_slice(&[reason, 0]);
    }
}

/// SUBACK with one code a filter.
pub fn suback(out: &mut BytesMut, version: Version, packet_id: u16, codes: &[u8]) {
    ack_list(out, 0x90, version, packet_id, codes);
}

/// UNSUBACK; 3.1.1 carries no codes.
pub fn unsuback(out: &mut BytesMut, version: Version, packet_id: u16, codes: &[u8]) {
    let codes = if version == Version::V311 { &[] } else { codes };
    ack_list(out, 0xb0, version, packet_id, codes);
}

fn ack_list(out: &mut BytesMut, first: u8, version: Version, packet_id: u16, codes: &[u8]) {
    let properties = usize::from(version == Version::V5);
    put_header(out, first, 2 + properties + codes.len());
    out.put_u16(packet_id);
    out.put_bytes(0, properties);
    out.put_slice(codes);
}

/// PINGRESP.
pub fn pingresp(out: &mut BytesMut) {
    out.put_slice(&[0xd0, 0]);
}

/// DISCONNECT with a reason; 3.1.1 has none from the server.
pub fn disconnect(out: &mut BytesMut, version: Version, reason: u8) {
    if version == Version::V5 {
        // With an empty property list: rumqttc swallows the legal short form.
        out.put_slice(&[0xe0, 2, reason, 0]);
    }
}

/// PUBLISH to a subscriber. Returns the frame's length.
pub fn publish(out: &mut BytesMut, version: Version, message: &Delivered<'_>) -> usize {
    let before = out.len();
    let (head, tail) = message.topic;
    let topic = head.len() + tail.len();
    let id = if message.packet_id.is_some() { 2 } else { 0 };
    let properties = usize::from(version == Version::V5);
    let qos = u8::from(message.packet_id.is_some()) << 1;
    let length = 2 + topic + id + properties + message.payload.len();
    put_header(out, 0x30 | qos | u8::from(message.retain), length);
    put_len(out, topic);
    out.put_slice(head.as_bytes());
    out.put_slice(tail.as_bytes());
    if let Some(packet_id) = message.packet_id {
        out.put_u16(packet_id);
    }
    out.put_bytes(0, properties);
    out.put_slice(message.payload);
    out.len() - before
}

fn put_header(out: &mut impl BufMut, first: u8, length: usize) {
    out.put_u8(first);
    put_varint(out, length);
}

/// A two byte length; what the broker writes there is always short.
fn put_len(out: &mut impl BufMut, len: usize) {
    out.put_u16(u16::try_from(len).unwrap_or(u16::MAX));
}

fn put_text(out: &mut impl BufMut, text: &str) {
    put_len(out, text.len());
    out.put_slice(text.as_bytes());
}

fn put_varint(out: &mut impl BufMut, mut value: usize) {
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 {
            out.put_u8(low);
            return;
        }
        out.put_u8(low | 0x80);
    }
}

fn varint_len(value: usize) -> usize {
    match value {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x001f_ffff => 3,
        _ => 4,
    }
}
