//! Samples as MessagePack: maps with string keys, one sample or an array.

mod read;
mod value;
mod write;

use crate::{InvalidSample, Sample};

pub use write::{encode, encode_one};

/// Why a payload is not one sample or an array of samples.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Nothing in it.
    #[error("the payload is empty")]
    Empty,
    /// No MessagePack, cut off, or a key of the wrong type.
    #[error("not a MessagePack sample: {0}")]
    Malformed(String),
    /// MessagePack, but neither a map nor an array of maps.
    #[error("neither a sample (a map) nor an array of samples")]
    NotASample,
    /// A required key is absent.
    #[error("the sample lacks `{0}`")]
    Missing(&'static str),
    /// A schema that this version does not know.
    #[error("sample version {0}: only version 1 is understood")]
    Version(u64),
    /// A value out of the contract's bounds.
    #[error(transparent)]
    Invalid(#[from] InvalidSample),
    /// An array without samples, or with too many.
    #[error("an array of {0} samples: 1 to 1000 are allowed")]
    Count(usize),
    /// An array whose samples cover too much time together.
    #[error("an array whose samples cover more than 1000 days together: send several")]
    Covered,
    /// More bytes after the sample's end.
    #[error("{0} bytes after the end of the sample")]
    Trailing(usize),
}

impl DecodeError {
    /// A short, fixed word for counting refusals by reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Malformed(_) => "malformed",
            Self::NotASample => "not_a_sample",
            Self::Missing(_) => "missing_key",
            Self::Version(_) => "unknown_version",
            Self::Invalid(_) => "out_of_bounds",
            Self::Count(_) => "sample_count",
            Self::Covered => "covered_time",
            Self::Trailing(_) => "trailing_bytes",
        }
    }

    /// Every word that [`reason`](Self::reason) can give.
    pub const REASONS: [&'static str; 9] = [
        "empty",
        "malformed",
        "not_a_sample",
        "missing_key",
        "unknown_version",
        "out_of_bounds",
        "sample_count",
        "covered_time",
        "trailing_bytes",
    ];
}

/// Decodes a payload: one sample, or an array of 1 to 1000. Refused whole when
/// anything in it is not valid; never panics, whatever the bytes.
pub fn decode(payload: &[u8]) -> Result<Vec<Sample>, DecodeError> {
    let mut samples = Vec::new();
    decode_into(payload, &mut samples)?;
    Ok(samples)
}

/// The same, appended to a list; gives their number. On an error the list is
/// as it was.
pub fn decode_into(payload: &[u8], samples: &mut Vec<Sample>) -> Result<usize, DecodeError> {
    let before = samples.len();
    read::payload(payload, samples).inspect_err(|_refused| samples.truncate(before))
}
