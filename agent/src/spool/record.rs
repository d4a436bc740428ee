//! One record of the spool: a sample and the ledger's step that made it, in
//! one frame with a checksum. Whole or absent, so the two never disagree.

mod bytes;

use bytes::{Reader, Writer};

use crate::ledger::{Ledger, Step};

/// Length and checksum before each body.
pub(super) const HEADER: usize = 8;
/// No body is longer: 4096 interfaces need half a megabyte.
const MAX_BODY: usize = 8 << 20;

/// Identity of the state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Identity {
    /// Random; a new state is a new identity.
    pub agent: Box<str>,
    /// Number of the record before this identity's first sample: what is left
    /// of a record's number when it is subtracted counts from 1.
    pub base: u64,
    /// Of the machine and the state directory, so that a copy of the folder is
    /// noticed. A clone of the whole disk has the same.
    pub home: u64,
    /// Samples may be published before they have reached the disk itself.
    pub hasty: bool,
}

/// The whole state, at the beginning of each segment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Snapshot {
    /// Whose state.
    pub identity: Identity,
    /// The counters.
    pub ledger: Ledger,
    /// Written, and on the disk, at the orderly end of a run.
    pub clean: bool,
}

/// What a record says beyond what every record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    /// The state as it is: begins a segment, or ends a run.
    Snapshot(Snapshot),
    /// A step of the ledger with its encoded sample; the baseline has none.
    Step {
        /// The change.
        step: Step,
        /// `MessagePack`; empty for the baseline.
        sample: Vec<u8>,
    },
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// Number of the newest sample, this record's own if it has one.
    pub number: u64,
    /// Samples dropped so far because the spool was full.
    pub dropped: u64,
    /// Samples before this one that wait for their PUBACK.
    pub waiting: Vec<(u64, u64)>,
    /// The rest.
    pub body: Body,
}

/// What stands at some place of a segment.
pub(super) enum Frame {
    /// A record, and where the next one begins.
    Whole(Box<Record>, usize),
    /// Nothing: the end.
    End,
    /// Bytes that are no record.
    Broken,
}

/// Reads the frame at `at`.
pub(super) fn read(bytes: &[u8], at: usize) -> Frame {
    let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) else { return Frame::End };
    match body(rest).and_then(|body| Some((decode(body)?, at + HEADER + body.len()))) {
        Some((record, next)) => Frame::Whole(Box::new(record), next),
        None => Frame::Broken,
    }
}

/// Whether a frame with a right checksum begins here.
pub(super) fn is_frame(bytes: &[u8]) -> bool {
    body(bytes).is_some()
}

fn body(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let body = rest.get(..length).filter(|_| (1..=MAX_BODY).contains(&length))?;
    (crc32fast::hash(body) == u32::from_le_bytes(*sum)).then_some(body)
}

/// The frame of a record.
pub(super) fn frame(record: &Record) -> Vec<u8> {
    let mut out = Writer(vec![0; HEADER]);
    match &record.body {
        Body::Snapshot(snapshot) => {
            out.byte(SNAPSHOT);
            out.head(record);
            out.snapshot(snapshot);
        }
        Body::Step { step, sample } => {
            out.byte(STEP);
            out.head(record);
            out.step(step);
            out.bytes(sample);
        }
    }
    let mut bytes = out.0;
    let body = bytes.get(HEADER..).unwrap_or_default();
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
    let sum = crc32fast::hash(body).to_le_bytes();
    for (place, byte) in bytes.iter_mut().zip(length.into_iter().chain(sum)) {
        *place = byte;
    }
    bytes
}

const SNAPSHOT: u8 = 1;
const STEP: u8 = 2;

fn decode(body: &[u8]) -> Option<Record> {
    let mut from = Reader(body);
    let kind = from.byte()?;
    let (number, dropped) = (from.number()?, from.number()?);
    let waiting = from.list(|r| Some((r.number()?, r.number()?)))?;
    let body = match kind {
        SNAPSHOT => Body::Snapshot(from.snapshot()?),
        STEP => Body::Step { step: from.step()?, sample: from.bytes()?.to_vec() },
        _ => return None,
    };
    from.0.is_empty().then_some(Record { number, dropped, waiting, body })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ledger::{Account, Pair};

    fn pair() -> impl Strategy<Value = Pair> {
        (any::<u64>(), any::<u64>()).prop_map(|(up, down)| Pair { up, down })
    }

    fn account() -> impl Strategy<Value = (Box<str>, Account)> {
        let held = prop::option::of(pair());
        let parts = ("[a-z0-9]{1,15}", any::<u32>(), pair(), held, pair(), any::<[bool; 2]>());
        parts.prop_map(|(name, index, last, held, total, [wide, present])| {
            (name.into(), Account { index, last, held, total, wide, present })
        })
    }

    fn record() -> impl Strategy<Value = Record> {
        let step = (prop::collection::vec(account(), 0..4), pair(), any::<[u64; 2]>());
        let step = step.prop_map(|(changes, total, [boot_ms, elapsed_ms])| Step {
            boot: "boot".into(),
            boot_ms,
            elapsed_ms,
            total,
            changes,
            forgotten: vec!["veth1".into()],
            ..Step::default()
        });
        let step = (step, any::<Vec<u8>>()).prop_map(|(step, sample)| Body::Step { step, sample });
        let snapshot =
            (prop::collection::vec(account(), 0..4), any::<[u64; 2]>(), any::<[bool; 2]>());
        let snapshot = snapshot.prop_map(|(accounts, [base, home], [hasty, clean])| {
            let identity = Identity { agent: "me".into(), base, home, hasty };
            let accounts = accounts.into_iter().collect();
            let ledger = Ledger { accounts, ..Ledger::default() };
            Body::Snapshot(Snapshot { identity, ledger, clean })
        });
        let waiting = prop::collection::vec(any::<(u64, u64)>(), 0..3);
        (any::<[u64; 2]>(), waiting, prop_oneof![step, snapshot]).prop_map(
            |([number, dropped], waiting, body)| Record { number, dropped, waiting, body },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(record in record()) {
            let bytes = frame(&record);
            let Frame::Whole(read, next) = read(&bytes, 0) else { panic!("not read") };
            prop_assert_eq!(*read, record);
            prop_assert_eq!(next, bytes.len());
        }

        #[test]
        fn a_changed_or_cut_frame_is_no_record(
            record in record(), at in any::<prop::sample::Index>(), bit in 0..8_u32,
        ) {
            let mut bytes = frame(&record);
            let at = at.index(bytes.len());
            prop_assert!(at == 0 || matches!(read(&bytes[..at], 0), Frame::Broken));
            bytes[at] ^= 1 << bit;
            prop_assert!(!matches!(read(&bytes, 0), Frame::Whole(..)));
        }

        #[test]
        fn no_bytes_panic(body in any::<Vec<u8>>()) {
            drop(decode(&body));
            drop(read(&body, 0));
        }
    }
}
