//! Decoding. By hand over serde's map access rather than derived: a derived
//! struct would also take a positional array, and could not name the key.

use std::{fmt, io::Cursor, marker::PhantomData};

use rmp_serde::decode::Error as RmpError;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::DecodeError;
use crate::{AgentSeq, Interface, MAX_INTERFACES, MAX_SAMPLES_PER_PAYLOAD, SCHEMA_VERSION, Sample};

/// Nesting in unknown keys that is still skipped; deeper is refused before it
/// can exhaust a thread's stack.
const MAX_DEPTH: usize = 32;

/// Reads a payload's samples, without checking their bounds.
pub(super) fn payload(bytes: &[u8]) -> Result<Vec<Sample>, DecodeError> {
    let first = *bytes.first().ok_or(DecodeError::Empty)?;
    let mut deserializer = rmp_serde::Deserializer::new(Cursor::new(bytes));
    deserializer.set_max_depth(MAX_DEPTH);
    let raw = match first {
        0x80..=0x8f | 0xde | 0xdf => vec![RawSample::deserialize(&mut deserializer)],
        0x90..=0x9f | 0xdc | 0xdd => {
            let list = List::<RawSample, MAX_SAMPLES_PER_PAYLOAD>::deserialize(&mut deserializer)
                .map_err(malformed)?;
            match list.excess {
                Some(count) => return Err(DecodeError::Count(count)),
                None => list.items.into_iter().map(Ok).collect(),
            }
        }
        _ => return Err(DecodeError::NotASample),
    };
    let samples =
        raw.into_iter().map(|raw| raw.map_err(malformed)?.finish()).collect::<Result<_, _>>()?;
    let read = usize::try_from(deserializer.position()).unwrap_or(usize::MAX);
    match bytes.len().saturating_sub(read) {
        0 => Ok(samples),
        left => Err(DecodeError::Trailing(left)),
    }
}

fn malformed(error: RmpError) -> DecodeError {
    DecodeError::Malformed(match error {
        RmpError::Uncategorized(message) => message,
        RmpError::InvalidMarkerRead(_) | RmpError::InvalidDataRead(_) => "it ends too early".into(),
        other => other.to_string(),
    })
}

/// A list that is read up to a length; a longer one is refused without
/// keeping its items.
struct List<T, const MAX: usize> {
    items: Vec<T>,
    excess: Option<usize>,
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T, const MAX: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Items<T, MAX> {
            type Value = List<T, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while items.len() < MAX {
                    match seq.next_element()? {
                        Some(item) => items.push(item),
                        None => return Ok(List { items, excess: None }),
                    }
                }
                let mut count = MAX;
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(List { items, excess: (count > MAX).then_some(count) })
            }
        }

        deserializer.deserialize_seq(Items(PhantomData))
    }
}

/// What a map held, before it is known to be complete.
#[derive(Default)]
struct RawSample {
    version: Option<u64>,
    up: Option<u64>,
    down: Option<u64>,
    interval_ms: Option<u64>,
    agent: Option<Box<str>>,
    seq: Option<u64>,
    /// Everything that needs no second look.
    sample: Sample,
}

impl RawSample {
    fn finish(self) -> Result<Sample, DecodeError> {
        match self.version.ok_or(DecodeError::Missing("v"))? {
            SCHEMA_VERSION => {}
            other => return Err(DecodeError::Version(other)),
        }
        let agent = match (self.agent, self.seq) {
            (Some(agent), seq) => Some(AgentSeq { agent, seq }),
            (None, None) => None,
            (None, Some(_)) => return Err(DecodeError::Missing("agent")),
        };
        Ok(Sample {
            up: self.up.ok_or(DecodeError::Missing("up"))?,
            down: self.down.ok_or(DecodeError::Missing("down"))?,
            interval_ms: self.interval_ms.ok_or(DecodeError::Missing("dt"))?,
            agent,
            ..self.sample
        })
    }
}

/// A map whose keys a type takes one by one.
trait Keyed: Default {
    /// The keys it knows.
    const KEYS: &'static [&'static str];

    /// Takes the value of one of its keys.
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error>;
}

impl Keyed for RawSample {
    const KEYS: &'static [&'static str] = &[
        "v",
        "up",
        "down",
        "dt",
        "ts",
        "agent",
        "seq",
        "boot",
        "up_total",
        "down_total",
        "cap",
        "cpu",
        "mem",
        "gap",
        "ifs",
    ];

    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let sample = &mut self.sample;
        match key {
            "v" => self.version = Some(map.next_value()?),
            "up" => self.up = Some(map.next_value()?),
            "down" => self.down = Some(map.next_value()?),
            "dt" => self.interval_ms = Some(map.next_value()?),
            "ts" => sample.ended_ms = map.next_value()?,
            "agent" => self.agent = map.next_value()?,
            "seq" => self.seq = map.next_value()?,
            "boot" => sample.boot = map.next_value()?,
            "up_total" => sample.up_total = map.next_value()?,
            "down_total" => sample.down_total = map.next_value()?,
            "cap" => sample.capacity = map.next_value()?,
            "cpu" => sample.cpu_percent = map.next_value()?,
            "mem" => sample.memory_percent = map.next_value()?,
            "gap" => sample.gap = map.next_value::<Option<bool>>()?.unwrap_or_default(),
            "ifs" => {
                let list: List<Entry<Interface>, MAX_INTERFACES> = map.next_value()?;
                if list.excess.is_some() {
                    return Err(Error::custom("more than 4096 interfaces"));
                }
                sample.interfaces = list.items.into_iter().map(|entry| entry.0).collect();
            }
            _ => {}
        }
        Ok(())
    }
}

impl Keyed for Interface {
    const KEYS: &'static [&'static str] =
        &["name", "role", "up", "down", "up_total", "down_total", "counted"];

    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "name" => self.name = map.next_value()?,
            "role" => self.role = map.next_value()?,
            "up" => self.up = map.next_value()?,
            "down" => self.down = map.next_value()?,
            "up_total" => self.up_total = map.next_value()?,
            "down_total" => self.down_total = map.next_value()?,
            "counted" => self.counted = map.next_value()?,
            _ => {}
        }
        Ok(())
    }
}

/// Reads any [`Keyed`] type from a map: keys in any order, unknown ones
/// skipped, doubled ones refused.
struct Entry<T>(T);

impl<'de> Deserialize<'de> for RawSample {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Entry::deserialize(deserializer).map(|entry| entry.0)
    }
}

impl<'de, T: Keyed> Deserialize<'de> for Entry<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Keyed> Visitor<'de> for Fields<T> {
            type Value = Entry<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map with string keys")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut value = T::default();
                let mut seen = Vec::with_capacity(T::KEYS.len());
                while let Some(key) = map.next_key_seed(Known(T::KEYS))? {
                    let Some(key) = key else {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    if seen.contains(&key) {
                        return Err(Error::custom(format_args!("`{key}` stands twice")));
                    }
                    seen.push(key);
                    value
                        .take(key, &mut map)
                        .map_err(|error| Error::custom(format_args!("`{key}`: {error}")))?;
                }
                Ok(Entry(value))
            }
        }

        deserializer.deserialize_map(Fields(PhantomData))
    }
}

/// Reads a key as one of those that a type knows, without keeping its text.
struct Known(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Known {
    type Value = Option<&'static str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Known {
    type Value = Option<&'static str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string as key")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|&&key| key == text).copied())
    }
}
