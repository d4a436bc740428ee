//! The ring card.

use askama::Template;
use jiff::Timestamp;
use komandorr_collector::{Current, State};

use crate::{
    units::{Age, Capacity, Figure, Rate, RingPercent, Volume},
    when::Clock,
};

/// From here on a small ring asks for attention, percent.
const HOT: f32 = 90.0;

/// What stands in the middle of the ring.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ring {
    /// The busier direction's share of the capacity.
    Percent { number: RingPercent, up: bool, capacity: Capacity },
    /// Without a known capacity: the speed of both directions.
    Speed(Figure),
    /// Nothing came yet.
    New,
    /// Since when nothing came.
    Silent { since: Timestamp, age: Age },
}

/// A small ring for the host's load.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mini {
    pub(crate) class: &'static str,
    pub(crate) word: &'static str,
    pub(crate) name: &'static str,
    pub(crate) number: RingPercent,
    pub(crate) hot: bool,
}

/// A card, ready to be printed.
#[derive(Debug, Template)]
#[template(path = "card.html")]
pub(crate) struct CardView<'a> {
    id: &'a str,
    name: &'a str,
    group: &'a str,
    /// 1 to 5; 0 for a service that is not among the five.
    colour: u8,
    state: &'static str,
    silent: bool,
    /// Whether its name leads to its page.
    linked: bool,
    label: String,
    ring: Ring,
    arc: Option<String>,
    minis: Vec<Mini>,
    figures: [(&'static str, &'static str, Figure); 6],
}

impl Ring {
    fn of(current: &Current, now: Timestamp) -> Self {
        let since = current.sampled_at.unwrap_or(now);
        match current.state {
            State::New => return Self::New,
            State::Silent => return Self::Silent { since, age: Age::between(since, now) },
            State::Live | State::Idle => {}
        }
        let known = current.utilisation_percent.zip(current.capacity_bytes_per_second);
        match known {
            Some((percent, capacity)) => Self::Percent {
                number: RingPercent::new(percent),
                up: current.up_bytes_per_second >= current.down_bytes_per_second,
                capacity: Capacity(capacity),
            },
            None => Self::Speed(total(current).figure()),
        }
    }

    pub(crate) fn is_speed(&self) -> bool {
        matches!(self, Self::Speed(_))
    }

    /// The ring in words, for those who do not see it. A label does not age: it
    /// tells when the last sample came, and not how long ago.
    fn label(&self, name: &str, clock: &Clock) -> String {
        match self {
            Self::Percent { number, up, capacity } => {
                let busier = if *up { "upload" } else { "download" };
                format!("{name}: {number} percent of {capacity}, {busier} is the busier direction")
            }
            Self::Speed(figure) => format!("{name}: {figure} in total, capacity unknown"),
            Self::New => format!("{name}: no sample yet"),
            Self::Silent { since, .. } => {
                format!("{name}: silent, last sample on {}", clock.dated(*since))
            }
        }
    }
}

fn total(current: &Current) -> Rate {
    Rate::of(current.total_bytes_per_second())
}

impl<'a> CardView<'a> {
    pub(crate) fn new(
        clock: &Clock,
        current: &'a Current,
        colour: u8,
        linked: bool,
        now: Timestamp,
    ) -> Self {
        let ring = Ring::of(current, now);
        let silent = matches!(ring, Ring::Silent { .. } | Ring::New);
        let arc = match &ring {
            Ring::Percent { number, .. } => number.arc(),
            Ring::Speed(_) | Ring::Silent { .. } | Ring::New => None,
        };
        Self {
            id: current.service.as_str(),
            name: &current.name,
            group: current.group.as_deref().unwrap_or_default(),
            colour,
            state: current.state.as_str(),
            silent,
            linked,
            label: ring.label(&current.name, clock),
            arc,
            minis: minis(current),
            figures: figures(current, silent),
            ring,
        }
    }
}

fn minis(current: &Current) -> Vec<Mini> {
    let mini = |percent: Option<f32>, class, word, name| {
        percent.map(|percent| Mini {
            class,
            word,
            name,
            number: RingPercent::new(percent.into()),
            hot: percent >= HOT,
        })
    };
    let cpu = mini(current.cpu_percent, "cpu", "CPU", "CPU");
    let memory = mini(current.memory_percent, "mem", "MEM", "Memory");
    cpu.into_iter().chain(memory).collect()
}

fn figures(current: &Current, silent: bool) -> [(&'static str, &'static str, Figure); 6] {
    let speed = |speed: Option<u64>| Rate::known(speed.filter(|_| !silent)).figure();
    let (up, down) = (current.up_bytes_total, current.down_bytes_total);
    let volume = |bytes: u64| Volume::new(bytes).figure();
    let both = (!silent).then(|| current.total_bytes_per_second());
    [
        ("v1", "Upload now", speed(current.up_bytes_per_second)),
        ("v2", "Download now", speed(current.down_bytes_per_second)),
        ("v3", "Total now", speed(both)),
        ("v4", "Uploaded", volume(up)),
        ("v5", "Downloaded", volume(down)),
        ("v6", "Combined", volume(up.saturating_add(down))),
    ]
}
