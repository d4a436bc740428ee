//! The broker's limits: each a setting, each counted when it bites.

use std::time::Duration;

use komandorr_config::Impossible;
use serde::Deserialize;

/// Limits and times of the embedded broker. Every key is optional.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Connections in all, on every door together.
    pub connections: usize,
    /// Connections from one address (IPv6: one /64 network).
    pub connections_per_address: usize,
    /// Connections that have not yet sent a complete, accepted CONNECT.
    pub handshakes: usize,
    /// The same from one address.
    pub handshakes_per_address: usize,
    /// Time for the TLS handshake, and again for CONNECT.
    #[serde(with = "komandorr_config::duration")]
    pub handshake_timeout: Duration,
    /// Time in which a client must take at least a byte of what waits for it,
    /// and in which more of a packet beyond 64 KiB must come.
    #[serde(with = "komandorr_config::duration")]
    pub write_timeout: Duration,
    /// Longest keep alive; a client that asks for more, or for none, gets this.
    #[serde(with = "komandorr_config::duration")]
    pub keep_alive: Duration,
    /// Largest packet.
    #[serde(with = "komandorr_config::size")]
    pub packet_size: u64,
    /// Longest client id in bytes.
    pub client_id_length: usize,
    /// Subscriptions of one client.
    pub subscriptions_per_client: usize,
    /// Messages of one client that wait for the store; beyond it the client's
    /// connection is not read (MQTT 5 clients are told: Receive Maximum).
    pub unacknowledged_per_client: u16,
    /// Bytes of all messages that wait for the store; beyond it no publisher
    /// is read.
    #[serde(with = "komandorr_config::size")]
    pub unacknowledged_bytes: u64,
    /// Messages of `QoS` 1 under way to one subscriber (a client's own Receive
    /// Maximum may ask for fewer).
    pub inflight_per_subscriber: u16,
    /// How much is kept for subscribers that lag; beyond it they lose the
    /// oldest. It exists once for all services and once more in parts, and
    /// takes up to ten times as much memory when messages are tiny.
    #[serde(with = "komandorr_config::size")]
    pub subscriber_backlog: u64,
    /// Retained `komandorr/status/+` topics.
    pub retained: usize,
    /// How long the second wrong password from an address waits for its
    /// refusal; each further one doubles it. Right ones never wait.
    #[serde(with = "komandorr_config::duration")]
    pub wrong_password_delay: Duration,
    /// The prefix below which the server's own notices stand, beside
    /// `komandorr/state/+`; without it there are none, and nobody may
    /// subscribe to them. Not a limit, and set by the server.
    #[serde(skip)]
    pub discovery_prefix: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_address: 2_000,
            handshakes: 500,
            handshakes_per_address: 100,
            handshake_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_mins(20),
            packet_size: 1 << 20,
            client_id_length: 128,
            subscriptions_per_client: 1_000,
            unacknowledged_per_client: 1_000,
            unacknowledged_bytes: 32 << 20,
            inflight_per_subscriber: 1_000,
            subscriber_backlog: 4 << 20,
            retained: 100_000,
            wrong_password_delay: Duration::from_millis(200),
            discovery_prefix: None,
        }
    }
}

/// A CONNECT is read before anybody is known: it gets no more than this, in
/// bytes, however large packets may be later.
const CONNECT_SIZE: u64 = 16 * 1024;

impl Config {
    /// The largest packet as the frame reader wants it.
    pub(crate) fn packet_limit(&self) -> usize {
        usize::try_from(self.packet_size).unwrap_or(usize::MAX)
    }

    /// The largest CONNECT.
    pub(crate) fn connect_limit(&self) -> usize {
        usize::try_from(self.packet_size.min(CONNECT_SIZE)).unwrap_or(usize::MAX)
    }

    /// The keep alive that holds for a client that asked for `wanted` seconds.
    pub(crate) fn keep_alive_seconds(&self, wanted: u16) -> u16 {
        let longest = u16::try_from(self.keep_alive.as_secs()).unwrap_or(u16::MAX).max(1);
        if wanted == 0 { longest } else { wanted.min(longest) }
    }

    /// Refuses what cannot be, named without the section.
    pub fn check(&self) -> Result<(), Impossible> {
        let counts = [
            (self.connections, "connections"),
            (self.connections_per_address, "connections_per_address"),
            (self.handshakes, "handshakes"),
            (self.handshakes_per_address, "handshakes_per_address"),
            (self.client_id_length, "client_id_length"),
            (usize::from(self.unacknowledged_per_client), "unacknowledged_per_client"),
            (usize::from(self.inflight_per_subscriber), "inflight_per_subscriber"),
        ];
        if let Some((_, key)) = counts.into_iter().find(|(n, _)| *n == 0) {
            return Err(Impossible::new(key, "must be at least 1"));
        }
        if !(1024..=256 << 20).contains(&self.packet_size) {
            return Err(Impossible::new("packet_size", "must be 1KiB to 256MiB"));
        }
        if self.unacknowledged_bytes < self.packet_size
            || self.unacknowledged_bytes > u32::MAX.into()
        {
            return Err(Impossible::new("unacknowledged_bytes", "must be packet_size to 4GiB"));
        }
        if self.subscriber_backlog < 64 * 1024 {
            return Err(Impossible::new("subscriber_backlog", "must be at least 64KiB"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_possible_and_every_key_is_read() {
        assert_eq!(Config::default().check(), Ok(()));
        let text = "packet_size = \"64KiB\"\nkeep_alive = \"1m\"\nconnections = 7";
        let config: Config = toml::from_str(text).unwrap();
        assert_eq!((config.packet_size, config.connections), (64 * 1024, 7));
        assert_eq!(config.keep_alive_seconds(0), 60);
        assert!(toml::from_str::<Config>("conections = 7").is_err());
    }

    #[test]
    fn what_is_impossible_is_named() {
        let table: [(Config, &str); 4] = [
            (Config { connections: 0, ..Config::default() }, "connections"),
            (Config { packet_size: 10, ..Config::default() }, "packet_size"),
            (Config { unacknowledged_bytes: 9, ..Config::default() }, "unacknowledged_bytes"),
            (Config { subscriber_backlog: 9, ..Config::default() }, "subscriber_backlog"),
        ];
        for (config, key) in table {
            assert_eq!(config.check().unwrap_err().key, key);
        }
    }
}
