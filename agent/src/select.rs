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

    /// The names that were asked for, where no interface that `exists` has any
    /// of them. A pattern may match later, and is never missing.
    pub fn all_missing(&self, exists: impl Fn(&str) -> bool) -> Vec<&str> {
        let Self::Named(names) = self else { return Vec::new() };
        let absent = missing(names, exists);
        if absent.len() == names.len() { absent } else { Vec::new() }
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
    let missing = missing(names, |name| links.iter().any(|link| *link.name == *name));
    let warning = if !choices.iter().any(|choice| choice.counted) {
        Some(format!(
            "no interface matches \"{}\" (yet), nothing is counted: `komandorr-agent interfaces` \
             lists what is there",
            names.join(",")
        ))
    } else if missing.is_empty() {
        None
    } else {
        let missing = missing.join("\", \"");
        Some(format!("there is no interface \"{missing}\" (yet): it is counted when it comes"))
    };
    Chosen { choices, warning }
}

/// The names, without patterns, that no interface has.
fn missing(names: &[Box<str>], exists: impl Fn(&str) -> bool) -> Vec<&str> {
    let missing = |name: &&str| !name.contains('*') && !exists(name);
    names.iter().map(|name| &**name).filter(missing).collect()
}

fn automatic(links: &[Link]) -> Chosen {
    let mut choices: Vec<Choice> = links.iter().map(by_role).collect();
    if choices.iter().any(|choice| choice.counted) {
        let warning = counted_twice(links, &choices);
        return Chosen { choices, warning };
    }
    let routed = |link: &Link| link.default_route && link.role != Role::Loopback;
    // What stands on others is counted there, unless it stands alone.
    let on_others = |link: &Link| matches!(link.role, Role::Tunnel | Role::Vlan | Role::Stacked);
    let all = !links.iter().any(|link| routed(link) && !on_others(link));
    let mut names = Vec::new();
    for (link, choice) in links.iter().zip(&mut choices) {
        if routed(link) && (all || !on_others(link)) {
            *choice = yes("the default route, as there is no physical uplink");
            names.push(&*link.name);
        }
    }
    let advice = "this looks like a container or namespace without the host's network, whose \
                  traffic is not the host's: run the agent on the host, or with the host's \
                  network (docker run --network host)";
    let warning = if names.is_empty() {
        format!("no physical uplink and no default route is visible, nothing is counted: {advice}")
    } else {
        let names = names.join(", ");
        format!("no physical uplink is visible, {names} is counted instead: {advice}")
    };
    Chosen { choices, warning: Some(warning) }
}

/// What to say where bytes that the host forwards could pass two counted
/// links, or one of them twice. A server with a public and a private card looks
/// the same as a router, and is counted right: so it is only said.
fn counted_twice(links: &[Link], choices: &[Choice]) -> Option<String> {
    let up = links.iter().zip(choices).filter(|(link, choice)| choice.counted && link.up);
    let (routed, beside): (Vec<&Link>, Vec<&Link>) =
        up.map(|(link, _)| link).partition(|link| link.default_route);
    let is_port = |link: &&Link| link.role == Role::SwitchPort && link.up;
    let ports: Vec<&Link> = links.iter().filter(is_port).collect();
    let twice = "where this machine routes between them, forwarded bytes count twice";
    if let Some(way) = routed.first()
        && !beside.is_empty()
    {
        let (names, is) = (list(&beside), if beside.len() > 1 { "are" } else { "is" });
        let way = &way.name;
        return Some(format!(
            "{names} {is} counted beside {way}, which leads to the default route; {twice}: \
             --interface {way} counts one side only"
        ));
    }
    let name_it = "--interface, with the name of the provider's side, counts that only";
    // Through a modem or a VLAN, which one of the counted links carries. Any other tunnel
    // is a way of its own, such as a VPN's.
    let carried = |link: &&Link| match link.role {
        Role::Vlan | Role::Stacked => link.default_route,
        Role::Tunnel => link.default_route && link.name.starts_with("ppp"),
        _ => false,
    };
    if routed.is_empty()
        && beside.len() > 1
        && let Some(way) = links.iter().find(carried)
    {
        let (names, way) = (list(&beside), &way.name);
        return Some(format!(
            "{names} are counted, of which one carries {way}, the default route; {twice}: {name_it}"
        ));
    }
    let (counted, first) = (list(&[routed, beside].concat()), ports.first()?);
    let advice = match ports.iter().find(|port| port.default_route) {
        Some(way) => format!("--interface {} counts one side only", way.name),
        None => name_it.to_owned(),
    };
    let more = if ports.len() > 1 { " .." } else { "" };
    let switch = format!("carries the ports of a switch ({}{more})", first.name);
    (!counted.is_empty()).then(|| format!("{counted} {switch}; {twice}: {advice}"))
}

fn list(links: &[&Link]) -> String {
    let names: Vec<&str> = links.iter().map(|link| &*link.name).collect();
    names.join(", ")
}

fn by_role(link: &Link) -> Choice {
    match link.role {
        Role::Physical => yes("physical uplink"),
        Role::Loopback => no("never leaves the host"),
        Role::Bridge | Role::Bond => no("its members are counted"),
        Role::Vlan | Role::Stacked => no("the link below is counted"),
        Role::Veth => no("a container's cable; what leaves the host is counted at the uplink"),
        Role::Tunnel => {
            no("its packets leave, wrapped, through an uplink (over a serial modem: name it)")
        }
        Role::SwitchPort => no("the host's own port is counted"),
        Role::Standby => no("the other half of the pair is counted"),
        Role::Virtual => no("no network card"),
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
mod tests;
