//! Where agents reach the broker: what stands in ready-made commands.

use axum::http::{HeaderMap, header};

use crate::peer::Peer;

/// The ways to the broker for agents here and elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentDoors {
    /// Another program's broker, with credentials of its own: its URL.
    Other(String),
    /// The broker in this process.
    Own {
        /// For agents on this machine, such as `mqtt://127.0.0.1:1883`.
        here: String,
        /// Whether these need no token.
        open: bool,
        /// Of a listener on an address of the network; `None`: there is none.
        network: Option<String>,
        /// Port of a listener without TLS on all addresses.
        port: Option<u16>,
        /// Port of a listener with TLS that the network reaches.
        tls_port: Option<u16>,
    },
}

impl AgentDoors {
    /// The address for an agent that a visitor starts where they are: without
    /// another door the site's own, which passes MQTT on over WebSocket.
    pub(crate) fn url(&self, peer: Peer, headers: &HeaderMap) -> String {
        match self {
            Self::Own { here, .. } if peer.local => here.clone(),
            Self::Own { tls_port: Some(port), .. } => {
                let origin = site(headers);
                let host = origin.split_once("://").map_or(&*origin, |(_, place)| place);
                format!("mqtts://{}:{port}", without_port(host))
            }
            Self::Other(url) | Self::Own { network: Some(url), .. } => url.clone(),
            Self::Own { .. } => site(headers),
        }
    }

    /// The address for agents on other machines, where the visitor's own is this
    /// one's; `NAME` stands for the server's name.
    pub(crate) fn elsewhere(&self, peer: Peer) -> Option<String> {
        match self {
            Self::Own { .. } if !peer.local => None,
            Self::Own { tls_port: Some(port), .. } => Some(format!("mqtts://NAME:{port}")),
            Self::Own { network: Some(url), .. } => Some(url.clone()),
            Self::Own { port: Some(port), .. } => Some(format!("mqtt://NAME:{port}")),
            _ => None,
        }
    }

    /// Whether an agent needs no token there, as this machine is trusted.
    pub(crate) fn is_open_to(&self, peer: Peer) -> bool {
        peer.local && matches!(self, Self::Own { open: true, .. })
    }

    /// Whether another program decides who may publish.
    pub(crate) fn is_other(&self) -> bool {
        matches!(self, Self::Other(_))
    }
}

/// Where the visitor reached the site.
fn site(headers: &HeaderMap) -> String {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(header::ORIGIN).filter(|origin| origin.starts_with("http"));
    let host = || Some(format!("http://{}", text(header::HOST)?));
    origin.map(str::to_owned).or_else(host).unwrap_or_default()
}

/// A host without its port; the colons of an IPv6 address stand in brackets.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(local: bool) -> Peer {
        Peer { address: "127.0.0.1:9".parse().unwrap(), secure: false, local }
    }

    fn asked_at(origin: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::ORIGIN, origin.parse().unwrap())])
    }

    fn own(network: Option<&str>, tls_port: Option<u16>) -> AgentDoors {
        let network = network.map(str::to_owned);
        let here = "mqtt://127.0.0.1:1883".into();
        AgentDoors::Own { here, open: true, network, port: None, tls_port }
    }

    #[test]
    fn an_agent_is_sent_where_it_reaches_the_broker() {
        let (here, away) = (peer(true), peer(false));
        let site = asked_at("https://traffic.example");
        assert_eq!(own(None, None).url(here, &site), "mqtt://127.0.0.1:1883");
        assert_eq!(own(None, None).url(away, &site), "https://traffic.example");
        assert_eq!(own(None, Some(8883)).url(away, &site), "mqtts://traffic.example:8883");
        let with_port = asked_at("http://[::1]:3000");
        assert_eq!(own(None, Some(8883)).url(away, &with_port), "mqtts://[::1]:8883");
        let lan = own(Some("mqtt://10.0.0.1:1883"), None);
        assert_eq!(lan.url(away, &site), "mqtt://10.0.0.1:1883");
        let other = AgentDoors::Other("mqtt://mosquitto:1883".into());
        assert_eq!(other.url(here, &site), "mqtt://mosquitto:1883");
        assert!(own(None, None).is_open_to(here) && !own(None, None).is_open_to(away));
        assert!(!other.is_open_to(here));
    }

    #[test]
    fn whoever_sits_at_the_server_learns_where_other_machines_reach_it() {
        let (here, away) = (peer(true), peer(false));
        assert_eq!(own(None, None).elsewhere(here), None);
        let told = |doors: AgentDoors| doors.elsewhere(here).unwrap_or_default();
        assert_eq!(told(own(None, Some(8883))), "mqtts://NAME:8883");
        assert_eq!(told(own(Some("mqtt://10.0.0.1:1883"), None)), "mqtt://10.0.0.1:1883");
        // On all addresses it is not trusted, so that even agents here need a token.
        let everywhere = AgentDoors::Own {
            here: "mqtt://127.0.0.1:1883".into(),
            open: false,
            network: None,
            port: Some(1883),
            tls_port: None,
        };
        assert!(!everywhere.is_open_to(here));
        assert_eq!(everywhere.elsewhere(away), None);
        assert_eq!(told(everywhere), "mqtt://NAME:1883");
    }
}
