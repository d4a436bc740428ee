//! The meter: reads the source, asks the ledger what it means, and makes
//! samples of it.

use std::{collections::HashMap, io, time::Duration};

use anyhow::Context;
use komandorr_wire::{AgentSeq, Interface, MAX_INTERFACES, MAX_TEXT, Sample};

use crate::{
    clock,
    config::Config,
    ledger::{Doubt, Ledger, Observation, Step, Terms, Verdict},
    select::{self, Selection},
    source::{Load, Reading, Role, Source},
};

/// What interfaces are is asked anew after this time, even if none came or
/// went: a link gets a speed when its cable is plugged in.
const LOOK_AGAIN_MS: u64 = 60_000;
/// A time without readings that is longer than two intervals and this counts
/// as one in which the agent did not run (suspended, stopped).
const STALL_MS: u64 = 5000;

/// Reads counters and makes samples.
pub(crate) struct Meter {
    source: Box<dyn Source>,
    selection: Selection,
    interval: Duration,
    capacity_setting: Option<u64>,
    capacity: Option<u64>,
    boot: Box<str>,
    known: HashMap<Box<str>, Known>,
    /// Names and indices of the last reading.
    seen: Vec<(Box<str>, u32)>,
    looked_ms: u64,
    warning: Option<String>,
    /// The next sample lists every interface, not only those that moved.
    list_all: bool,
    /// Nothing was read in this run yet.
    first: bool,
}

struct Known {
    role: Role,
    terms: Terms,
}

/// A step of the ledger, and what its sample says besides bytes.
pub(crate) struct Measured {
    pub(crate) step: Step,
    ended_ms: Option<i64>,
    load: Load,
}

impl Meter {
    /// Begins to measure. Fails when nothing can be read.
    pub(crate) fn new(config: &Config, source: Box<dyn Source>) -> anyhow::Result<Self> {
        let boot = source.boot();
        let mut meter = Self {
            source,
            selection: config.interfaces.clone(),
            interval: config.interval,
            capacity_setting: config.capacity,
            capacity: None,
            boot,
            known: HashMap::new(),
            seen: Vec::new(),
            looked_ms: 0,
            warning: None,
            list_all: true,
            first: true,
        };
        // What there is to warn of, the first reading says.
        meter.learn().context("cannot read this machine's network interfaces")?;
        Ok(meter)
    }

    /// Fails where only interfaces were asked for that are not there and, as
    /// far as the ledger knows, never were: the names are wrong. One that was may
    /// come again, as a modem does, and the agent waits for it.
    pub(crate) fn ensure_sensible(&self, ledger: &Ledger) -> anyhow::Result<()> {
        let missing = self.selection.all_missing(|name| self.known.contains_key(name));
        if missing.is_empty() || missing.iter().any(|&name| ledger.accounts.contains_key(name)) {
            return Ok(());
        }
        let mut names: Vec<&str> = self.known.keys().map(|name| &**name).collect();
        names.sort_unstable();
        anyhow::bail!(
            "there is no interface \"{}\": this machine has {}; `komandorr-agent interfaces` tells \
             what they are",
            missing.join("\", \""),
            names.join(", ")
        )
    }

    /// The host's boot.
    pub(crate) fn boot(&self) -> &str {
        &self.boot
    }

    /// Looks what the interfaces are, and warns where that has become necessary.
    fn look(&mut self) -> io::Result<()> {
        let warning = self.learn()?;
        if warning != self.warning {
            if let Some(warning) = &warning {
                tracing::warn!("{warning}");
            }
            self.warning = warning;
        }
        Ok(())
    }

    /// Asks what the interfaces are, and decides which are summed; gives what a
    /// person should know about that.
    fn learn(&mut self) -> io::Result<Option<String>> {
        let links = self.source.links()?;
        let chosen = self.selection.choose(&links);
        self.capacity = select::capacity(self.capacity_setting, &links, &chosen);
        let pairs = links.into_iter().zip(chosen.choices);
        self.known = pairs
            .map(|(link, choice)| {
                let terms = Terms { counted: choice.counted, speed: link.speed };
                (link.name, Known { role: link.role, terms })
            })
            .collect();
        self.looked_ms = clock::boot_ms();
        Ok(chosen.warning)
    }

