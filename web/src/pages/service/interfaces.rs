//! The interfaces that an agent reports, and why each is counted or not.

use askama::Template;
use komandorr_collector::live::InterfaceState;

use crate::units::{Rate, Tagged};

/// One interface.
#[derive(Debug)]
pub(crate) struct InterfaceRow {
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) counted: bool,
    pub(crate) why: &'static str,
    pub(crate) up: Tagged,
    pub(crate) down: Tagged,
}

/// The table, alone: the stream sends it.
#[derive(Debug, Template)]
#[template(path = "interfaces.html")]
pub(super) struct Table<'a> {
    pub(super) rows: &'a [InterfaceRow],
}

/// Counted ones first.
pub(super) fn rows(interfaces: &[InterfaceState]) -> Vec<InterfaceRow> {
    let mut rows: Vec<_> = interfaces.iter().map(row).collect();
    rows.sort_by(|a, b| b.counted.cmp(&a.counted).then_with(|| a.name.cmp(&b.name)));
    rows
}

fn row(state: &InterfaceState) -> InterfaceRow {
    let interface = &state.interface;
    #[allow(clippy::cast_precision_loss, reason = "two decimals are shown")]
    let rate =
        |bytes: u64| Rate::new(bytes as f64 * 1000.0 / state.interval_ms.max(1) as f64).tagged();
    InterfaceRow {
        name: interface.name.to_string(),
        role: interface.role.to_string(),
        counted: interface.counted,
        why: why(&interface.role, interface.counted),
        up: rate(interface.up),
        down: rate(interface.down),
    }
}

/// The agent's rules in words; it sends the role, not the reason.
fn why(role: &str, counted: bool) -> &'static str {
    match (role, counted) {
        ("physical", true) => "an uplink of the host",
        // Without an uplink, as in a container, `auto` takes the default route.
        (_, true) => "chosen in the agent's settings, or the default route where no uplink is seen",
        ("loopback", _) => "never leaves the host",
        ("bridge" | "bond", _) => "its members are counted",
        ("vlan" | "stacked", _) => "the link below is counted",
        ("veth", _) => "a container's cable; what leaves the host is counted at the uplink",
        ("tunnel", _) => {
            "its packets leave, wrapped, through an uplink (over a serial modem: name it)"
        }
        ("port", _) => "the host's own port is counted",
        ("standby", _) => "the other half of the pair is counted",
        ("virtual", _) => "no network card",
        ("physical", _) => "left out by the agent's settings, or without a link",
        _ => "left out by the agent's settings",
    }
}
