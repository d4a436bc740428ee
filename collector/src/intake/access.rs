//! What a connection needs: address, credential, certificates, identity.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rumqttc::{
    MqttOptions as Options311, NetworkOptions, TlsConfiguration, Transport,
    v5::MqttOptions as Options5,
};
use rustls::{ClientConfig, RootCertStore};

use super::BrokerUrl;

/// Most messages that the broker sends before one is acknowledged: bounds
/// memory, and is what one commit can hold.
pub(super) const WINDOW: u16 = 512;
/// Time between pings, and what a silent broker costs at most.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Time for name resolution, connection, TLS and the broker's answer together.
const CONNECT_SECONDS: u64 = 10;
/// Largest packet that the broker may send, as with the embedded one.
const MAX_PACKET: u32 = 1 << 20;
/// How long the broker keeps the session of a server that is away: a month, so
/// that one that never comes back does not take its share for ever.
const SESSION_SECONDS: u32 = 30 * 24 * 60 * 60;

/// Why the server cannot become a client of the broker. One line.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// TLS without anything to verify the broker with.
    #[error(
        "mqtt.broker: this system has no certificate authorities: install its ca-certificates package, or name a file of certificates in SSL_CERT_FILE"
    )]
    Roots,
    /// TLS itself.
    #[error("mqtt.broker: cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The identity cannot be kept.
    #[error("cannot keep this server's MQTT client id in {}: {source}; make the folder writable", path.display())]
    ClientId {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// How the broker is reached, and as whom.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) url: BrokerUrl,
    client_id: String,
    tls: Option<Arc<ClientConfig>>,
}

impl Access {
    pub(super) fn new(url: BrokerUrl, database: &Path) -> Result<Self, IntakeError> {
        let tls = url.is_secure().then(tls).transpose()?;
        let mut path = database.as_os_str().to_owned();
        path.push(".mqtt-client");
        let path = PathBuf::from(path);
        let client_id =
            client_id(&path).map_err(|source| IntakeError::ClientId { path, source })?;
        Ok(Self { url, client_id, tls })
    }

    fn transport(&self) -> Transport {
        match &self.tls {
            Some(tls) => Transport::Tls(TlsConfiguration::Rustls(Arc::clone(tls))),
            None => Transport::Tcp,
        }
    }

    /// Options of the network.
    pub(super) fn network() -> NetworkOptions {
        let mut network = NetworkOptions::new();
        // With delayed acknowledgements Nagle's algorithm would add 40 ms.
        network.set_tcp_nodelay(true);
        network.set_connection_timeout(CONNECT_SECONDS);
        network
    }

    /// Options for one connection in MQTT 3.1.1, with a persistent session.
    pub(super) fn options_311(&self) -> Options311 {
        let mut options = Options311::new(&self.client_id, self.url.address(), self.url.port());
        options.set_transport(self.transport());
        if let Some((user, password)) = self.url.credential() {
            options.set_credentials(user, password.expose());
        }
        options.set_keep_alive(KEEP_ALIVE);
        options.set_clean_session(false);
        let largest = usize::try_from(MAX_PACKET).unwrap_or(usize::MAX);
        options.set_max_packet_size(largest, largest);
        options.set_manual_acks(true);
        options
    }

    /// Options for one connection that leaves nothing behind: as `client_id`
    /// with this ending, in the version that every broker speaks.
    pub(super) fn fleeting(&self, ending: &str) -> Options311 {
        let mut options = self.options_311();
        options.set_client_id(format!("{}-{ending}", self.client_id));
        options.set_clean_session(true);
        options.set_manual_acks(false);
        options
    }

    /// Options for one connection in MQTT 5, with a persistent session.
    pub(super) fn options_5(&self) -> Options5 {
        let mut options = Options5::new(&self.client_id, self.url.address(), self.url.port());
        options.set_transport(self.transport());
        if let Some((user, password)) = self.url.credential() {
            options.set_credentials(user, password.expose());
        }
        options.set_keep_alive(KEEP_ALIVE);
        options.set_connection_timeout(CONNECT_SECONDS);
        options.set_clean_start(false);
        options.set_session_expiry_interval(Some(SESSION_SECONDS));
        options.set_receive_maximum(Some(WINDOW));
        options.set_max_packet_size(Some(MAX_PACKET));
        options.set_manual_acks(true);
        options.set_network_options(Self::network());
        options
    }
}

/// The identity under which the broker keeps this server's session: made once,
/// and as lasting as the database that it stands beside.
fn client_id(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Ok(text) if text.starts_with("komandorr-") => return Ok(text.trim().to_owned()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        // Nothing, or not all of it.
        Ok(_) | Err(_) => {}
    }
    let id = format!("komandorr-{:016x}", rand::random::<u64>());
    let new = path.with_extension("mqtt-client-new");
    fs::write(&new, format!("{id}\n"))?;
    fs::rename(&new, path)?;
    Ok(id)
}

/// Trusts the system's certificate authorities. There is no way to turn
/// verification off.
fn tls() -> Result<Arc<ClientConfig>, IntakeError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(IntakeError::Roots);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_lasts_and_is_each_database_s_own() {
        let folder = tempfile::tempdir().unwrap();
        let access = |name: &str| {
            let url = "mqtt://me:secret@host".parse().unwrap();
            Access::new(url, &folder.path().join(name)).unwrap()
        };
        let first = access("a.duckdb").client_id;
        assert!(first.len() <= 64 && first.starts_with("komandorr-"), "{first}");
        assert_eq!(access("a.duckdb").client_id, first);
        assert_ne!(access("b.duckdb").client_id, first);
        assert!(!format!("{:?}", access("a.duckdb")).contains("secret"));
        let options = access("a.duckdb").options_5();
        assert!(options.manual_acks() && !options.clean_start());
        let options = access("a.duckdb").options_311();
        assert!(options.manual_acks() && !options.clean_session());
    }
}
