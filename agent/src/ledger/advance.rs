//! The arithmetic of one interface: difference, reset, wrap and doubt.

use super::Account;

/// One more than a 32-bit counter can show.
const WRAP: u64 = 1 << 32;
/// A wrapped counter has moved less than a quarter of its range since it was
/// read: with more, only the other direction tells a wrap from a reset.
const WRAP_MOST: u64 = WRAP / 4;
/// A direction of fewer bytes is weak evidence: what a card sends and receives
/// first after each reset is much the same.
const WITNESS_LEAST: u64 = 1 << 20;
/// What a link can carry is doubled, because stated speeds are often wrong.
const LEEWAY: u64 = 2;
/// Assumed where the speed is unknown: 400 Gbit/s, in bytes per second.
const FASTEST: u64 = 50_000_000_000;
/// Below this nothing is doubted: 10 Gbit/s, in bytes per second. Virtual
/// cards state 10 Mbit/s and carry a thousand times as much.
const SLOWEST: u64 = 1_250_000_000;
/// A burst from buffers that the kernel counts at once, bytes.
const BURST: u64 = 16 << 20;
/// More than this in one interval is no traffic but a broken counter (1 EiB),
/// and would poison the totals for ever.
const ABSURD: u64 = 1 << 60;

/// Bytes in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct Pair {
    /// Sent.
    pub up: u64,
    /// Received.
    pub down: u64,
}

impl Pair {
    /// The sum, direction by direction; it stays at the most a total can be.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let most = i64::MAX.unsigned_abs();
        Self {
            up: self.up.saturating_add(other.up).min(most),
            down: self.down.saturating_add(other.down).min(most),
        }
    }

    /// Both directions together.
    pub fn sum(self) -> u64 {
        self.up.saturating_add(self.down)
    }

    fn minus(self, other: Self) -> Option<Self> {
        Some(Self { up: self.up.checked_sub(other.up)?, down: self.down.checked_sub(other.down)? })
    }

    pub(super) fn within(self, limit: u64) -> bool {
        self.up <= limit && self.down <= limit
    }
}

/// Why a reading should be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// More than the link can carry; it is credited all the same.
    TooMuch(Pair),
    /// Zeros amid traffic, twice; the next reading tells what they were.
    Zeros,
    /// Smaller than before, but too near to it, or too large, for a counter
    /// that began anew; the next reading tells what it was.
    FellTooLittle(Pair),
    /// No counter of bytes; nothing is credited, counting goes on from here.
    Absurd(Pair),
}

/// Where a reading leads.
pub(super) struct Advanced {
    /// Credited.
    pub(super) bytes: Pair,
    /// Everything up to here is credited.
    pub(super) last: Pair,
    /// Read but not believed yet.
    pub(super) held: Option<Pair>,
    /// To be looked at.
    pub(super) doubt: Option<Doubt>,
}

/// The most that a link can have carried in so many milliseconds.
pub(super) fn limit(speed: Option<u64>, ms: u64) -> u64 {
    let speed = speed.map_or(FASTEST, |speed| speed.saturating_mul(LEEWAY).max(SLOWEST));
    let bytes = u128::from(speed) * u128::from(ms) / 1000 + u128::from(BURST);
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// What passed between two boots and now, by a counter that began at zero.
pub(super) fn since_boot(now: Pair, limit: u64) -> (Pair, Option<Doubt>) {
    let advanced = settle(now, now, limit);
    (advanced.bytes, advanced.doubt)
}

/// What the reading `now` means for an interface in the same boot.
pub(super) fn advance(account: &Account, now: Pair, limit: u64) -> Advanced {
    let (last, held) = (account.last, account.held);
    let zero = Pair::default();
    if now == zero && last != zero {
        let doubt = (held != Some(zero)).then_some(Doubt::Zeros);
        return Advanced { bytes: zero, last, held: Some(zero), doubt };
    }
    if let Some(moved) = now.minus(last) {
        // After confirmed zeros a counter that has grown well past its old reading
        // began anew, if the link can have carried that much since. One that is near
        // to it goes on: drivers show zeros while a link is down.
        let anew = held == Some(zero) && now.within(limit) && !grew_a_little(last, moved);
        return settle(if anew { now } else { moved }, now, limit);
    }
    if let Some(moved) = wrapped(account, now, limit) {
        return settle(moved, now, limit);
    }
    // A reset: what the counter shows passed since then, in this interval.
    if now.within(limit) && (held == Some(zero) || !stepped_back(last, now)) {
        return settle(now, now, limit);
    }
    // No reset. A second such reading shows where it counts on from.
    if let Some(moved) = held.filter(|&h| h != zero).and_then(|held| now.minus(held)) {
        return settle(moved, now, limit);
    }
    Advanced { bytes: zero, last, held: Some(now), doubt: Some(Doubt::FellTooLittle(now)) }
}

/// Whether the counters only fell a little, by less than a sixteenth: a driver's
/// race, or queues that it took away. A reset that comes this near to both old
/// values by chance is rarer, and a fast link could carry nearly any counter's
/// value in one interval, so the limit alone does not tell the two apart.
fn stepped_back(last: Pair, now: Pair) -> bool {
    let near = |last: u64, now: u64| now >= last || now > last - last / 16;
    near(last.up, now.up) && near(last.down, now.down)
}

/// Whether the counters only grew a little, by at most a sixteenth.
fn grew_a_little(last: Pair, moved: Pair) -> bool {
    moved.up <= last.up / 16 && moved.down <= last.down / 16
}

/// Credits, and doubts what is too much.
fn settle(bytes: Pair, now: Pair, limit: u64) -> Advanced {
    let (bytes, doubt) = if !bytes.within(ABSURD) {
        (Pair::default(), Some(Doubt::Absurd(bytes)))
    } else if !bytes.within(limit) {
        (bytes, Some(Doubt::TooMuch(bytes)))
    } else {
        (bytes, None)
    };
    Advanced { bytes, last: now, held: None, doubt }
}

/// The movement of a 32-bit counter that ran over. A reset takes both
/// directions down, so one that went on is evidence for the wrap. It may have
/// begun at zero as well and grown past its old value; but hardly to just a little
/// more than that. Where it is no more, the other one may have moved far, unless it
/// only stepped back: at long intervals a counter runs over with any movement.
fn wrapped(account: &Account, now: Pair, limit: u64) -> Option<Pair> {
    if account.wide {
        return None;
    }
    let went_on =
        |last: u64, now: u64| last >= WITNESS_LEAST && now >= last && now - last <= last / 16;
    let last = account.last;
    let witness = went_on(last.up, now.up) || went_on(last.down, now.down);
    let most = if witness && !stepped_back(last, now) { limit } else { WRAP_MOST.min(limit) };
    let direction = |last: u64, now: u64| {
        if let Some(moved) = now.checked_sub(last) {
            // A direction without traffic so far is no evidence.
            return Some((moved, last > 0));
        }
        let moved = WRAP.checked_sub(last)?.checked_add(now)?;
        (moved <= most).then_some((moved, true))
    };
    let (up, sure_up) = direction(last.up, now.up)?;
    let (down, sure_down) = direction(last.down, now.down)?;
    (sure_up && sure_down).then_some(Pair { up, down })
}
