//! From MQTT deliveries to DuckDB and back to whoever asks: decode, dedupe,
//! batch, store, roll up, read; the live state and the registry of services.

mod backup;
mod batch;
pub mod bucket;
mod collector;
mod config;
mod housekeeping;
pub mod intake;
mod journal;
mod level;
pub mod live;
mod ranges;
pub mod read;
pub mod registry;
mod restore;
pub mod stats;
mod store;
mod writer;

pub use backup::{Backup, BackupError};
pub use collector::Collector;
pub use config::Config;
pub use intake::{BrokerUrl, Herald, Intake, Sent};
pub use live::{Current, Live, State, Volume};
pub use ranges::RangeSet;
pub use read::Reader;
pub use registry::Registry;
pub use stats::Stats;
pub use store::OpenError;
