//! Which interfaces are summed, and why: `auto`, names, and patterns.

use std::collections::BTreeMap;

use crate::source::{Link, Role};

/// The interfaces that a user wants summed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Selection {
    /// The physical uplinks.
    #[default]
    Auto,
    /// Names, and patterns in which `*` stands for anything.
    Named(Vec<Box<str>>),
}

/// Whether an interface is summed, and the reason to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Part of the sums.
    pub counted: bool,
    /// Why, for a person.
    pub why: String,
}

/// What is summed of a host's interfaces.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chosen {
    /// One choice for each link, in the same order.
    pub choices: Vec<Choice>,
    /// What a person should know about the choice.
    pub warning: Option<String>,
}

impl Selection {
    /// Reads `auto`, a name, a comma list, or patterns.
    pub fn parse(text: &str) -> Self {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let names: Vec<Box<str>> = names.map(Into::into).collect();
        match names.as_slice() {
            [] => Self::Auto,
            [one] if one.eq_ignore_ascii_case("auto") => Self::Auto,
            _ => Self::Named(names),
        }
    }

    /// A name that no interface has, of those that were asked for. Patterns
    /// may match later.
    pub fn unknown<'a>(&'a self, links: &[Link]) -> Option<&'a str> {
        let Self::Named(names) = self else { return None };
        let missing = |name: &&str| !name.contains('*') && links.iter().all(|l| *l.name != **name);
        names.iter().map(|name| &**name).find(missing)
    }

    /// Decides which of these interfaces are summed.
    pub fn choose(&self, links: &[Link]) -> Chosen {
        match self {
            Self::Auto => automatic(links),
            Self::Named(names) => named(names, links),
        }
    }
}

fn named(names: &[Box<str>], links: &[Link]) -> Chosen {
    let choose = |link: &Link| {
        let by = names.iter().find(|name| matches(name, &link.name));
        match by {
            Some(name) if **name == *link.name => yes("chosen by name"),
            Some(name) => yes(&format!("chosen by \"{name}\"")),
            None => no("not chosen"),
        }
    };
    let choices: Vec<Choice> = links.iter().map(choose).collect();
    let nothing = !choices.iter().any(|choice| choice.counted);
    let warning = nothing
        .then(|| format!("no interface matches \"{}\" (yet): nothing is counted", names.join(",")));
    Chosen { choices, warning }
}

fn automatic(links: &[Link]) -> Chosen {
    let mut choices: Vec<Choice> = links.iter().map(by_role).collect();
    if choices.iter().any(|choice| choice.counted) {
        return Chosen { choices, warning: None };
    }
    let mut routed = Vec::new();
    for (link, choice) in links.iter().zip(&mut choices) {
        if link.default_route && link.role != Role::Loopback {
            *choice = yes("the default route, as there is no physical uplink");
            routed.push(&*link.name);
        }
    }
    let advice = "this looks like a container or namespace without the host's network, whose \
                  traffic is not the host's: run the agent on the host, or with the host's \
                  network (docker run --network host)";
    let warning = if routed.is_empty() {
        format!("no physical uplink and no default route is visible, nothing is counted: {advice}")
    } else {
        let routed = routed.join(", ");
        format!("no physical uplink is visible, {routed} is counted instead: {advice}")
    };
    Chosen { choices, warning: Some(warning) }
}

fn by_role(link: &Link) -> Choice {
    match link.role {
        Role::Physical => yes("physical uplink"),
        Role::Loopback => no("never leaves the host"),
        Role::Bridge | Role::Bond => no("its members are counted"),
        Role::Vlan | Role::Stacked => no("the link below is counted"),
        Role::Veth => no("a container's cable; what leaves the host is counted at the uplink"),
        Role::Tunnel => no("its packets leave, wrapped, through an uplink"),
        Role::SwitchPort => no("the host's own port is counted"),
        Role::Standby => no("the other half of the pair is counted"),
        Role::Virtual => no("no hardware"),
    }
}

fn yes(why: &str) -> Choice {
    Choice { counted: true, why: why.to_owned() }
}

fn no(why: &str) -> Choice {
    Choice { counted: false, why: why.to_owned() }
}

/// Whether `name` fits `pattern`, in which `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Capacity per direction of what is counted: what the user says, else the
/// sum of the links' speeds; unknown when one of them is.
pub fn capacity(setting: Option<u64>, links: &[Link], chosen: &Chosen) -> Option<u64> {
    if setting.is_some() {
        return setting;
    }
    let counted = links.iter().zip(&chosen.choices).filter(|(link, choice)| {
        // A link that is down carries nothing and has no speed.
        choice.counted && link.up
    });
    let counted: Vec<&Link> = counted.map(|(link, _)| link).collect();
    let mut speeds = BTreeMap::new();
    for &link in &counted {
        // By name, so that a bond is summed once for all of its members.
        match bond_of(link, links, &counted) {
            Some((bond, speed)) => speeds.insert(bond, speed),
            None => speeds.insert(&*link.name, link.speed?),
        };
    }
    Some(speeds.into_values().fold(0, u64::saturating_add)).filter(|&sum| sum > 0)
}

/// The bond that speaks for a link, and its speed: one that tells it, and of
/// which everything is counted. It knows which members send and which only
/// stand by for another one, and their sum does not.
fn bond_of<'a>(link: &Link, links: &'a [Link], counted: &[&Link]) -> Option<(&'a str, u64)> {
    let name = link.bond.as_ref()?;
    let bond = links.iter().find(|bond| bond.name == *name && bond.up)?;
    let member = |other: &&Link| other.up && other.bond == link.bond;
    let whole =
        links.iter().filter(member).count() == counted.iter().copied().filter(member).count();
    bond.speed.filter(|_| whole).map(|speed| (&*bond.name, speed))
}

#[cfg(test)]
mod tests {
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
        assert_eq!(Selection::parse("eth0,eth7,wg*").unknown(&links), Some("eth7"));
        assert_eq!(Selection::parse(" Auto ").unknown(&links), None);
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
}
