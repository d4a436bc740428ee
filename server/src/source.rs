//! Where samples come from: the embedded broker, or another one whose client
//! the server is.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use komandorr_broker::{Broker, Door, Tls, Transport};
use komandorr_collector::{
    BrokerUrl, Herald, Intake, Registry,
    registry::{Credential, Revoked},
};
use komandorr_web::{AgentDoors, Family, MqttDoor};
use komandorr_wire::{Delivery, ServiceId};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::sync::CancellationToken;

use crate::{
    access::{self, RegistryGate},
    broker_figures,
    listen::bind,
    mqtt_door::WebSocketDoor,
    serve::{Roles, role},
    settings::{MqttBroker, Settings},
};

/// The way to MQTT before anything is started.
#[derive(Debug)]
pub(crate) enum Mqtt {
    /// The bound doors of the embedded broker.
    Embedded { tcp: TcpListener, tls: Option<(TcpListener, Tls)> },
    /// Another broker; nothing listens here.
    Other(BrokerUrl),
}

impl Mqtt {
    /// Binds the doors that the settings ask for.
    pub(crate) async fn bind(settings: &Settings) -> anyhow::Result<Self> {
        if let MqttBroker::Other(url) = &settings.mqtt.broker {
            return Ok(Self::Other(url.clone()));
        }
        let tls = match settings.tls()? {
            None => None,
            Some((address, tls)) => Some((bind(address, "mqtt.tls_listen").await?, tls)),
        };
        Ok(Self::Embedded { tcp: bind(settings.mqtt.listen, "mqtt.listen").await?, tls })
    }
}

/// Ends the connections that a credential opened.
fn dismiss(broker: &Broker, credential: &Credential) {
    let ended = broker.disconnect(|identity| access::is_of(identity, credential));
    if ended > 0 {
        tracing::info!(
            name = credential.name,
            ended,
            "a credential was taken back: its MQTT connections end"
        );
    }
}

/// What feeds the collector, started.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Embedded {
        broker: Broker,
        address: SocketAddr,
        /// Whether who reaches that address needs no credential.
        trusted: bool,
        tls: Option<SocketAddr>,
    },
    Other {
        intake: Intake,
        herald: Herald,
    },
}

impl Source {
    /// Starts what feeds the collector, in roles that end with `stop`.
    pub(crate) fn start(
        settings: &Settings,
        mqtt: Mqtt,
        registry: &Arc<Registry>,
        deliveries: mpsc::Sender<Delivery>,
        stop: CancellationToken,
        roles: &mut Roles,
    ) -> anyhow::Result<Self> {
        match mqtt {
            Mqtt::Embedded { tcp, tls } => {
                let gate = Arc::new(RegistryGate(Arc::clone(registry)));
                let broker = Broker::start(settings.broker(), gate, deliveries, stop)?;
                let doorman = broker.clone();
                registry.when_revoked(move |revoked| match revoked {
                    Revoked::Credential(credential) => dismiss(&doorman, credential),
                    Revoked::Service(service) => doorman.clear_status(service),
                });
                Self::open_doors(settings, broker, tcp, tls, roles)
            }
            Mqtt::Other(url) => {
                let intake = Intake::new(url, &settings.storage.path)?;
                let (client, herald) = (intake.clone(), intake.herald());
                if settings.home_assistant.prefix().is_some() {
                    let (herald, stop) = (herald.clone(), stop.clone());
                    roles.spawn(role("notices", async move {
                        herald.run(stop).await;
                        Ok(())
                    }));
                }
                roles.spawn(role("broker's client", async move {
                    client.run(deliveries, stop).await;
                    Ok(())
                }));
                Ok(Self::Other { intake, herald })
            }
        }
    }

