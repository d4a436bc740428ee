//! Decoding, by hand over single values: a profile of the whole path asked for
//! it, and errors can name the key that is wrong.

use super::{
    DecodeError,
    value::{Fault, Values},
};
use crate::{
    AgentSeq, Interface, MAX_COVERED_MS, MAX_INTERFACES, MAX_SAMPLES_PER_PAYLOAD, SCHEMA_VERSION,
    Sample,
};

/// Nesting in unknown keys that is still skipped; deeper is refused before it
/// can exhaust a thread's stack.
const MAX_DEPTH: usize = 32;

/// Appends a payload's samples to a list and says how many they are; on an
/// error it may have appended some of them.
pub(super) fn payload(bytes: &[u8], samples: &mut Vec<Sample>) -> Result<usize, DecodeError> {
    let mut values = Values(bytes);
    let count = match *bytes.first().ok_or(DecodeError::Empty)? {
        0x80..=0x8f | 0xde | 0xdf => 1,
        0x90..=0x9f | 0xdc | 0xdd => count(&mut values)?,
        _ => return Err(DecodeError::NotASample),
    };
    let mut covered_ms = 0;
    for _ in 0..count {
        let sample = sample(&mut values)?;
        sample.validate()?;
        covered_ms += sample.interval_ms;
        samples.push(sample);
    }
    if covered_ms > MAX_COVERED_MS {
        return Err(DecodeError::Covered);
    }
    match values.0.len() {
        0 => Ok(count),
        left => Err(DecodeError::Trailing(left)),
    }
}

/// The length of an array of samples. One that is too long is told from one
/// that only says so.
fn count(values: &mut Values<'_>) -> Result<usize, DecodeError> {
    let length = values.array().map_err(malformed)?;
    let count = usize::try_from(length).unwrap_or(usize::MAX);
    if (1..=MAX_SAMPLES_PER_PAYLOAD).contains(&count) {
        return Ok(count);
    }
    (0..length).try_for_each(|_| values.skip(MAX_DEPTH)).map_err(malformed)?;
    Err(DecodeError::Count(count))
}

/// What a map held, before it is known to be complete.
#[derive(Default)]
struct Draft {
    version: u64,
    agent: Option<Box<str>>,
    seq: Option<u64>,
    sample: Sample,
}

/// The place of `v`.
const VERSION: u8 = 0;
/// Those keys that must be there, with their places in [`Seen`].
const REQUIRED: [(u8, &str); 4] = [(VERSION, "v"), (1, "up"), (2, "down"), (3, "dt")];

/// Which keys a map had: a bit for each, by its place.
type Seen = u16;

fn sample(values: &mut Values<'_>) -> Result<Sample, DecodeError> {
    let mut draft = Draft::default();
    let seen = map(values, |key, values| draft.take(key, values)).map_err(malformed)?;
    let Draft { version, agent, seq, mut sample } = draft;
    let missing = REQUIRED.iter().find(|(place, _)| seen & (1 << place) == 0);
    match missing {
        Some(&(VERSION, key)) => return Err(DecodeError::Missing(key)),
        // Of another version nothing else is known.
        _ if version != SCHEMA_VERSION => return Err(DecodeError::Version(version)),
        Some((_, key)) => return Err(DecodeError::Missing(key)),
        None => {}
    }
    sample.agent = match (agent, seq) {
        (Some(agent), seq) => Some(AgentSeq { agent, seq }),
        (None, None) => None,
        (None, Some(_)) => return Err(DecodeError::Missing("agent")),
    };
    Ok(sample)
}

/// Reads a map whose known keys `take` takes, in any order, each saying its
/// place; unknown ones are skipped, doubled ones refused.
fn map(
    values: &mut Values<'_>,
    mut take: impl FnMut(&[u8], &mut Values<'_>) -> Result<Option<u8>, Fault>,
) -> Result<Seen, Fault> {
    let mut seen: Seen = 0;
    for _ in 0..values.map()? {
        let key = values.raw_text()?;
        let within =
            |what: &str| Fault::Within(format!("`{}`{what}", String::from_utf8_lossy(key)));
        match take(key, values).map_err(|fault| within(&format!(": {fault}")))? {
            Some(place) if seen & (1 << place) != 0 => return Err(within(" stands twice")),
            Some(place) => seen |= 1 << place,
            None if std::str::from_utf8(key).is_err() => return Err(Fault::Utf8),
            None => values.skip(MAX_DEPTH)?,
        }
    }
    Ok(seen)
}

/// Keeps a key's value and says the key's place.
fn set<T>(slot: &mut T, value: T, place: u8) -> u8 {
    *slot = value;
    place
}

impl Draft {
    fn take(&mut self, key: &[u8], values: &mut Values<'_>) -> Result<Option<u8>, Fault> {
        let sample = &mut self.sample;
        Ok(Some(match key {
            b"v" => set(&mut self.version, values.uint()?, VERSION),
            b"up" => set(&mut sample.up, values.uint()?, 1),
            b"down" => set(&mut sample.down, values.uint()?, 2),
            b"dt" => set(&mut sample.interval_ms, values.uint()?, 3),
            b"ts" => set(&mut sample.ended_ms, values.maybe(Values::int)?, 4),
            b"agent" => set(&mut self.agent, values.maybe(Values::text)?.map(Into::into), 5),
            b"seq" => set(&mut self.seq, values.maybe(Values::uint)?, 6),
            b"boot" => set(&mut sample.boot, values.maybe(Values::text)?.map(Into::into), 7),
            b"up_total" => set(&mut sample.up_total, values.maybe(Values::uint)?, 8),
            b"down_total" => set(&mut sample.down_total, values.maybe(Values::uint)?, 9),
            b"cap" => set(&mut sample.capacity, values.maybe(Values::uint)?, 10),
            b"cpu" => set(&mut sample.cpu_percent, values.maybe(Values::float)?, 11),
            b"mem" => set(&mut sample.memory_percent, values.maybe(Values::float)?, 12),
            b"gap" => set(&mut sample.gap, values.maybe(Values::flag)?.unwrap_or_default(), 13),
            b"ifs" => set(&mut sample.interfaces, interfaces(values)?, 14),
            _ => return Ok(None),
        }))
    }
}

fn interfaces(values: &mut Values<'_>) -> Result<Vec<Interface>, Fault> {
    let count = values.array()?;
    if usize::try_from(count).is_ok_and(|count| count > MAX_INTERFACES) {
        return Err(Fault::Not("a list of at most 4096 interfaces"));
    }
    let interface = |_| {
        let mut interface = Interface::default();
        map(values, |key, values| interface.take(key, values))?;
        Ok(interface)
    };
    (0..count).map(interface).collect()
}

impl Interface {
    fn take(&mut self, key: &[u8], values: &mut Values<'_>) -> Result<Option<u8>, Fault> {
        Ok(Some(match key {
            b"name" => set(&mut self.name, values.text()?.into(), 0),
            b"role" => set(&mut self.role, values.text()?.into(), 1),
            b"up" => set(&mut self.up, values.uint()?, 2),
            b"down" => set(&mut self.down, values.uint()?, 3),
            b"up_total" => set(&mut self.up_total, values.maybe(Values::uint)?, 4),
            b"down_total" => set(&mut self.down_total, values.maybe(Values::uint)?, 5),
            b"counted" => set(&mut self.counted, values.flag()?, 6),
            _ => return Ok(None),
        }))
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn malformed(fault: Fault) -> DecodeError {
    DecodeError::Malformed(fault.to_string())
}
