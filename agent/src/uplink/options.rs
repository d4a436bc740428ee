//! What a connection needs: address, credential, certificates, the will.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context;
use komandorr_config::Secret;
use komandorr_wire::{ServiceId, topic};
use rumqttc::{
    NetworkOptions, TlsConfiguration, Transport,
    v5::{
        MqttOptions,
        mqttbytes::{QoS, v5::LastWill},
    },
};
use rustls::ClientConfig;

use super::{KEEP_ALIVE, Scheme, Trouble, Url, tls};
use crate::config::{Config, Token};

/// Time for name resolution, connection, TLS and the broker's answer together.
const CONNECT_SECONDS: u64 = 10;
/// Nothing larger than an acknowledgement is ever sent to an agent.
const MAX_INCOMING: u32 = 4096;

/// How the server is reached, and as whom.
#[derive(Clone)]
pub struct Access {
    /// Where.
    pub url: Url,
    /// As which service; also the user name.
    pub service: ServiceId,
    token: Option<Token>,
    /// The MQTT client id. It stays the same over restarts, so that the broker
    /// ends an old connection before its will could contradict the new one.
    client_id: String,
    /// Whether the broker shall say `offline` when the connection breaks.
    will: bool,
    tls: Option<Arc<ClientConfig>>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Access {
    /// Prepares connections as the service of `config`; `agent` is the
    /// identity of its state. Fails when the certificates cannot be read.
    pub fn new(config: &Config, agent: &str) -> anyhow::Result<Self> {
        let secure = config.url.scheme.is_secure();
        let tls = secure.then(|| tls::config(config.ca.as_deref())).transpose()?;
        let short: String = agent.chars().take(12).collect();
        Ok(Self {
            url: config.url.clone(),
            service: config.service.clone(),
            token: config.token.clone(),
            client_id: format!("komandorr-agent-{}-{short}", config.service),
            will: true,
            tls,
        })
    }

    /// Prepares one connection that a running agent of the same service does
    /// not notice.
    pub fn for_check(config: &Config) -> anyhow::Result<Self> {
        let identity = format!("check-{:08x}", rand::random::<u32>());
        Ok(Self { will: false, ..Self::new(config, &identity)? })
    }

    /// Options for one connection. A token file is read anew each time.
    pub(super) fn options(&self, window: u16) -> Result<MqttOptions, Trouble> {
        let token = self.token().map_err(|e| Trouble::setting(format!("{e:#}")))?;
        let url = &self.url;
        // rumqttc takes the whole URL as host for a WebSocket. Of an IPv6
        // address it wants brackets, except where it verifies a certificate.
        let host = match url.scheme {
            Scheme::Tcp => url.host_in_url(),
            Scheme::Tls => url.host.to_string(),
            Scheme::WebSocket | Scheme::SecureWebSocket => url.to_string(),
        };
        let mut options = MqttOptions::new(&self.client_id, host, url.port);
        let tls = self.tls.clone().map(TlsConfiguration::Rustls);
        options.set_transport(match (url.scheme, tls) {
            (Scheme::Tcp, _) => Transport::Tcp,
            (Scheme::WebSocket, _) => Transport::Ws,
            (Scheme::Tls, Some(tls)) => Transport::Tls(tls),
            (Scheme::SecureWebSocket, Some(tls)) => Transport::Wss(tls),
            // `new` has set it up; without it there is no connection at all.
            (_, None) => return Err(Trouble::setting("TLS is not set up".to_owned())),
        });
        if let Some(token) = token {
            options.set_credentials(self.service.as_str(), token.expose());
        }
        if self.will {
            let status = topic::status(&self.service);
            let will = LastWill::new(status, topic::OFFLINE, QoS::AtLeastOnce, true, None);
            options.set_last_will(will);
        }
        options.set_keep_alive(KEEP_ALIVE);
        options.set_clean_start(true);
        options.set_connection_timeout(CONNECT_SECONDS);
        options.set_max_packet_size(Some(MAX_INCOMING));
        options.set_outgoing_inflight_upper_limit(window);
        let mut network = NetworkOptions::new();
        // With delayed acknowledgements Nagle's algorithm would add 40 ms.
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        Ok(options)
    }

    fn token(&self) -> anyhow::Result<Option<Secret>> {
        match &self.token {
            None => Ok(None),
            Some(Token::Value(token)) => Ok(Some(token.clone())),
            Some(Token::File(path)) => read_token(path),
        }
    }
}

/// The token of a file; an empty one, as packages bring it, is none.
fn read_token(path: &PathBuf) -> anyhow::Result<Option<Secret>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the token file {}", path.display()))?;
    let token = text.trim();
    Ok((!token.is_empty()).then(|| Secret::new(token)))
}
