//! Why the broker refuses or ends something: every reason that is counted.

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

/// Why the broker stopped reading a publisher for a while: its messages wait
/// in its own machine then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Held {
    /// More messages of this client wait for the store than
    /// `unacknowledged_per_client`.
    Client,
    /// More bytes of all clients wait than `unacknowledged_bytes`.
    Bytes,
    /// The store has more before it than it takes.
    Store,
}

impl Held {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Client, Self::Bytes, Self::Store];

    /// The word for it in figures.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "unacknowledged_per_client",
            Self::Bytes => "unacknowledged_bytes",
            Self::Store => "store",
        }
    }
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
    /// The gatekeeper could not decide, or somebody was dismissed while this
    /// client was being let in.
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
