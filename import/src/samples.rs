//! From a history to samples: numbered, in order, each with the total that its
//! source had counted by then. An import that was interrupted, or that is
//! repeated with more, goes on where it stands.

use komandorr_wire::{AgentSeq, MAX_INTERVAL_MS, MAX_SAMPLES_PER_PAYLOAD, Sample};

use crate::{Bytes, History, Piece};

/// Time that the samples of one payload may cover together, milliseconds: each
/// is shared out among five-minute buckets, and a commit must stay small.
const MOST_MS_AT_ONCE: u64 = 400 * 24 * 60 * 60 * 1000;

/// Where an import stands: its last sample that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Last {
    /// Its number.
    pub seq: u64,
    /// Its end, Unix milliseconds.
    pub ended_ms: i64,
    /// What the source had counted by then.
    pub total: Bytes,
}

/// The samples that are still to be sent, under an identity.
///
/// Of a piece that was begun before only the rest is new; how much that is, is
/// what the source's total grew by beyond the pieces that are new as a whole.
pub fn samples(history: &History, identity: &str, last: Option<Last>) -> Vec<Sample> {
    let Some(last) = last else { return first(history, identity) };
    let whole = history.pieces.iter().filter(|piece| piece.from_ms >= last.ended_ms);
    let mut pieces: Vec<Piece> = whole.copied().collect();
    let new = pieces.iter().fold(Bytes::default(), |sum, piece| sum.plus(piece.bytes));
    let rest = history.total.minus(last.total).minus(new);
    let to_ms = pieces.first().map_or(history.until_ms, |piece| piece.from_ms);
    if !rest.is_nothing() && to_ms > last.ended_ms {
        pieces.insert(0, Piece { from_ms: last.ended_ms, to_ms, bytes: rest });
    }
    numbered(&pieces, identity, last.seq, last.total)
}

/// From the beginning. Without pieces an empty sample tells the total.
fn first(history: &History, identity: &str) -> Vec<Sample> {
    let before = history.total.minus(history.sum());
    let mut pieces = history.pieces.clone();
    if pieces.is_empty() {
        if history.total.is_nothing() {
            return Vec::new();
        }
        let to_ms = history.until_ms;
        pieces.push(Piece { from_ms: to_ms - 1, to_ms, bytes: Bytes::default() });
    }
    numbered(&pieces, identity, 0, before)
}

fn numbered(pieces: &[Piece], identity: &str, seq: u64, total: Bytes) -> Vec<Sample> {
    let (mut seq, mut total) = (seq, total);
    let parts = pieces.iter().flat_map(|piece| split(*piece));
    parts
        .map(|part| {
            seq += 1;
            total = total.plus(part.bytes);
            Sample {
                up: part.bytes.up,
                down: part.bytes.down,
                interval_ms: part.length_ms(),
                ended_ms: Some(part.to_ms),
                agent: Some(AgentSeq { agent: identity.into(), seq: Some(seq) }),
                up_total: Some(total.up),
                down_total: Some(total.down),
                ..Sample::default()
            }
        })
        .collect()
}

/// Parts that are no longer than a sample may be.
fn split(piece: Piece) -> Vec<Piece> {
    let step = i64::try_from(MAX_INTERVAL_MS).unwrap_or(i64::MAX);
    let mut parts = Vec::new();
    let mut rest = Some(piece);
    while let Some(piece) = rest {
        let (part, after) = piece.cut(piece.from_ms.saturating_add(step));
        parts.extend(part);
        rest = after;
    }
    parts
}

/// Samples in the order and the portions in which they are sent.
pub fn batches(samples: &[Sample]) -> Vec<&[Sample]> {
    let mut batches = Vec::new();
    let (mut begin, mut covered) = (0, 0);
    for (at, sample) in samples.iter().enumerate() {
        let full = at - begin == MAX_SAMPLES_PER_PAYLOAD;
        if at > begin && (full || covered + sample.interval_ms > MOST_MS_AT_ONCE) {
            batches.extend(samples.get(begin..at));
            (begin, covered) = (at, 0);
        }
        covered += sample.interval_ms;
    }
    batches.extend(samples.get(begin..).filter(|rest| !rest.is_empty()));
    batches
}

#[cfg(test)]
mod tests;
