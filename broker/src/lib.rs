//! The embedded MQTT broker: rumqttd's router behind our own connection loop,
//! over TCP, TLS or any other byte stream, for MQTT 3.1.1 and 5.
//!
//! [`Broker`] is the handle. Publishes to `komandorr/traffic/<service>` leave
//! it as [`Delivery`](komandorr_wire::Delivery)s through a bounded channel and
//! are acknowledged when the store has settled them; subscribers get copies.

mod admission;
mod broker;
mod config;
mod connection;
mod core;
mod fanout;
mod gate;
mod intake;
mod listen;
mod metrics;
mod notices;
pub mod protocol;
mod retained;
mod rules;
mod sessions;
mod subscriptions;
mod tls;

pub use broker::{Broker, NotStored, StartError};
pub use config::Config;
pub use gate::{Denied, Door, Gatekeeper, Identity, Transport};
pub use metrics::{Client, ConnectionCount, Held, Latency, Metrics, Refused};
pub use protocol::Version;
pub use tls::{Tls, TlsError};
