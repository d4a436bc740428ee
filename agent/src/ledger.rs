//! The ledger: turns readings of raw counters into credited bytes.
//!
//! A pure state machine. [`Ledger::observe`] says what a set of readings
//! means without changing anything; [`Ledger::apply`] takes the step once it
//! is on disk. So either a sample is stored and the counters have advanced,
//! or neither.

mod advance;
mod credit;

use std::collections::BTreeMap;

pub use advance::{Doubt, Pair};

use crate::source::Reading;

/// Vanished interfaces whose totals are remembered. Containers come and go by
/// the thousand, each with a new name.
const KEEP_VANISHED: usize = 256;
/// Longest interval that a sample may state; what is longer is stated as this.
const MAX_INTERVAL_MS: u64 = komandorr_wire::MAX_INTERVAL_MS;

/// Stands for whatever index an interface has; the system counts from 1.
const ANY_INDEX: u32 = 0;

/// What is remembered of one interface.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// The system's number for it in the boot of the ledger; 0 before that showed it.
    pub index: u32,
    /// The raw counters up to which everything is credited.
    pub last: Pair,
    /// A doubtful reading below `last` that the next reading must explain.
    pub held: Option<Pair>,
    /// Bytes credited since the state began.
    pub total: Pair,
    /// Whether its counters were ever beyond 32 bits.
    pub wide: bool,
    /// Whether the last reading showed it.
    pub present: bool,
}

/// Everything that is remembered between readings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    /// Boot of the last reading; empty before the first.
    pub boot: Box<str>,
    /// Time of the last reading, on the clock that never jumps.
    pub boot_ms: u64,
    /// Sum of all intervals in which the agent ran: the age of the state. What
    /// waits must not grow old while nothing could send it.
    pub elapsed_ms: u64,
    /// Bytes credited to counted interfaces since the state began.
    pub total: Pair,
    /// By name. Vanished interfaces keep their totals.
    pub accounts: BTreeMap<Box<str>, Account>,
}

/// One look at the system's counters.
#[derive(Debug)]
pub struct Observation<'a> {
    /// The host's boot.
    pub boot: &'a str,
    /// When, on the clock that never jumps and is zero at boot.
    pub boot_ms: u64,
    /// The counters.
    pub readings: &'a [Reading],
    /// Nothing was read for longer than an interval: the agent did not run.
    pub gap: bool,
    /// The readings were read a second time, because zeros were doubtful.
    pub confirmed: bool,
}

/// What the ledger needs to know of an interface beyond its counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms {
    /// Part of the sums.
    pub counted: bool,
    /// Speed of the link, bytes per second, where known.
    pub speed: Option<u64>,
}

/// What an observation means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// No time has passed since the last one.
    TooSoon,
    /// Zeros amid traffic: read again, then observe with `confirmed`.
    ReadAgain,
    /// A step to take.
    Step(Step),
}

/// A change of the ledger, with what to report of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Step {
    /// Boot of the reading.
    pub boot: Box<str>,
    /// Time of the reading.
    pub boot_ms: u64,
    /// Sum of all intervals without gaps after this step.
    pub elapsed_ms: u64,
    /// Credited to counted interfaces after this step.
    pub total: Pair,
    /// Accounts that are different after this step.
    pub changes: Vec<(Box<str>, Account)>,
    /// Vanished accounts to forget.
    pub forgotten: Vec<Box<str>>,
    /// What to publish; `None` for the very first reading, the baseline.
    pub interval: Option<Interval>,
    /// Readings that nobody should believe without a look.
    pub doubts: Vec<(Box<str>, Doubt)>,
}

/// The credited bytes of one interval.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Interval {
    /// Length in milliseconds.
    pub ms: u64,
    /// It covers time in which the agent did not run.
    pub gap: bool,
    /// Sum over the counted interfaces.
    pub bytes: Pair,
    /// Each interface that was seen: bytes and total.
    pub interfaces: Vec<Movement>,
}

