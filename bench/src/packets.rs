//! The few packets of MQTT 3.1.1 that the bench writes and reads itself.

use crate::register::Credential;

/// The client leaves.
pub(crate) const DISCONNECT: [u8; 2] = [0xe0, 0];

/// CONNECT with a clean session.
pub(crate) fn connect(id: &str, credential: Option<&Credential>, keep_alive: u16) -> Vec<u8> {
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4];
    body.push(if credential.is_some() { 0xc2 } else { 0x02 });
    body.extend_from_slice(&keep_alive.to_be_bytes());
    text(&mut body, id);
    if let Some(credential) = credential {
        text(&mut body, &credential.user);
        text(&mut body, &credential.password);
    }
    packet(0x10, &body)
}

/// PUBLISH up to its packet identifier, which follows at quality of service 1
/// and is part of the announced length.
pub(crate) fn publish_head(topic: &str, qos: u8, payload: usize) -> Vec<u8> {
    let mut head = vec![0x30 | qos << 1];
    length(&mut head, 2 + topic.len() + usize::from(qos) * 2 + payload);
    text(&mut head, topic);
    head
}

/// SUBSCRIBE to one filter at quality of service 1.
pub(crate) fn subscribe(filter: &str) -> Vec<u8> {
    let mut body = vec![0, 1];
    text(&mut body, filter);
    body.push(1);
    packet(0x82, &body)
}

/// The packet identifier of a connection's message `n`, counted from 0.
pub(crate) fn id(n: u64) -> u16 {
    u16::try_from(n % 65_535).unwrap_or_default() + 1
}

/// The first packet of a buffer: its first byte, what comes after its fixed
/// header, and its whole length; `None` while it is incomplete.
pub(crate) fn first(buffer: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (&kind, rest) = buffer.split_first()?;
    let (mut len, mut shift) = (0_usize, 0);
    for (n, byte) in rest.iter().take(4).enumerate() {
        len |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            let body = buffer.get(n + 2..n + 2 + len)?;
            return Some((kind, body, n + 2 + len));
        }
    }
    None
}

fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![kind];
    length(&mut packet, body.len());
    packet.extend_from_slice(body);
    packet
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn length(out: &mut Vec<u8>, mut len: usize) {
    loop {
        let low = u8::try_from(len & 0x7f).unwrap_or_default();
        len >>= 7;
        out.push(if len > 0 { low | 0x80 } else { low });
        if len == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_found_again_whatever_its_length() {
        for len in [0, 1, 127, 128, 16_383, 16_384, 100_000] {
            let mut bytes = packet(0x32, &vec![7; len]);
            assert!(first(&bytes[..bytes.len() - 1]).is_none());
            bytes.push(99);
            let (kind, body, whole) = first(&bytes).unwrap();
            assert_eq!((kind, body.len(), whole), (0x32, len, bytes.len() - 1));
        }
    }

    #[test]
    fn identifiers_are_never_0_and_follow_each_other() {
        assert_eq!([id(0), id(1), id(65_534), id(65_535)], [1, 2, 65_535, 1]);
    }
}
