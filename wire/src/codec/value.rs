//! MessagePack values one by one, borrowed from the payload.

use std::fmt;

use rmp::{
    Marker,
    decode::{
        NumValueReadError, ValueReadError, read_array_len, read_f32, read_f64, read_int,
        read_map_len, read_marker,
    },
};

/// Why a value is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The payload ends within it.
    End,
    /// It is of another type, or out of that type's range.
    Not(&'static str),
    /// Its text is not UTF-8.
    Utf8,
    /// Lists and maps within lists and maps, too many of them.
    Nested,
    /// Something in it, in words.
    Within(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::End => f.write_str("it ends too early"),
            Self::Not(kind) => write!(f, "not {kind}"),
            Self::Utf8 => f.write_str("its text is not UTF-8"),
            Self::Nested => f.write_str("nested too deep"),
            Self::Within(what) => f.write_str(what),
        }
    }
}

/// What is left of a payload.
#[derive(Debug)]
pub(super) struct Values<'a>(pub(super) &'a [u8]);

impl<'a> Values<'a> {
    /// An integer in any width that is not negative.
    pub(super) fn uint(&mut self) -> Result<u64, Fault> {
        read_int(&mut self.0).map_err(|error| number(&error, "a whole number from 0 to 2^64-1"))
    }

    /// An integer in any width.
    pub(super) fn int(&mut self) -> Result<i64, Fault> {
        let kind = "a whole number from -2^63 to 2^63-1";
        read_int(&mut self.0).map_err(|error| number(&error, kind))
    }

    /// A number, with or without a fraction.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "percentages need no more"
    )]
    pub(super) fn float(&mut self) -> Result<f32, Fault> {
        match self.next()? {
            Marker::F32 => read_f32(&mut self.0).map_err(|error| other(&error, "a number")),
            Marker::F64 => {
                read_f64(&mut self.0).map(|n| n as f32).map_err(|error| other(&error, "a number"))
            }
            Marker::U64 => self.uint().map(|n| n as f32),
            _ => {
                let read = read_int::<i64, _>(&mut self.0);
                read.map(|n| n as f32).map_err(|error| number(&error, "a number"))
            }
        }
    }

    /// True or false.
    pub(super) fn flag(&mut self) -> Result<bool, Fault> {
        match read_marker(&mut self.0) {
            Ok(Marker::True) => Ok(true),
            Ok(Marker::False) => Ok(false),
            Ok(_) => Err(Fault::Not("true or false")),
            Err(_) => Err(Fault::End),
        }
    }

    /// A text.
    pub(super) fn text(&mut self) -> Result<&'a str, Fault> {
        std::str::from_utf8(self.raw_text()?).map_err(|_utf8| Fault::Utf8)
    }

    /// A text that is compared with known ones only.
    pub(super) fn raw_text(&mut self) -> Result<&'a [u8], Fault> {
        let len = match read_marker(&mut self.0).map_err(|_end| Fault::End)? {
            Marker::FixStr(len) => usize::from(len),
            Marker::Str8 => self.length(1)?,
            Marker::Str16 => self.length(2)?,
            Marker::Str32 => self.length(4)?,
            _ => return Err(Fault::Not("a text")),
        };
        self.bytes(len)
    }

    /// How many pairs of key and value follow.
    pub(super) fn map(&mut self) -> Result<u32, Fault> {
        read_map_len(&mut self.0).map_err(|error| other(&error, "a map with string keys"))
    }

    /// How many values follow.
    pub(super) fn array(&mut self) -> Result<u32, Fault> {
        read_array_len(&mut self.0).map_err(|error| other(&error, "an array"))
    }

    /// A value, or nil.
    pub(super) fn maybe<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        if self.next()? != Marker::Null {
            return read(self).map(Some);
        }
        self.bytes(1).map(|_nil| None)
    }

    /// Passes over any value; `depth` is how deep it may be nested.
    pub(super) fn skip(&mut self, depth: usize) -> Result<(), Fault> {
        let inside = |values: &mut Self, count: usize| {
            let deeper = depth.checked_sub(1).ok_or(Fault::Nested)?;
            (0..count).try_for_each(|_| values.skip(deeper))
        };
        let len = match read_marker(&mut self.0).map_err(|_end| Fault::End)? {
            Marker::FixPos(_) | Marker::FixNeg(_) | Marker::Null | Marker::True | Marker::False => {
                0
            }
            Marker::U8 | Marker::I8 => 1,
            Marker::U16 | Marker::I16 | Marker::FixExt1 => 2,
            Marker::FixExt2 => 3,
            Marker::U32 | Marker::I32 | Marker::F32 => 4,
            Marker::FixExt4 => 5,
            Marker::U64 | Marker::I64 | Marker::F64 => 8,
            Marker::FixExt8 => 9,
            Marker::FixExt16 => 17,
            Marker::FixStr(len) => len.into(),
            Marker::Str8 | Marker::Bin8 => self.length(1)?,
            Marker::Str16 | Marker::Bin16 => self.length(2)?,
            Marker::Str32 | Marker::Bin32 => self.length(4)?,
            // The type of an extension is a byte more.
            Marker::Ext8 => self.length(1)?.saturating_add(1),
            Marker::Ext16 => self.length(2)?.saturating_add(1),
            Marker::Ext32 => self.length(4)?.saturating_add(1),
            Marker::FixArray(count) => return inside(self, count.into()),
            Marker::Array16 => return self.length(2).and_then(|count| inside(self, count)),
            Marker::Array32 => return self.length(4).and_then(|count| inside(self, count)),
            Marker::FixMap(count) => return inside(self, 2 * usize::from(count)),
            Marker::Map16 => return self.length(2).and_then(|count| inside(self, 2 * count)),
            Marker::Map32 => {
                return self.length(4).and_then(|count| inside(self, count.saturating_mul(2)));
            }
            Marker::Reserved => return Err(Fault::Not("MessagePack")),
        };
        self.bytes(len).map(|_skipped| ())
    }

    /// The kind of the next value, which stays where it is.
    fn next(&self) -> Result<Marker, Fault> {
        self.0.first().map(|&byte| Marker::from_u8(byte)).ok_or(Fault::End)
    }

    /// A big-endian length of so many bytes.
    fn length(&mut self, bytes: usize) -> Result<usize, Fault> {
        Ok(self.bytes(bytes)?.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)))
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Fault::End)?;
        self.0 = rest;
        Ok(taken)
    }
}

fn number(error: &NumValueReadError, kind: &'static str) -> Fault {
    match error {
        NumValueReadError::InvalidMarkerRead(_) | NumValueReadError::InvalidDataRead(_) => {
            Fault::End
        }
        NumValueReadError::TypeMismatch(_) | NumValueReadError::OutOfRange => Fault::Not(kind),
    }
}

fn other(error: &ValueReadError, kind: &'static str) -> Fault {
    match error {
        ValueReadError::InvalidMarkerRead(_) | ValueReadError::InvalidDataRead(_) => Fault::End,
        ValueReadError::TypeMismatch(_) => Fault::Not(kind),
    }
}