    /// Reads the counters; `None` when no time has passed.
    pub(crate) fn measure(&mut self, ledger: &Ledger) -> io::Result<Option<Measured>> {
        let mut confirmed = false;
        loop {
            let (readings, boot_ms) = self.read()?;
            let quiet = boot_ms.saturating_sub(ledger.boot_ms);
            let seen = Observation {
                boot: &self.boot,
                boot_ms,
                readings: &readings,
                gap: self.first || quiet > self.stalled_ms(),
                confirmed,
            };
            let terms = |name: &str| self.known.get(name).map(|k| k.terms).unwrap_or_default();
            match ledger.observe(&seen, terms) {
                Verdict::TooSoon => return Ok(None),
                Verdict::ReadAgain => confirmed = true,
                Verdict::Step(step) => {
                    report(&step);
                    let load = self.source.load();
                    // Without it the server takes the time of arrival.
                    let ended_ms = clock::wall_ms_if_set();
                    return Ok(Some(Measured { step, ended_ms, load }));
                }
            }
        }
    }

    fn stalled_ms(&self) -> u64 {
        let interval = u64::try_from(self.interval.as_millis()).unwrap_or(u64::MAX);
        interval.saturating_mul(2).saturating_add(STALL_MS)
    }

    /// One reading with its time. Looks again at what interfaces there are
    /// when one has come or gone.
    fn read(&mut self) -> io::Result<(Vec<Reading>, u64)> {
        let mut readings = self.source.read()?;
        let shape = readings.iter().map(|reading| (&reading.name, reading.index));
        let same = shape.eq(self.seen.iter().map(|(name, index)| (name, *index)));
        if !same {
            self.list_all = true;
        }
        // Before the network is up there may be no route yet by which to choose.
        let nothing = !self.known.values().any(|known| known.terms.counted);
        let long_ago = clock::boot_ms().saturating_sub(self.looked_ms) > LOOK_AGAIN_MS;
        if !same || nothing || long_ago {
            self.look()?;
            readings = self.source.read()?;
            self.seen = readings.iter().map(|r| (r.name.clone(), r.index)).collect();
        }
        Ok((readings, clock::boot_ms()))
    }

    /// The measured step is stored: the next one follows it.
    pub(crate) fn stored(&mut self) {
        (self.first, self.list_all) = (false, false);
    }

    /// The sample of a step.
    pub(crate) fn sample(&self, measured: &Measured, agent: AgentSeq) -> Sample {
        let step = &measured.step;
        let interval = step.interval.clone().unwrap_or_default();
        let counted_or_moved = |movement: &&crate::ledger::Movement| {
            self.list_all || movement.counted || movement.bytes.sum() > 0
        };
        let mut interfaces: Vec<Interface> = interval
            .interfaces
            .iter()
            .filter(counted_or_moved)
            .map(|movement| Interface {
                name: cut(&movement.name),
                role: self.role(&movement.name).as_str().into(),
                up: movement.bytes.up,
                down: movement.bytes.down,
                up_total: Some(movement.total.up),
                down_total: Some(movement.total.down),
                counted: movement.counted,
            })
            .collect();
        // Those that are summed first, should there be too many.
        interfaces.sort_by_key(|interface| !interface.counted);
        interfaces.truncate(MAX_INTERFACES);
        Sample {
            up: interval.bytes.up,
            down: interval.bytes.down,
            interval_ms: interval.ms.max(1),
            ended_ms: measured.ended_ms,
            agent: Some(agent),
            boot: Some(cut(&step.boot)),
            up_total: Some(step.total.up),
            down_total: Some(step.total.down),
            capacity: self.capacity,
            cpu_percent: measured.load.cpu_percent,
            memory_percent: measured.load.memory_percent,
            gap: interval.gap,
            interfaces,
        }
    }

    fn role(&self, name: &str) -> Role {
        self.known.get(name).map_or(Role::Virtual, |known| known.role)
    }
}

/// A text as long as the wire allows. Names of Linux are shorter anyway.
fn cut(text: &str) -> Box<str> {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).filter(|text| !text.is_empty()).unwrap_or("?").into()
}

fn report(step: &Step) {
    for (name, doubt) in &step.doubts {
        match doubt {
            Doubt::TooMuch(bytes) => tracing::warn!(
                interface = %name, up = bytes.up, down = bytes.down,
                "more bytes than this link can carry; they are counted"
            ),
            Doubt::Zeros => tracing::warn!(interface = %name, "the counters read zero"),
            Doubt::FellTooLittle(now) => tracing::warn!(
                interface = %name, up = now.up, down = now.down,
                "the counters have stepped back; the next reading tells what it was"
            ),
            Doubt::Absurd(bytes) => tracing::error!(
                interface = %name, up = bytes.up, down = bytes.down,
                "the counters are broken; counting goes on from here"
            ),
        }
    }
}
