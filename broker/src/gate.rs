//! Who comes in: the questions that the broker asks the registry of services.

use std::{fmt, net::IpAddr};

use komandorr_wire::ServiceId;

/// What carries the bytes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Plain TCP.
    Tcp,
    /// TLS.
    Tls,
    /// WebSocket on the site's port.
    WebSocket,
}

impl Transport {
    /// The word for it in figures and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::WebSocket => "websocket",
        }
    }
}

/// The listener that a connection came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Door {
    /// What carries the bytes.
    pub transport: Transport,
    /// Whether it trusts whoever reaches it (a loopback listener does, unless
    /// the settings say otherwise). The broker only passes it on.
    pub trusted: bool,
}

/// Somebody who has been let in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// Trusted loopback: publishes for every service, subscribes to all.
    Local,
    /// An agent: publishes its own service's topics.
    Service(ServiceId),
    /// A reader's credential: subscribes to all services or to one.
    Reader {
        /// The credential's name.
        name: String,
        /// The only service that it may see, when it is bound to one.
        service: Option<ServiceId>,
    },
    /// The operator: subscribes to all.
    Operator,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Service(id) => write!(f, "service {id}"),
            Self::Reader { name, .. } => write!(f, "reader {name}"),
            Self::Operator => f.write_str("operator"),
        }
    }
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// No user name or password although this door asks for them.
    CredentialsRequired,
    /// Unknown user name or wrong password: slows this address's next wrong
    /// one down.
    WrongCredentials,
    /// It cannot be decided now: the client may try again.
    Unavailable,
}

/// Decides who comes in and what is known. Implemented over the registry.
///
/// Both are called from async tasks: they answer from memory, at once.
pub trait Gatekeeper: Send + Sync {
    /// Who is it?
    fn authenticate(
        &self,
        door: Door,
        peer: IpAddr,
        username: Option<&str>,
        password: Option<&[u8]>,
    ) -> Result<Identity, Denied>;

    /// May samples of this service be stored: is it registered? Where anonymous
    /// publishing is allowed ([`Identity::Local`]) this registers it.
    ///
    /// Asked for every message to a traffic topic, and for a
    /// [`Identity::Service`]'s status.
    fn admit(&self, identity: &Identity, service: &ServiceId) -> bool;
}
