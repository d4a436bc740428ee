//! Simulated hosts: counters that grow as those of real ones do over a day.

use std::time::SystemTime;

use komandorr_agent::{
    Source,
    source::{Load, Synthetic},
};
use komandorr_wire::{InvalidServiceId, ServiceId};
use tokio::time::Instant;

/// A kind of host: name, group, capacity in bytes per second, share of the
/// capacity that it uses at its busiest, part of it that is upload, and the
/// hour of the day in which it is busiest.
struct Kind {
    name: &'static str,
    group: &'static str,
    capacity: u64,
    busiest: f64,
    upload: f64,
    peak_hour: f64,
}

const GIGABIT: u64 = 125_000_000;

const KINDS: [Kind; 8] = [
    Kind {
        name: "web",
        group: "frontend",
        capacity: GIGABIT,
        busiest: 0.62,
        upload: 0.9,
        peak_hour: 20.0,
    },
    Kind {
        name: "mail",
        group: "office",
        capacity: GIGABIT,
        busiest: 0.08,
        upload: 0.45,
        peak_hour: 10.0,
    },
    Kind {
        name: "cdn",
        group: "frontend",
        capacity: 10 * GIGABIT,
        busiest: 0.71,
        upload: 0.97,
        peak_hour: 21.0,
    },
    Kind {
        name: "backup",
        group: "storage",
        capacity: GIGABIT,
        busiest: 0.88,
        upload: 0.04,
        peak_hour: 3.0,
    },
    Kind {
        name: "database",
        group: "storage",
        capacity: 10 * GIGABIT,
        busiest: 0.12,
        upload: 0.6,
        peak_hour: 15.0,
    },
    Kind {
        name: "game",
        group: "frontend",
        capacity: GIGABIT,
        busiest: 0.35,
        upload: 0.7,
        peak_hour: 22.0,
    },
    Kind {
        name: "vpn",
        group: "office",
        capacity: GIGABIT / 4,
        busiest: 0.52,
        upload: 0.5,
        peak_hour: 11.0,
    },
    Kind {
        name: "camera",
        group: "office",
        capacity: GIGABIT / 10,
        busiest: 0.4,
        upload: 0.99,
        peak_hour: 13.0,
    },
];

/// One simulated host.
#[derive(Debug, Clone, Copy)]
pub(super) struct SimulatedHost(u16);

impl SimulatedHost {
    pub(super) fn of(number: u16) -> Self {
        Self(number)
    }

    fn kind(self) -> &'static Kind {
        let [first, ..] = &KINDS;
        KINDS.get(usize::from(self.0) % KINDS.len()).unwrap_or(first)
    }

    pub(super) fn name(self) -> String {
        let round = usize::from(self.0) / KINDS.len() + 1;
        format!("{} {round}", self.kind().name)
    }

    pub(super) fn id(self) -> Result<ServiceId, InvalidServiceId> {
        ServiceId::new(&format!("sim-{}", self.name().replace(' ', "-")))
    }

    pub(super) fn group(self) -> &'static str {
        self.kind().group
    }

    /// Counters that have grown since the source was made, at the speed of the
    /// hour with a jitter that changes slowly.
    pub(super) fn source(self) -> Box<dyn Source> {
        let kind = self.kind();
        let mut last = Instant::now();
        let (mut up, mut down) = (0.0, 0.0);
        let mut jitter = 1.0;
        let counters = move || {
            let seconds = last.elapsed().as_secs_f64();
            last = Instant::now();
            jitter =
                (jitter * 0.8 + (0.55 + 0.9 * rand::random::<f64>()) * 0.2_f64).clamp(0.3, 1.6);
            let speed = to_float(kind.capacity) * kind.busiest * day(kind.peak_hour) * jitter;
            up += speed * kind.upload * seconds;
            down += speed * (1.0 - kind.upload) * seconds;
            (whole(up), whole(down))
        };
        let load = Load {
            cpu_percent: Some(12.0 + 9.0 * f32::from(self.0 % 7)),
            memory_percent: Some(31.0 + 7.0 * f32::from(self.0 % 8)),
        };
        Box::new(Synthetic::new("eth0", Some(kind.capacity), counters).with_load(load))
    }
}

/// Share of the busiest hour's traffic at this hour: 0.25 to 1.
fn day(peak_hour: f64) -> f64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let hour = now.as_secs_f64() / 3600.0 % 24.0;
    let turn = (hour - peak_hour) / 24.0 * std::f64::consts::TAU;
    0.625 + 0.375 * turn.cos()
}

#[allow(clippy::cast_precision_loss, reason = "capacities are far below 2^53")]
fn to_float(number: u64) -> f64 {
    number as f64
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "only grows from zero, and not to 2^63 in any lifetime"
)]
fn whole(number: f64) -> u64 {
    number as u64
}
