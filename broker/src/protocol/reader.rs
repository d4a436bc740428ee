//! A cursor over the bytes of one frame; reading past its end is a violation.

use super::Violation;

/// What is left to read of a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8], Violation> {
        let (taken, left) =
            self.0.split_at_checked(n).ok_or(Violation::Malformed("the packet is cut off"))?;
        self.0 = left;
        Ok(taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Violation> {
        self.number(1).map(|n| n.to_le_bytes()[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, Violation> {
        let bytes = self.take(2)?;
        Ok(bytes.iter().fold(0, |n, b| (n << 8) | u16::from(*b)))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Violation> {
        self.number(4)
    }

    fn number(&mut self, width: usize) -> Result<u32, Violation> {
        Ok(self.take(width)?.iter().fold(0, |n, b| (n << 8) | u32::from(*b)))
    }

    /// A variable byte integer: at most four bytes.
    pub(super) fn varint(&mut self) -> Result<u32, Violation> {
        let mut value = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.u8()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Violation::Malformed("a length takes more than four bytes"))
    }

    /// Binary data with a two byte length.
    pub(super) fn binary(&mut self) -> Result<&'a [u8], Violation> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    /// A UTF-8 string; U+0000 must not be in it.
    pub(super) fn text(&mut self) -> Result<&'a str, Violation> {
        let text = std::str::from_utf8(self.binary()?)
            .map_err(|_utf8| Violation::Malformed("a string is not UTF-8"))?;
        if text.contains('\0') {
            return Err(Violation::Malformed("a string contains U+0000"));
        }
        Ok(text)
    }

    /// A packet identifier, which is never 0.
    pub(super) fn packet_id(&mut self) -> Result<u16, Violation> {
        match self.u16()? {
            0 => Err(Violation::Malformed("packet identifier 0")),
            id => Ok(id),
        }
    }
}
