//! Encoding. Absent values are left out, so that a sample stays small.

use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};

use crate::{Interface, SCHEMA_VERSION, Sample};

/// Encodes one sample as a map.
pub fn encode_one(sample: &Sample) -> Vec<u8> {
    to_vec(&Wire(sample))
}

/// Encodes samples as an array of maps.
pub fn encode(samples: &[Sample]) -> Vec<u8> {
    to_vec(&List(samples))
}

/// Writing to memory cannot fail: the serializers below know every length and
/// use no type that MessagePack lacks.
fn to_vec(value: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec_named(value).unwrap_or_default()
}

struct List<'a>(&'a [Sample]);

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for sample in self.0 {
            list.serialize_element(&Wire(sample))?;
        }
        list.end()
    }
}

struct Wire<'a, T>(&'a T);

impl Serialize for Wire<'_, Sample> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let s = self.0;
        let agent = s.agent.as_ref();
        let mut map = Entries::default();
        map.put("v", Value::Uint(SCHEMA_VERSION));
        map.put("up", Value::Uint(s.up));
        map.put("down", Value::Uint(s.down));
        map.put("dt", Value::Uint(s.interval_ms));
        map.maybe("ts", s.ended_ms.map(Value::Int));
        map.maybe("agent", agent.map(|a| Value::Text(&a.agent)));
        map.maybe("seq", agent.and_then(|a| a.seq).map(Value::Uint));
        map.maybe("boot", s.boot.as_deref().map(Value::Text));
        map.maybe("up_total", s.up_total.map(Value::Uint));
        map.maybe("down_total", s.down_total.map(Value::Uint));
        map.maybe("cap", s.capacity.map(Value::Uint));
        map.maybe("cpu", s.cpu_percent.map(Value::Float));
        map.maybe("mem", s.memory_percent.map(Value::Float));
        map.maybe("gap", s.gap.then_some(Value::Bool(true)));
        map.maybe("ifs", (!s.interfaces.is_empty()).then_some(Value::List(&s.interfaces)));
        map.serialize(serializer)
    }
}

impl Serialize for Wire<'_, Interface> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let i = self.0;
        let mut map = Entries::default();
        map.put("name", Value::Text(&i.name));
        map.put("role", Value::Text(&i.role));
        map.put("up", Value::Uint(i.up));
        map.put("down", Value::Uint(i.down));
        map.maybe("up_total", i.up_total.map(Value::Uint));
        map.maybe("down_total", i.down_total.map(Value::Uint));
        map.put("counted", Value::Bool(i.counted));
        map.serialize(serializer)
    }
}

/// The keys that are present, gathered first: a MessagePack map begins with
/// its length.
#[derive(Default)]
struct Entries<'a>(Vec<(&'static str, Value<'a>)>);

enum Value<'a> {
    Uint(u64),
    Int(i64),
    Float(f32),
    Bool(bool),
    Text(&'a str),
    List(&'a [Interface]),
}

impl<'a> Entries<'a> {
    fn put(&mut self, key: &'static str, value: Value<'a>) {
        self.0.push((key, value));
    }

    fn maybe(&mut self, key: &'static str, value: Option<Value<'a>>) {
        self.0.extend(value.map(|value| (key, value)));
    }
}

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Uint(n) => serializer.serialize_u64(*n),
            Self::Int(n) => serializer.serialize_i64(*n),
            Self::Float(x) => serializer.serialize_f32(*x),
            Self::Bool(b) => serializer.serialize_bool(*b),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(list) => {
                let mut seq = serializer.serialize_seq(Some(list.len()))?;
                for interface in *list {
                    seq.serialize_element(&Wire(interface))?;
                }
                seq.end()
            }
        }
    }
}
