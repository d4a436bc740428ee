//! The edge publisher as a library: counts the bytes of the interfaces, keeps
//! them in a spool on disk, and publishes them over MQTT until the server has
//! acknowledged each one.
//!
//! [`run`] is the whole agent. It takes a [`Config`], which code can make, and
//! a [`Source`] of counters: [`source::system`] for this machine, or a
//! [`source::Synthetic`] one.

pub mod cli;
mod clock;
pub mod commands;
pub mod config;
pub mod ledger;
mod meter;
mod notify;
pub mod program;
mod run;
pub mod select;
mod sender;
pub mod source;
pub mod spool;
mod trouble_log;
pub mod uplink;

pub use config::{Config, Limits, Token};
pub use notify::Notify;
pub use run::{run, run_notifying};
pub use select::Selection;
pub use source::Source;
pub use uplink::Url;
