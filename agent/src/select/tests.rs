//! What is chosen of a host's interfaces, and what is said about it.

use super::*;

fn link(name: &str, role: Role, speed: Option<u64>, default_route: bool) -> Link {
    let (name, detail) = (name.into(), "".into());
    Link { name, index: 1, role, detail, bond: None, speed, up: true, default_route }
}

fn counted(selection: &str, links: &[Link]) -> Vec<String> {
    let chosen = Selection::parse(selection).choose(links);
    let pairs = links.iter().zip(chosen.choices).filter(|(_, choice)| choice.counted);
    pairs.map(|(link, _)| link.name.to_string()).collect()
}

#[test]
fn auto_sums_the_physical_uplinks_and_nothing_else() {
    let links = [
        link("lo", Role::Loopback, None, false),
        link("eth0", Role::Physical, Some(125_000_000), false),
        link("eth1", Role::Physical, Some(125_000_000), false),
        link("bond0", Role::Bond, Some(250_000_000), true),
        link("docker0", Role::Bridge, None, false),
        link("veth1", Role::Veth, None, false),
        link("wg0", Role::Tunnel, None, true),
    ];
    assert_eq!(counted("auto", &links), ["eth0", "eth1"]);
    let chosen = Selection::Auto.choose(&links);
    assert_eq!(chosen.warning, None);
    assert_eq!(capacity(None, &links, &chosen), Some(250_000_000));
    assert_eq!(capacity(Some(7), &links, &chosen), Some(7));
}

#[test]
fn without_a_physical_uplink_the_default_route_counts_with_a_warning() {
    let links = [link("lo", Role::Loopback, None, false), link("eth0", Role::Veth, None, true)];
    assert_eq!(counted("auto", &links), ["eth0"]);
    let warning = Selection::Auto.choose(&links).warning.unwrap();
    assert!(warning.contains("eth0 is counted instead"), "{warning}");
    assert!(warning.contains("--network host"), "{warning}");
    let warning = Selection::Auto.choose(&links[..1]).warning.unwrap();
    assert!(warning.contains("nothing is counted"), "{warning}");
}

#[test]
fn names_lists_and_patterns_choose() {
    let links = ["lo", "eth0", "eth1", "wlan0", "br-lan"]
        .map(|name| link(name, Role::Physical, None, false));
    assert_eq!(counted("eth0", &links), ["eth0"]);
    assert_eq!(counted("eth0, wlan0", &links), ["eth0", "wlan0"]);
    assert_eq!(counted("eth*", &links), ["eth0", "eth1"]);
    assert_eq!(counted("*0,br-*", &links), ["eth0", "wlan0", "br-lan"]);
    assert_eq!(counted("*", &links).len(), 5);
    assert_eq!(counted("e*h*1", &links), ["eth1"]);
    assert!(Selection::parse("wg*").choose(&links).warning.unwrap().contains("wg*"));
}

#[test]
fn a_name_that_is_missing_is_told_and_is_hopeless_only_where_nothing_else_can_match() {
    let links = ["lo", "eth0"].map(|name| link(name, Role::Physical, None, false));
    let warning = |names: &str| Selection::parse(names).choose(&links).warning;
    assert_eq!(warning("eth0,wg*"), None);
    let text = warning("eth0,wwan0").unwrap();
    assert!(text.contains("no interface \"wwan0\"") && text.contains("when it comes"), "{text}");
    assert!(warning("wwan0,usb0").unwrap().contains("nothing is counted"));
    let none: &[&str] = &[];
    let exists = |name: &str| ["lo", "eth0"].contains(&name);
    assert_eq!(Selection::parse("eth7,usb0").all_missing(exists), ["eth7", "usb0"]);
    for names in ["eth0,eth7", "eth7,wg*", " Auto "] {
        assert_eq!(Selection::parse(names).all_missing(exists), none, "{names}");
    }
}