    fn open_doors(
        settings: &Settings,
        broker: Broker,
        tcp: TcpListener,
        tls: Option<(TcpListener, Tls)>,
        roles: &mut Roles,
    ) -> anyhow::Result<Self> {
        let door = |address| Door { transport: Transport::Tcp, trusted: settings.trusts(address) };
        let address = tcp.local_addr()?;
        let (serving, tcp_door) = (broker.clone(), door(address));
        roles.spawn(role("broker", async move {
            serving.serve_tcp(tcp, tcp_door).await;
            Ok(())
        }));
        let mut tls_address = None;
        if let Some((listener, tls)) = tls {
            let address = listener.local_addr()?;
            tls_address = Some(address);
            let (serving, door) = (broker.clone(), door(address));
            roles.spawn(role("TLS listener", async move {
                serving.serve_tls(listener, door, tls).await;
                Ok(())
            }));
        }
        let trusted = tcp_door.trusted;
        Ok(Self::Embedded { broker, address, trusted, tls: tls_address })
    }

    /// Host and port of the broker.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Embedded { address, .. } => address.to_string(),
            Self::Other { intake, .. } => intake.url().place(),
        }
    }

    /// Where agents reach the broker.
    pub(crate) fn agent_doors(&self) -> AgentDoors {
        let (address, open, tls) = match self {
            Self::Other { intake, .. } => return AgentDoors::Other(intake.url().to_string()),
            Self::Embedded { address, trusted, tls, .. } => (*address, *trusted, *tls),
        };
        let url = |address: SocketAddr| format!("mqtt://{address}");
        let ip = address.ip();
        let here = match ip {
            _ if !ip.is_unspecified() => address,
            IpAddr::V4(_) => (Ipv4Addr::LOCALHOST, address.port()).into(),
            IpAddr::V6(_) => (Ipv6Addr::LOCALHOST, address.port()).into(),
        };
        let network = (!ip.is_unspecified() && !ip.is_loopback()).then(|| url(address));
        let tls_port = tls.filter(|tls| !tls.ip().is_loopback()).map(|tls| tls.port());
        let port = ip.is_unspecified().then(|| address.port());
        AgentDoors::Own { here: url(here), open, network, port, tls_port }
    }

    /// The broker's door on the site's port, where the broker is ours.
    pub(crate) fn door(&self, settings: &Settings) -> Option<Arc<dyn MqttDoor>> {
        match self {
            Self::Embedded { broker, .. } => {
                let most = settings.broker().packet_size;
                let longest_packet = usize::try_from(most).unwrap_or(usize::MAX);
                Some(Arc::new(WebSocketDoor { broker: broker.clone(), longest_packet }))
            }
            Self::Other { .. } => None,
        }
    }

    /// Why no samples come in.
    pub(crate) fn problem(&self) -> Option<String> {
        match self {
            Self::Embedded { broker, .. } => {
                (!broker.is_healthy()).then(|| "it does not pass messages on".to_owned())
            }
            Self::Other { intake, .. } => intake.problem(),
        }
    }

    /// The broker's figures, where the broker is ours.
    pub(crate) fn figures(&self) -> Vec<Family> {
        match self {
            Self::Embedded { broker, .. } => broker_figures::of(broker),
            Self::Other { .. } => Vec::new(),
        }
    }

    /// Puts these retained messages of the server itself in the place of the
    /// ones before.
    pub(crate) fn set_notices(&self, notices: BTreeMap<String, Bytes>) {
        match self {
            Self::Embedded { broker, .. } => broker.set_notices(notices),
            Self::Other { herald, .. } => herald.set(&notices),
        }
    }

    /// The services whose status is known at the broker.
    pub(crate) fn with_status(&self) -> Vec<ServiceId> {
        match self {
            Self::Embedded { broker, .. } => broker.with_status(),
            Self::Other { herald, .. } => herald.with_status(),
        }
    }

    /// Takes nothing more. Another broker keeps what comes from now on,
    /// because nobody acknowledges it.
    pub(crate) fn drain(&self) {
        if let Self::Embedded { broker, .. } = self {
            broker.drain();
        }
    }

    /// Waits until the connections have ended; those of a client end with its
    /// role.
    pub(crate) async fn closed(&self) {
        if let Self::Embedded { broker, .. } = self {
            broker.closed().await;
        }
    }
}
