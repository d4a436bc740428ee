//! From speeds and totals to bytes: what a report of an agent of the original
//! adds to the store, one direction at a time. Pure, no clock.
//!
//! Such an agent tells a speed (in steps of 10 KiB/s) and a total (in steps of
//! a thousandth of a GiB, about 1 MB). The speed times the time since its last
//! report is the finer figure, the total is right in the long run. So the
//! speed says how much is counted, and the total corrects it: what has been
//! counted never leaves the step that the total stands for. What an interval
//! counted too much or too little, the next ones make up for.

/// Bytes of the unit in which totals come.
pub const GIB: f64 = 1_073_741_824.0;
/// Bytes per second of the unit in which speeds come.
pub const MIB: f64 = 1_048_576.0;
/// Totals come in steps of one part in this many of a GiB.
const STEPS_PER_GIB: f64 = 1000.0;
/// How far a rounded total may be from the true one, bytes; one less, so that
/// what is counted rounds to the same total again.
const HALF_STEP: u64 = 536_869;
/// The interval of an agent of which only one report is known, milliseconds.
const FIRST_INTERVAL_MS: u64 = 2_000;
/// A report that follows another faster than this was held up on its way: no
/// agent is that quick.
const HASTY_BELOW_MS: u64 = 500;
/// After so many missing reports, and at least this time, there was a gap.
const GAP_REPORTS: u64 = 3;
const GAP_AT_LEAST_MS: u64 = 15_000;

/// The time that a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// Nothing is known from before.
    First,
    /// The one between two reports.
    Usual(u64),
    /// Shorter than any agent's: the report before it came late.
    Hasty(u64),
    /// Reports are missing for `before_ms`; the speed tells of `last_ms`.
    Gap {
        /// Length of the gap.
        before_ms: u64,
        /// Length of the last interval.
        last_ms: u64,
    },
}

impl Interval {
    /// The interval of a report that comes `elapsed_ms` after the last one of
    /// an agent that usually takes `usual_ms`.
    pub fn after(elapsed_ms: Option<u64>, usual_ms: u64) -> Self {
        let Some(elapsed) = elapsed_ms else { return Self::First };
        if elapsed < HASTY_BELOW_MS {
            return Self::Hasty(elapsed.max(1));
        }
        if elapsed <= (usual_ms * GAP_REPORTS).max(GAP_AT_LEAST_MS) {
            return Self::Usual(elapsed);
        }
        let last_ms = usual_ms.clamp(1, elapsed - 1);
        let before_ms = (elapsed - last_ms).min(crate::MAX_INTERVAL_MS);
        Self::Gap { before_ms, last_ms }
    }

    /// What the reported speed is about, milliseconds.
    pub fn last_ms(self) -> u64 {
        match self {
            Self::First => FIRST_INTERVAL_MS,
            Self::Usual(ms) | Self::Hasty(ms) => ms.min(crate::MAX_INTERVAL_MS),
            Self::Gap { last_ms, .. } => last_ms,
        }
    }
}

/// What is remembered of one direction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tally {
    /// The total that was reported last, GiB.
    pub reported: f64,
    /// The total as it was counted here, bytes: always within half a step of
    /// what was reported, and equal to it when rounded as the agent does.
    pub counted: u64,
}

/// What one report adds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Count {
    /// In the gap before the last interval, bytes.
    pub gap: u64,
    /// In the last interval, bytes.
    pub last: u64,
    /// What is to be remembered; `None`: a total below zero, with which
    /// nothing can be compared.
    pub tally: Option<Tally>,
}

impl Tally {
    /// What the store remembers: the least total that may have been reported. A
    /// step's middle is a rounded number of bytes, hence the one byte more: with the
    /// same total again an agent has not begun anew.
    pub fn restored(counted: u64) -> Self {
        Self { reported: float(counted.saturating_sub(HALF_STEP + 1)) / GIB, counted }
    }

    /// Begins with a reported total, GiB.
    pub fn begin(total: f64) -> Self {
        Self { reported: total, counted: bytes(total * GIB) }
    }
}

/// Counts one report of one direction: speed in bytes per second, total in GiB.
pub fn count(before: Option<Tally>, speed: f64, total: f64, interval: Interval) -> Count {
    let recent = bytes(speed * float(interval.last_ms()) / 1000.0);
    if total < 0.0 {
        return Count { gap: 0, last: recent, tally: None };
    }
    let step = Step::of(total);
    match before {
        // Of the first report only the speed says what is new; more than the
        // total it cannot be, where the client keeps one.
        None => {
            let last = if total == 0.0 { recent } else { recent.min(step.high) };
            Count { gap: 0, last, tally: Some(Tally::begin(total)) }
        }
        // The agent lost its state: what its new total holds is new, but not
        // more of it than one interval's.
        Some(before) if total < before.reported => {
            let last = recent.min(step.high);
            Count { gap: 0, last, tally: Some(Tally::begin(total)) }
        }
        // More than a total of zero can hide: a client that keeps no totals.
        Some(before) if total == 0.0 && recent > 4 * HALF_STEP => {
            let counted = before.counted.saturating_add(recent);
            Count { gap: 0, last: recent, tally: Some(Tally { reported: total, counted }) }
        }
        Some(before) => grown(before, recent, total, &step, interval),
    }
}

fn grown(before: Tally, recent: u64, total: f64, step: &Step, interval: Interval) -> Count {
    let within = |counted: u64| counted.min(step.high).max(step.low).max(before.counted);
    let estimate = before.counted.saturating_add(recent);
    let counted = match interval {
        Interval::First | Interval::Usual(_) => within(estimate),
        // What is still owed is counted with the next report that is in time:
        // in so short an interval it would look like a peak.
        Interval::Hasty(_) => within(estimate).min(estimate),
        // Nobody knows the speeds of the gap.
        Interval::Gap { .. } => within(bytes(total * GIB)),
    };
    let new = counted - before.counted;
    let last = if matches!(interval, Interval::Gap { .. }) { recent.min(new) } else { new };
    Count { gap: new - last, last, tally: Some(Tally { reported: total, counted }) }
}

/// What a reported total may mean, bytes.
struct Step {
    low: u64,
    high: u64,
}

impl Step {
    fn of(total: f64) -> Self {
        let middle = bytes(total * GIB);
        // Clients that do not round mean what they say.
        let in_steps = total * STEPS_PER_GIB;
        let half = if (in_steps - in_steps.round()).abs() < 1e-6 { HALF_STEP } else { 0 };
        Self { low: middle.saturating_sub(half), high: middle.saturating_add(half) }
    }
}

/// A counted total as the agent tells it: GiB with three decimals.
pub fn rounded(counted: u64) -> f64 {
    (float(counted) / GIB * STEPS_PER_GIB).round() / STEPS_PER_GIB
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
fn bytes(amount: f64) -> u64 {
    // The most that a sample can carry.
    (amount.round() as u64).min(u64::MAX / 2)
}

#[allow(clippy::cast_precision_loss, reason = "within a byte at all sizes that exist")]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests;
