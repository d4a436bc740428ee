//! Roles and counters, on trees that look like the system's own.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::*;
use crate::{select::Selection, source::Role};

/// A made-up `/sys` and `/proc`.
struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(tree.net()).unwrap();
        fs::create_dir_all(tree.0.path().join("proc/net")).unwrap();
        tree
    }

    fn net(&self) -> PathBuf {
        self.0.path().join("sys/class/net")
    }

    /// An interface with files and folders (those that end in `/`).
    fn add(&self, name: &str, index: u32, files: &[(&str, &str)]) -> &Self {
        let dir = self.net().join(name);
        fs::create_dir_all(&dir).unwrap();
        let index = index.to_string();
        for (file, text) in
            [("ifindex", &*index), ("iflink", &index), ("type", "1"), ("operstate", "up")]
                .iter()
                .chain(files)
        {
            if file.ends_with('/') {
                fs::create_dir_all(dir.join(file)).unwrap();
            } else {
                fs::write(dir.join(file), format!("{text}\n")).unwrap();
            }
        }
        self
    }

    fn link(&self, from: &str, to: &str) -> &Self {
        let from = self.net().join(from);
        fs::create_dir_all(from.parent().unwrap()).unwrap();
        symlink(to, from).unwrap();
        self
    }

    fn proc(&self, file: &str, text: &str) -> &Self {
        fs::write(self.0.path().join("proc/net").join(file), text).unwrap();
        self
    }

    fn source(&self) -> Linux {
        Linux::at(&self.0.path().join("sys"), &self.0.path().join("proc"))
    }

    fn role(&self, name: &str) -> Role {
        let links = self.source().links().unwrap();
        links.iter().find(|link| &*link.name == name).unwrap().role
    }
}

fn card(tree: &Tree, name: &str, index: u32) {
    tree.add(name, index, &[("device/", ""), ("speed", "1000")]);
}

#[test]
fn the_systems_own_description_tells_the_roles() {
    let tree = Tree::new();
    card(&tree, "eth0", 2);
    card(&tree, "wlan0", 3);
    tree.add("wlan0", 3, &[("uevent", "DEVTYPE=wlan"), ("speed", "-1")])
        .add("lo", 1, &[("type", "772")])
        .add("br0", 4, &[("bridge/", "")])
        .add("bond0", 5, &[("bonding/", ""), ("speed", "2000")])
        .add("eth0.7", 6, &[("uevent", "DEVTYPE=vlan"), ("iflink", "2"), ("lower_eth0", "")])
        .add("veth1", 7, &[("iflink", "9")])
        .add("tun0", 8, &[("type", "65534"), ("tun_flags", "0x1"), ("speed", "10")])
        .add("tailscale0", 9, &[("type", "65534"), ("tun_flags", "0x5001"), ("speed", "10")])
        .add("wg0", 10, &[("type", "65534"), ("uevent", "DEVTYPE=wireguard")])
        .add("macvlan0", 11, &[("iflink", "2"), ("lower_eth0", "")])
        .add("gre1", 12, &[("type", "778"), ("iflink", "0")])
        .add("dummy0", 13, &[])
        .add("ppp0", 14, &[("type", "512"), ("uevent", "DEVTYPE=ppp")])
        .add("lan1", 15, &[("device/", ""), ("iflink", "2"), ("uevent", "DEVTYPE=dsa")]);
    for (name, role) in [
        ("eth0", Role::Physical),
        ("wlan0", Role::Physical),
        ("lo", Role::Loopback),
        ("br0", Role::Bridge),
        ("bond0", Role::Bond),
        ("eth0.7", Role::Vlan),
        ("veth1", Role::Veth),
        ("tun0", Role::Tunnel),
        ("tailscale0", Role::Tunnel),
        ("wg0", Role::Tunnel),
        ("macvlan0", Role::Stacked),
        ("gre1", Role::Tunnel),
        ("dummy0", Role::Virtual),
        ("ppp0", Role::Tunnel),
        ("lan1", Role::SwitchPort),
    ] {
        assert_eq!(tree.role(name), role, "{name}");
    }
}

#[test]
fn a_bonded_card_in_a_bridge_is_counted_once() {
    let tree = Tree::new();
    card(&tree, "eth0", 2);
    card(&tree, "eth1", 3);
    tree.link("eth0/master", "../bond0")
        .link("eth1/master", "../bond0")
        .add("bond0", 4, &[("bonding/", "")])
        .link("bond0/master", "../vmbr0")
        .add("vmbr0", 5, &[("bridge/", "")])
        .add("vmbr0.10", 6, &[("uevent", "DEVTYPE=vlan"), ("iflink", "5")]);
    let links = tree.source().links().unwrap();
    let chosen = Selection::Auto.choose(&links);
    let counted: Vec<&str> = links
        .iter()
        .zip(&chosen.choices)
        .filter(|(_, choice)| choice.counted)
        .map(|(link, _)| &*link.name)
        .collect();
    assert_eq!(counted, ["eth0", "eth1"]);
    assert_eq!(crate::select::capacity(None, &links, &chosen), Some(250_000_000));
    // Of a pair of which one stands by, the bond tells what it can carry.
    tree.add("bond0", 4, &[("speed", "1000")]);
    let links = tree.source().links().unwrap();
    assert_eq!(crate::select::capacity(None, &links, &chosen), Some(125_000_000));
    // A bridge is a master as well, and no bond.
    assert_eq!(links[2].bond, None);
}

