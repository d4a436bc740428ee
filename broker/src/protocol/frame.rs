//! Cutting the byte stream into frames.

use super::Violation;

/// One complete frame at the beginning of the read buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Packet type and flags.
    pub first: u8,
    /// What comes after the fixed header.
    pub body: &'a [u8],
    /// Length of the whole frame: what to take off the buffer.
    pub len: usize,
}

/// The next frame; `None` while it is incomplete. A frame whose header already
/// announces more than `max` bytes is refused before it is read.
pub fn frame(buffer: &[u8], max: usize) -> Result<Option<Frame<'_>>, Violation> {
    let Some((&first, after)) = buffer.split_first() else { return Ok(None) };
    if !(1..=14).contains(&(first >> 4)) {
        return Err(Violation::Malformed("unknown packet type"));
    }
    let mut length = 0;
    for (n, shift) in [0, 7, 14, 21].into_iter().enumerate() {
        let Some(byte) = after.get(n) else { return Ok(None) };
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let header = n + 2;
            if header + length > max {
                return Err(Violation::TooLarge);
            }
            let body = buffer.get(header..header + length);
            return Ok(body.map(|body| Frame { first, body, len: header + length }));
        }
    }
    Err(Violation::Malformed("a length takes more than four bytes"))
}
