//! What an interface is, from the system's own description in sysfs.

use std::{fs, path::Path};

use super::number;
use crate::source::{Link, Role};

/// Hardware types of `linux/if_arp.h` (file `type`).
mod arp {
    pub(super) const ETHER: u32 = 1;
    pub(super) const PPP: u32 = 512;
    pub(super) const TUNNELS: [u32; 5] = [768, 769, 776, 778, 823];
    pub(super) const LOOPBACK: u32 = 772;
    pub(super) const NONE: u32 = 65534;
    /// A vehicle's or machine's bus (CAN), and radio cards that listen to the
    /// packets of others: 802.11 as it is, with Prism's head, with radiotap's.
    pub(super) const NO_UPLINK: [u32; 4] = [280, 801, 802, 803];
}

/// Describes one interface of the tree `net` (`/sys/class/net`).
pub(super) fn describe(net: &Path, name: &str, index: u32, default_route: bool) -> Link {
    let node = Node::read(net, name, index);
    let (role, detail) = node.role();
    let state = fs::read_to_string(node.file("operstate")).unwrap_or_default();
    let up = match state.trim() {
        "up" => true,
        // Tunnels and many virtual links never say more than "unknown".
        "unknown" => number::<u32>(&node.file("carrier")).is_some_and(|c| c == 1),
        _ => false,
    };
    // tun and veth report a made-up speed (10 Mbit/s, 10 Gbit/s).
    let real = matches!(role, Role::Physical | Role::Bond | Role::SwitchPort | Role::Standby);
    let megabits = number::<i64>(&node.file("speed")).filter(|&n| real && n > 0);
    let speed = megabits.and_then(|n| u64::try_from(n).ok()).map(|n| n.saturating_mul(125_000));
    let (bond, detail) = (node.bond(), detail.into());
    Link { name: name.into(), index, role, detail, bond, speed, up, default_route }
}

/// The facts about one interface that decide its role.
struct Node<'a> {
    net: &'a Path,
    name: &'a str,
    kind: Option<u32>,
    /// `DEVTYPE` of its uevent: `vlan`, `wireguard`, `wlan`, ...
    devtype: String,
    /// The name of the interface that it is a member of.
    master: Option<String>,
    /// The interfaces that it stands on.
    lower: Vec<String>,
    has_device: bool,
    linked_elsewhere: bool,
}

impl<'a> Node<'a> {
    fn read(net: &'a Path, name: &'a str, index: u32) -> Self {
        let dir = net.join(name);
        let uevent = fs::read_to_string(dir.join("uevent")).unwrap_or_default();
        let devtype = uevent.lines().find_map(|line| line.strip_prefix("DEVTYPE="));
        let lower = fs::read_dir(&dir).into_iter().flatten().flatten();
        let lower = lower
            .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("lower_").map(Into::into));
        let master = fs::read_link(dir.join("master")).ok();
        let master = master.and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
        let iflink = number::<u32>(&dir.join("iflink"));
        Self {
            net,
            name,
            kind: number(&dir.join("type")),
            devtype: devtype.unwrap_or_default().to_owned(),
            master,
            lower: lower.collect(),
            has_device: dir.join("device").exists(),
            linked_elsewhere: iflink.is_some_and(|link| link != index),
        }
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.net.join(self.name).join(name)
    }

    /// The master, where that is a bond.
    fn bond(&self) -> Option<Box<str>> {
        let master = self.master.as_deref()?;
        self.net.join(master).join("bonding").is_dir().then(|| master.into())
    }

    fn role(&self) -> (Role, String) {
        let by_kind = match (self.devtype.as_str(), self.kind) {
            (_, Some(arp::LOOPBACK)) => Some(Role::Loopback),
            ("bridge", _) => Some(Role::Bridge),
            ("bond", _) => Some(Role::Bond),
            ("vlan", _) => Some(Role::Vlan),
            ("dsa", _) => Some(Role::SwitchPort),
            ("wireguard" | "ppp" | "gre" | "ipgre" | "geneve" | "vxlan" | "gtp", _) => {
                Some(Role::Tunnel)
            }
            ("macvlan" | "macvtap" | "ipvlan" | "ipvtap" | "team" | "macsec", _) => {
                Some(Role::Stacked)
            }
            (_, Some(kind)) if arp::TUNNELS.contains(&kind) => Some(Role::Tunnel),
            _ => None,
        };
        let role = by_kind.or_else(|| self.role_by_files()).unwrap_or_else(|| self.plain_role());
        let mut detail = match role {
            _ if !self.lower.is_empty() => format!("on {}", self.lower.join(", ")),
            Role::Physical => self.driver(),
            _ => self.devtype.clone(),
        };
        if let Some(master) = &self.master {
            let comma = if detail.is_empty() { "" } else { ", " };
            detail = format!("{detail}{comma}member of {master}");
        }
        (role, detail)
    }

    fn role_by_files(&self) -> Option<Role> {
        if self.file("bridge").is_dir() {
            return Some(Role::Bridge);
        }
        if self.file("bonding").is_dir() {
            return Some(Role::Bond);
        }
        if self.file("tun_flags").exists() {
            return Some(Role::Tunnel);
        }
        None
    }

    /// What is neither of a special kind nor has files of its own.
    fn plain_role(&self) -> Role {
        if self.has_device {
            return self.role_of_hardware();
        }
        if !self.lower.is_empty() {
            return Role::Stacked;
        }
        match self.kind {
            // WireGuard of old kernels, Tailscale and other point-to-point links.
            Some(arp::NONE | arp::PPP) => Role::Tunnel,
            Some(arp::ETHER) if self.linked_elsewhere || self.name.starts_with("veth") => {
                Role::Veth
            }
            _ => Role::Virtual,
        }
    }

    fn role_of_hardware(&self) -> Role {
        // The host's end of a Xen guest's card, or a port of a test driver.
        let bus = fs::read_link(self.file("device/subsystem")).unwrap_or_default();
        let no_uplink = self.kind.is_some_and(|kind| arp::NO_UPLINK.contains(&kind));
        if bus.ends_with("xen-backend") || bus.ends_with("netdevsim") || no_uplink {
            return Role::Virtual;
        }
        // A port of a switch chip or a virtual port stands on the real one.
        if self.linked_elsewhere || !self.lower.is_empty() && self.master.is_none() {
            return if self.lower.is_empty() { Role::SwitchPort } else { self.over_hardware() };
        }
        // A virtual machine's fail-over pair: the master is a card as well.
        let paired = self.master.as_ref().is_some_and(|master| {
            let master = self.net.join(master);
            master.join("device").exists() && !master.join("bonding").is_dir()
        });
        if paired { Role::Standby } else { Role::Physical }
    }

    /// A card that stands on others: the upper half of a fail-over pair is
    /// what counts when the lower ones are its members.
    fn over_hardware(&self) -> Role {
        let members = self.lower.iter().all(|lower| {
            let master = fs::read_link(self.net.join(lower).join("master")).ok();
            master.is_some_and(|path| path.ends_with(self.name))
        });
        if members { Role::Physical } else { Role::Stacked }
    }

    fn driver(&self) -> String {
        let path = fs::read_link(self.file("device/driver")).ok();
        let driver = path.and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
        driver.unwrap_or_else(|| self.devtype.clone())
    }
}
