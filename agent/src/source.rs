//! Where readings come from: the system's counters, or a synthetic source.

#[cfg(target_os = "linux")]
pub mod linux;
mod load;
pub mod portable;
mod synthetic;

use std::{fmt, io};

pub use load::{Load, LoadMeter};
pub use synthetic::Synthetic;

/// What an interface is, which decides whether `auto` counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// A network card, real or of a hypervisor: bytes leave the host here.
    Physical,
    /// The host talking to itself.
    Loopback,
    /// Joins several interfaces; its bytes also pass its members.
    Bridge,
    /// Bundles several links into one; its bytes also pass its members.
    Bond,
    /// A network within a network; its bytes also pass the link below.
    Vlan,
    /// Any other interface on top of another one (macvlan, team, vxlan ..).
    Stacked,
    /// A virtual cable, usually to a container.
    Veth,
    /// A tunnel (tun, tap, `WireGuard`, Tailscale, PPP, GRE ..); its packets
    /// leave through a physical link, wrapped.
    Tunnel,
    /// A port of a switch whose traffic passes the host's own port.
    SwitchPort,
    /// Half of a fail-over pair; its bytes also pass the other half.
    Standby,
    /// Anything that is no network card: dummy, ifb, a hypervisor's guest port,
    /// a CAN bus, a radio card that only listens.
    Virtual,
}

impl Role {
    /// The word that travels in samples.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Physical => "physical",
            Self::Loopback => "loopback",
            Self::Bridge => "bridge",
            Self::Bond => "bond",
            Self::Vlan => "vlan",
            Self::Stacked => "stacked",
            Self::Veth => "veth",
            Self::Tunnel => "tunnel",
            Self::SwitchPort => "port",
            Self::Standby => "standby",
            Self::Virtual => "virtual",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the system says of an interface; changes rarely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The system's name for it.
    pub name: Box<str>,
    /// The system's number for it: a new interface of the same name has another.
    pub index: u32,
    /// What it is.
    pub role: Role,
    /// How that was found, or what is peculiar: `master br0`, `on eth0`.
    pub detail: Box<str>,
    /// The bond that it is a member of.
    pub bond: Option<Box<str>>,
    /// Speed of the link per direction, bytes per second; `None`: unknown.
    pub speed: Option<u64>,
    /// Whether it is up. A link that is down has no speed.
    pub up: bool,
    /// Whether a default route leaves through it.
    pub default_route: bool,
}

/// The raw counters of one interface at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The system's name for it.
    pub name: Box<str>,
    /// The system's number for it.
    pub index: u32,
    /// Bytes sent, as the system counts them.
    pub up: u64,
    /// Bytes received, as the system counts them.
    pub down: u64,
}

/// A source of interface counters.
///
/// Called from the agent's loop, so it must answer within milliseconds.
pub trait Source: Send {
    /// Every interface with its counters, read now.
    fn read(&mut self) -> io::Result<Vec<Reading>>;

    /// What those interfaces are. Asked at the start, when an interface came
    /// or went, and once in a while.
    fn links(&mut self) -> io::Result<Vec<Link>>;

    /// Load of the whole host since it was last asked.
    fn load(&mut self) -> Load {
        Load::default()
    }

    /// Identity of the boot since which the counters count.
    fn boot(&self) -> Box<str> {
        crate::clock::boot_id(std::path::Path::new("/proc"))
    }
}

/// The counters of the machine this runs on.
pub fn system() -> Box<dyn Source> {
    #[cfg(target_os = "linux")]
    return Box::new(linux::Linux::new());
    #[cfg(not(target_os = "linux"))]
    return Box::new(portable::Portable::new());
}
