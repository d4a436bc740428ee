//! Systems other than Linux: counters through sysinfo, roles by name.

use std::{fmt, io};

use sysinfo::Networks;

use super::{Link, Load, LoadMeter, Reading, Role, Source};

/// Names, by their beginning, of interfaces that are no uplink on macOS, the
/// BSDs and Windows. What is not listed counts as a network card.
const NOT_UPLINKS: [(&str, Role); 22] = [
    ("lo", Role::Loopback),
    ("Loopback", Role::Loopback),
    ("bridge", Role::Bridge),
    ("vEthernet", Role::Bridge),
    ("bond", Role::Bond),
    ("lagg", Role::Bond),
    ("vlan", Role::Vlan),
    ("utun", Role::Tunnel),
    ("tun", Role::Tunnel),
    ("tap", Role::Tunnel),
    ("gif", Role::Tunnel),
    ("stf", Role::Tunnel),
    ("ppp", Role::Tunnel),
    ("ipsec", Role::Tunnel),
    ("wg", Role::Tunnel),
    ("Tailscale", Role::Tunnel),
    ("Teredo", Role::Tunnel),
    ("epair", Role::Veth),
    ("vmenet", Role::Virtual),
    ("awdl", Role::Virtual),
    ("llw", Role::Virtual),
    ("anpi", Role::Virtual),
];

/// Interfaces as sysinfo sees them.
pub struct Portable {
    /// Absent where sysinfo does not know the system.
    networks: Option<Networks>,
    load: LoadMeter,
}

impl fmt::Debug for Portable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Portable").finish_non_exhaustive()
    }
}

impl Default for Portable {
    fn default() -> Self {
        Self::new()
    }
}

impl Portable {
    /// This machine's interfaces.
    pub fn new() -> Self {
        Self { networks: Networks::new().ok(), load: LoadMeter::new() }
    }

    fn refresh(&mut self) -> io::Result<&Networks> {
        let unknown = || io::Error::other("this system's interface counters are not known");
        let networks = self.networks.as_mut().ok_or_else(unknown)?;
        networks.refresh(true);
        Ok(networks)
    }
}

impl Source for Portable {
    fn read(&mut self) -> io::Result<Vec<Reading>> {
        let networks = self.refresh()?;
        let readings = networks.iter().map(|(name, data)| Reading {
            name: name.to_string_lossy().into(),
            index: 0,
            up: data.total_transmitted(),
            down: data.total_received(),
        });
        Ok(readings.collect())
    }

    fn links(&mut self) -> io::Result<Vec<Link>> {
        let names = self.refresh()?.keys();
        let mut links: Vec<Link> = names.map(|name| link(&name.to_string_lossy())).collect();
        links.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(links)
    }

    fn load(&mut self) -> Load {
        self.load.measure()
    }
}

fn link(name: &str) -> Link {
    let listed = NOT_UPLINKS.iter().find(|(prefix, _)| name.starts_with(prefix));
    Link {
        name: name.into(),
        index: 0,
        role: listed.map_or(Role::Physical, |(_, role)| *role),
        detail: "by its name".into(),
        bond: None,
        speed: None,
        up: true,
        default_route: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_uplinks_from_the_rest() {
        for name in ["en0", "Ethernet", "Wi-Fi", "igb0"] {
            assert_eq!(link(name).role, Role::Physical, "{name}");
        }
        assert_eq!(link("utun3").role, Role::Tunnel);
        assert_eq!(link("lo0").role, Role::Loopback);
    }

    #[test]
    fn sysinfo_reads_this_machines_interfaces() {
        let mut source = Portable::new();
        let names: Vec<_> = source.links().unwrap().into_iter().map(|l| l.name).collect();
        let readings = source.read().unwrap();
        assert_eq!(readings.len(), names.len());
        assert!(readings.iter().all(|r| names.contains(&r.name)));
    }
}
