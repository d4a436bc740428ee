//! The broker's own figures, as a snapshot for whoever shows them.

mod counters;
mod lines;
mod refused;

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use komandorr_wire::ServiceId;

use crate::{gate::Transport, protocol::Version};
pub(crate) use counters::{Counters, OpenConnection};
pub use refused::{Held, Refused};

/// A snapshot of the broker's figures. Counters begin with the process.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Connections with a successful CONNECT, by door and version.
    pub connections: Vec<ConnectionCount>,
    /// Accepted messages from publishers, all topics and both `QoS`.
    pub publishes: u64,
    /// PUBACKs sent for messages that went to the store.
    pub acknowledged: u64,
    /// Messages acknowledged as refused, because their payload is not valid.
    pub payloads_refused: u64,
    /// Refusals and forced ends by reason; every reason is listed.
    pub refusals: Vec<(Refused, u64)>,
    /// How often a publisher had to wait, by reason.
    pub held: [(Held, u64); 3],
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
    /// Messages sent to subscribers.
    pub delivered: u64,
    /// Messages that subscribers lost because they lagged.
    pub lost: u64,
    /// From PUBLISH to PUBACK.
    pub puback_latency: Latency,
    /// How often a dead or hung router was replaced.
    pub router_restarts: u64,
    /// Bytes of messages that wait for the store now.
    pub unacknowledged_bytes: u64,
    /// Retained topics now.
    pub retained: usize,
    /// Who is connected now.
    pub clients: Vec<Client>,
}

impl Metrics {
    /// How often this reason bit.
    pub fn refused(&self, why: Refused) -> u64 {
        self.refusals.iter().find(|(reason, _)| *reason == why).map_or(0, |(_, n)| *n)
    }

    /// How often publishers waited for this reason.
    pub fn held(&self, why: Held) -> u64 {
        self.held.iter().find(|(reason, _)| *reason == why).map_or(0, |(_, n)| *n)
    }
}

/// Connections of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionCount {
    /// Through which door.
    pub transport: Transport,
    /// Speaking what.
    pub version: Version,
    /// Open now.
    pub open: u64,
    /// Opened since the start.
    pub opened: u64,
}

/// A latency histogram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latency {
    /// Upper bound and how many took at most that long (cumulative, as
    /// Prometheus wants it).
    pub buckets: Vec<(Duration, u64)>,
    /// All, those beyond the last bound included.
    pub count: u64,
    /// Sum of all.
    pub sum: Duration,
}

/// A connected client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its client id.
    pub client_id: String,
    /// Who it is, as text.
    pub identity: String,
    /// The service that it publishes for, when it is an agent's credential.
    pub service: Option<ServiceId>,
    /// Where it connects from.
    pub peer: SocketAddr,
    /// Through which door.
    pub transport: Transport,
    /// Speaking what.
    pub version: Version,
    /// Since when.
    pub since: SystemTime,
}
