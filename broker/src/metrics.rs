//! The broker's own figures: counted with atomics, read as a snapshot.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use komandorr_wire::ServiceId;

use crate::{gate::Transport, protocol::Version};

/// Upper bounds of the PUBACK latency buckets, in microseconds.
const LATENCY_BOUNDS_US: [u64; 14] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 60_000_000,
];

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident => $word:literal,)+) => {
        /// Why the broker refused something or ended a connection.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Refused { $($(#[$doc])* $name,)+ }

        impl Refused {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The word for it in figures and logs.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }
        }
    };
}

refusals! {
    /// More connections than `connections`.
    Connections => "connections",
    /// More connections from one address than `connections_per_address`.
    ConnectionsPerAddress => "connections_per_address",
    /// More connections before CONNECT than `handshakes`.
    Handshakes => "handshakes",
    /// More of them from one address than `handshakes_per_address`.
    HandshakesPerAddress => "handshakes_per_address",
    /// TLS handshake or CONNECT took longer than `handshake_timeout`.
    HandshakeTimeout => "handshake_timeout",
    /// The TLS handshake failed.
    Tls => "tls",
    /// Bytes that are no MQTT packet.
    Malformed => "malformed",
    /// A packet that must not come there.
    ProtocolError => "protocol_error",
    /// Larger than `packet_size`.
    PacketSize => "packet_size",
    /// Neither MQTT 3.1.1 nor 5.
    ProtocolVersion => "protocol_version",
    /// Quality of service 2.
    Qos => "qos",
    /// Longer than `client_id_length`, or with characters that no id needs.
    ClientId => "client_id",
    /// No user name or password, or wrong ones.
    Credentials => "credentials",
    /// Too many wrong passwords from that address.
    SlowedDown => "slowed_down",
    /// An enhanced authentication method, which is not offered.
    AuthenticationMethod => "authentication_method",
    /// The gatekeeper could not decide.
    Unavailable => "unavailable",
    /// A publish to a topic that is not this client's.
    Publish => "publish",
    /// A publish for a service that is not registered.
    Unregistered => "unregistered",
    /// A last will to a topic that is not this client's.
    Will => "will",
    /// A status that is neither `online` nor `offline`.
    StatusPayload => "status_payload",
    /// More retained topics than `retained`.
    Retained => "retained",
    /// A subscription to what this client may not see.
    Subscription => "subscription",
    /// More subscriptions than `subscriptions_per_client`.
    Subscriptions => "subscriptions_per_client",
    /// The client took nothing for `write_timeout`.
    WriteTimeout => "write_timeout",
    /// No packet for one and a half times the keep alive.
    KeepAlive => "keep_alive",
    /// Another connection came with the same client id.
    TakenOver => "taken_over",
    /// The operator's word.
    Administrative => "administrative",
    /// The store went away with unacknowledged messages.
    StoreGone => "store_gone",
}

/// Everything that is counted.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) opened: [[AtomicU64; 2]; 3],
    pub(crate) open: [[AtomicU64; 2]; 3],
    pub(crate) publishes: AtomicU64,
    pub(crate) acknowledged: AtomicU64,
    pub(crate) payloads_refused: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) delivered: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) router_restarts: AtomicU64,
    refusals: Vec<AtomicU64>,
    latency: [AtomicU64; LATENCY_BOUNDS_US.len() + 1],
    latency_sum_us: AtomicU64,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self {
            opened: Default::default(),
            open: Default::default(),
            publishes: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            payloads_refused: AtomicU64::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            router_restarts: AtomicU64::new(0),
            refusals: Refused::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            latency: Default::default(),
            latency_sum_us: AtomicU64::new(0),
        }
    }

    pub(crate) fn refuse(&self, why: Refused) {
        if let Some(counter) = self.refusals.get(why as usize) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// One PUBACK, this long after its PUBLISH arrived.
    pub(crate) fn acknowledged(&self, after: Duration) {
        let us = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        let bucket = LATENCY_BOUNDS_US.partition_point(|bound| *bound < us);
        if let Some(counter) = self.latency.get(bucket) {
            counter.fetch_add(1, Relaxed);
        }
        self.latency_sum_us.fetch_add(us, Relaxed);
        self.acknowledged.fetch_add(1, Relaxed);
    }

    pub(crate) fn by_door<T>(
        table: &[[T; 2]; 3],
        transport: Transport,
        version: Version,
    ) -> Option<&T> {
        table.get(transport as usize).and_then(|row| row.get(version as usize))
    }

    fn connections(&self) -> Vec<ConnectionCount> {
        let mut counts = Vec::new();
        for transport in [Transport::Tcp, Transport::Tls, Transport::WebSocket] {
            for version in [Version::V311, Version::V5] {
                let read = |table: &[[AtomicU64; 2]; 3]| {
                    Self::by_door(table, transport, version).map_or(0, |n| n.load(Relaxed))
                };
                let (open, opened) = (read(&self.open), read(&self.opened));
                counts.push(ConnectionCount { transport, version, open, opened });
            }
        }
        counts
    }

    fn latency(&self) -> Latency {
        let mut sum = 0;
        let mut buckets = Vec::with_capacity(LATENCY_BOUNDS_US.len());
        for (bound, counter) in LATENCY_BOUNDS_US.iter().zip(&self.latency) {
            sum += counter.load(Relaxed);
            buckets.push((Duration::from_micros(*bound), sum));
        }
        let count = sum + self.latency.last().map_or(0, |n| n.load(Relaxed));
        Latency { buckets, count, sum: Duration::from_micros(self.latency_sum_us.load(Relaxed)) }
    }

    /// What the counters know; the caller adds what only the broker knows.
    pub(crate) fn snapshot(&self) -> Metrics {
        let refusals = Refused::ALL.iter().zip(&self.refusals);
        Metrics {
            connections: self.connections(),
            publishes: self.publishes.load(Relaxed),
            acknowledged: self.acknowledged.load(Relaxed),
            payloads_refused: self.payloads_refused.load(Relaxed),
            refusals: refusals.map(|(why, n)| (*why, n.load(Relaxed))).collect(),
            bytes_in: self.bytes_in.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            delivered: self.delivered.load(Relaxed),
            lost: self.lost.load(Relaxed),
            puback_latency: self.latency(),
            router_restarts: self.router_restarts.load(Relaxed),
            unacknowledged_bytes: 0,
            retained: 0,
            clients: Vec::new(),
        }
    }
}

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