#[test]
fn a_fail_over_pair_of_a_virtual_machine_is_counted_once() {
    // Hyper-V: the fast card is a member of the synthetic one.
    let tree = Tree::new();
    card(&tree, "eth0", 2);
    card(&tree, "enP1s1", 3);
    tree.link("enP1s1/master", "../eth0").add("eth0", 2, &[("lower_enP1s1", "")]);
    assert_eq!(tree.role("eth0"), Role::Physical);
    assert_eq!(tree.role("enP1s1"), Role::Standby);
}

#[test]
fn a_bus_and_a_card_that_listens_are_no_uplinks() {
    let tree = Tree::new();
    for (kind, role) in [
        ("280", Role::Virtual),
        ("803", Role::Virtual),
        // InfiniBand, and a modem that speaks bare IP.
        ("32", Role::Physical),
        ("65534", Role::Physical),
    ] {
        tree.add("card0", 2, &[("type", kind), ("device/", "")]);
        assert_eq!(tree.role("card0"), role, "{kind}");
    }
}

#[test]
fn speeds_that_are_made_up_or_unknown_are_not_believed() {
    let tree = Tree::new();
    card(&tree, "eth0", 2);
    tree.add("eth1", 3, &[("device/", ""), ("speed", "-1")])
        .add("tun0", 4, &[("tun_flags", "0x1"), ("speed", "10")])
        .add("veth0", 5, &[("iflink", "9"), ("speed", "10000")]);
    let speeds: Vec<_> =
        tree.source().links().unwrap().into_iter().map(|link| link.speed).collect();
    assert_eq!(speeds, [Some(125_000_000), None, None, None]);
}

#[test]
fn counters_are_read_with_their_index_and_what_sysfs_hides_is_left_out() {
    let tree = Tree::new();
    card(&tree, "eth0", 2);
    card(&tree, "eth0:1", 3);
    tree.proc(
        "dev",
        "Inter-|   Receive  |  Transmit\n face |bytes    packets\n\
         eth0:18446744073709551615 2 0 0 0 0 0 0 7 1 0 0 0 0 0 0\n\
         eth0:1: 5 2 0 0 0 0 0 0 6 1 0 0 0 0 0 0\n\
         other: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n broken: 1 2\n",
    );
    let mut source = tree.source();
    let readings = source.read().unwrap();
    assert_eq!(
        readings,
        [
            Reading { name: "eth0".into(), index: 2, up: 7, down: u64::MAX },
            Reading { name: "eth0:1".into(), index: 3, up: 6, down: 5 },
        ]
    );
    // Another interface of the same name has another node and index.
    fs::rename(tree.net().join("eth0"), tree.0.path().join("old")).unwrap();
    card(&tree, "eth0", 9);
    assert_eq!(source.read().unwrap()[0].index, 9);
}

#[test]
fn the_default_route_is_found_for_both_families() {
    let tree = Tree::new();
    card(&tree, "eth0", 2);
    tree.add("wg0", 3, &[]).add("eth9", 4, &[]);
    tree.proc(
        "route",
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n\
         eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
         eth9\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n",
    )
    .proc(
        "ipv6_route",
        "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe80 400 1 0 3 wg0\n\
         00000000000000000000000000000000 00 00000000000000000000000000000000 00 0 ffffffff 1 0 200200 lo\n",
    );
    let links = tree.source().links().unwrap();
    let routed: Vec<&str> =
        links.iter().filter(|link| link.default_route).map(|link| &*link.name).collect();
    assert_eq!(routed, ["eth0", "wg0"]);
}

#[test]
fn a_table_of_a_great_many_routes_gives_each_way_out_once() {
    let tree = Tree::new();
    card(&tree, "eth0", 2);
    let row = |network: u32, mask| {
        format!("eth0\t{network:08X}\t010200C0\t0003\t0\t0\t0\t{mask}\t0\t0\t0\n")
    };
    let rows: String = (1..5000).map(|network| row(network, "00FFFFFF")).collect();
    let way_out = row(0, "00000000");
    // The last line without an end, and one that is no text.
    let table = format!("Iface\tDestination\n{way_out}{rows}{way_out}{}", way_out.trim_end());
    let table = [&b"\xff\n"[..], table.as_bytes()].concat();
    fs::write(tree.0.path().join("proc/net/route"), table).unwrap();
    assert_eq!(default_routes(&tree.0.path().join("proc")), ["eth0".into()]);
}

#[test]
fn an_unreadable_tree_is_named_in_the_error() {
    let error = Linux::at(Path::new("/nonexistent"), Path::new("/proc")).read().unwrap_err();
    assert!(error.to_string().contains("/nonexistent/class/net"), "{error}");
}

#[test]
fn this_machines_counters_are_read() {
    let mut source = Linux::new();
    let readings = source.read().unwrap();
    let lo = readings.iter().find(|reading| &*reading.name == "lo").unwrap();
    assert_eq!(lo.index, 1);
    assert!(source.links().unwrap().iter().any(|link| link.role == Role::Loopback));
}