#[test]
fn auto_warns_where_forwarded_bytes_could_count_twice() {
    let told = |links: &[Link]| Selection::Auto.choose(links).warning.unwrap_or_default();
    let mut links = [
        link("eth0", Role::Physical, None, true),
        link("eth1", Role::Physical, None, false),
        link("wg0", Role::Tunnel, None, false),
    ];
    assert!(told(&links).contains("eth1 is counted beside eth0"), "{}", told(&links));
    assert!(told(&links).contains("--interface eth0 "), "{}", told(&links));
    // Nothing passes a link that is down, and two ways out are two uplinks.
    links[1].up = false;
    assert_eq!(told(&links), "");
    (links[1].up, links[1].default_route) = (true, true);
    assert_eq!(told(&links), "");
    // Whoever names interfaces has chosen.
    links[1].default_route = false;
    assert_eq!(Selection::parse("eth*").choose(&links).warning, None);
    // The provider's side may be a modem's, or a VLAN's.
    links[0].default_route = false;
    links[2] = link("ppp0", Role::Tunnel, None, true);
    assert!(told(&links).contains("eth0, eth1 are counted"), "{}", told(&links));
    assert!(told(&links).contains("ppp0, the default route"), "{}", told(&links));
    links[0].up = false;
    assert_eq!(told(&links), "", "one link is one side");
    // The ports of a switch share the host's own port.
    let switch = [
        link("eth0", Role::Physical, None, false),
        link("lan1", Role::SwitchPort, None, false),
        link("wan", Role::SwitchPort, None, true),
    ];
    assert!(told(&switch).contains("--interface wan "), "{}", told(&switch));
    assert!(told(&switch[..2]).contains("--interface, with the name"), "{}", told(&switch[..2]));
}

#[test]
fn without_an_uplink_a_tunnel_and_what_carries_it_are_counted_once() {
    let links = [
        link("eth0", Role::Veth, None, true),
        link("tun0", Role::Tunnel, None, true),
        link("eth0.7", Role::Vlan, None, true),
    ];
    assert_eq!(counted("auto", &links), ["eth0"]);
    assert_eq!(counted("auto", &links[1..2]), ["tun0"], "where nothing else is there");
}

#[test]
fn an_unknown_speed_of_a_counted_link_makes_the_capacity_unknown() {
    let mut links = [
        link("eth0", Role::Physical, Some(125_000_000), false),
        link("eth1", Role::Physical, None, false),
    ];
    let chosen = Selection::Auto.choose(&links);
    assert_eq!(capacity(None, &links, &chosen), None);
    links[1].up = false;
    assert_eq!(capacity(None, &links, &chosen), Some(125_000_000));
}

#[test]
fn a_bond_that_tells_its_speed_carries_that_and_not_its_members_sum() {
    let gigabit = Some(125_000_000);
    let mut links = [
        link("eth0", Role::Physical, gigabit, false),
        link("eth1", Role::Physical, gigabit, false),
        link("eth2", Role::Physical, gigabit, false),
        link("bond0", Role::Bond, gigabit, true),
    ];
    links[..2].iter_mut().for_each(|link| link.bond = Some("bond0".into()));
    let told = |links: &[Link], selection: &str| {
        capacity(None, links, &Selection::parse(selection).choose(links))
    };
    assert_eq!(told(&links, "auto"), Some(250_000_000));
    assert_eq!(told(&links, "eth0,eth1"), gigabit);
    assert_eq!(told(&links, "bond0"), gigabit);
    // A half of it is a link of its own.
    links[3].speed = Some(250_000_000);
    assert_eq!(told(&links, "eth1"), gigabit);
    assert_eq!(told(&links, "auto"), Some(375_000_000));
    // The one that stands by may have no speed, or be unplugged.
    (links[1].speed, links[3].speed) = (None, gigabit);
    assert_eq!(told(&links, "auto"), Some(250_000_000));
    (links[1].up, links[2].up) = (false, false);
    assert_eq!(told(&links, "auto"), gigabit);
    // Where the bond tells nothing, its members do.
    (links[1].up, links[1].speed, links[3].speed) = (true, gigabit, None);
    assert_eq!(told(&links, "auto"), Some(250_000_000));
    (links[3].speed, links[3].up) = (gigabit, false);
    assert_eq!(told(&links, "auto"), Some(250_000_000));
}
