//! What agents, brokers and collectors agree on: samples, service ids, topics
//! and the MessagePack codec. No I/O, no clock, no async.

mod codec;
mod delivery;
pub mod meter;
mod origin;
mod sample;
mod service;
pub mod topic;

pub use codec::{DecodeError, decode, decode_into, encode, encode_one};
pub use delivery::{Delivery, Message, Outcome, Settle};
pub use origin::{HTTP_AGENT, IMPORT_AGENT, Origin};
pub use sample::{
    AgentSeq, Interface, InvalidSample, MAX_COVERED_MS, MAX_INTERFACES, MAX_INTERVAL_MS,
    MAX_SAMPLES_PER_PAYLOAD, MAX_TEXT, SCHEMA_VERSION, Sample,
};
pub use service::{InvalidServiceId, RESERVED, ServiceId};