/// One interface in one interval.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Movement {
    /// The system's name for it.
    pub name: Box<str>,
    /// Credited in this interval.
    pub bytes: Pair,
    /// Credited since the state began.
    pub total: Pair,
    /// Part of the sums.
    pub counted: bool,
}

impl Ledger {
    /// What these readings mean. `terms` tells what is known of an interface.
    pub fn observe(&self, seen: &Observation<'_>, terms: impl Fn(&str) -> Terms) -> Verdict {
        let same_boot = *self.boot == *seen.boot;
        let baseline = self.boot.is_empty();
        // After a reboot the counters count what passed since the boot.
        let since = if same_boot { self.boot_ms } else { 0 };
        let ms = seen.boot_ms.saturating_sub(since);
        if ms == 0 {
            return Verdict::TooSoon;
        }
        if same_boot && !seen.confirmed && self.zeroed(seen.readings) {
            return Verdict::ReadAgain;
        }
        let gap = seen.gap || !same_boot;
        let mut step = Step {
            boot: seen.boot.into(),
            boot_ms: seen.boot_ms,
            elapsed_ms: self.elapsed_ms.saturating_add(if baseline || gap { 0 } else { ms }),
            total: self.total,
            ..Step::default()
        };
        let mut interval = Interval { ms: ms.min(MAX_INTERVAL_MS), gap, ..Interval::default() };
        for reading in seen.readings {
            let terms = terms(&reading.name);
            let movement = self.credit(reading, seen, ms, terms, &mut step);
            if terms.counted {
                interval.bytes = interval.bytes.plus(movement.bytes);
                step.total = step.total.plus(movement.bytes);
            }
            interval.interfaces.push(movement);
        }
        self.vanish(seen.readings, same_boot, &mut step);
        step.interval = (!baseline).then_some(interval);
        Verdict::Step(step)
    }

    /// Whether an interface that had traffic reads nothing but zeros.
    fn zeroed(&self, readings: &[Reading]) -> bool {
        readings.iter().filter(|r| r.up == 0 && r.down == 0).any(|reading| {
            self.accounts.get(&reading.name).is_some_and(|account| {
                account.index == reading.index
                    && account.last != Pair::default()
                    && account.held != Some(Pair::default())
            })
        })
    }

    /// Notes what was there and is not any more, and forgets the least of it.
    fn vanish(&self, readings: &[Reading], same_boot: bool, step: &mut Step) {
        let there: std::collections::BTreeSet<&str> = readings.iter().map(|r| &*r.name).collect();
        let mut gone: Vec<(&Box<str>, &Account)> =
            self.accounts.iter().filter(|(name, _)| !there.contains(&***name)).collect();
        for (name, before) in &gone {
            let mut account = Account { present: false, ..(*before).clone() };
            if !same_boot {
                // Should it come later in this boot, it will have begun at zero.
                (account.last, account.held) = (Pair::default(), None);
                // Indices are given anew with each boot.
                account.index = ANY_INDEX;
            }
            if account != **before {
                step.changes.push(((*name).clone(), account));
            }
        }
        if gone.len() > KEEP_VANISHED {
            gone.sort_by_key(|(_, account)| account.total.sum());
            let surplus = gone.len() - KEEP_VANISHED;
            let least = gone.iter().take(surplus);
            step.forgotten.extend(least.map(|(name, _)| (*name).clone()));
        }
    }

    /// Takes a step.
    pub fn apply(&mut self, step: &Step) {
        self.boot.clone_from(&step.boot);
        self.boot_ms = step.boot_ms;
        self.elapsed_ms = step.elapsed_ms;
        self.total = step.total;
        for (name, account) in &step.changes {
            self.accounts.insert(name.clone(), account.clone());
        }
        for name in &step.forgotten {
            self.accounts.remove(name);
        }
    }
}

#[cfg(test)]
mod tests;
