//! An agent as its last samples tell of it.

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::batch::FUTURE_TOLERANCE_MS;

/// From how many of an agent's last samples its clock's offset is estimated.
const OFFSET_SAMPLES: usize = 20;
/// How long an agent that went away is still shown, milliseconds.
const SHOWN_MS: i64 = 3_600_000;
/// Samples this old on arrival were kept for want of a taker, milliseconds.
const CATCHING_UP_MS: i64 = 10_000;

/// An agent that reports as this service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentState {
    /// Identity of its state on disk, as the store numbers it.
    pub agent_no: i32,
    /// When its last sample arrived.
    pub last_seen: Timestamp,
    /// By how much our clock is ahead of its clock, milliseconds: the least
    /// delay of its last samples, so that a slow network adds nothing.
    pub clock_offset_ms: i64,
    /// Its clock was impossible: its samples were moved to when they came.
    pub clock_corrected: bool,
    /// How old its last sample was on arrival, milliseconds, while it sends
    /// what it kept when nobody took it; `None`: it has caught up.
    pub behind_ms: Option<i64>,
}

#[derive(Debug)]
pub(super) struct AgentLive {
    pub(super) state: AgentState,
    delays_ms: VecDeque<i64>,
}

impl AgentLive {
    pub(super) fn new(agent_no: i32, last_seen: Timestamp) -> Self {
        let state = AgentState {
            agent_no,
            last_seen,
            clock_offset_ms: 0,
            clock_corrected: false,
            behind_ms: None,
        };
        Self { state, delays_ms: VecDeque::new() }
    }

    pub(super) fn observe(&mut self, arrived_at: Timestamp, delay_ms: i64, clock_corrected: bool) {
        self.delays_ms.push_back(delay_ms);
        if self.delays_ms.len() > OFFSET_SAMPLES {
            self.delays_ms.pop_front();
        }
        // Seen while our clock was ahead: that is not when it was.
        let ahead = is_of_future(self.state.last_seen, arrived_at.as_millisecond());
        let seen = if ahead { arrived_at } else { self.state.last_seen.max(arrived_at) };
        self.state.last_seen = seen;
        self.state.clock_corrected = clock_corrected;
        self.state.clock_offset_ms = self.delays_ms.iter().copied().min().unwrap_or_default();
        self.state.behind_ms = self.behind_ms();
    }

    /// Whether it was seen lately; one that was seen while our clock was ahead may be
    /// gone since.
    pub(super) fn is_shown(&self, now_ms: i64) -> bool {
        let seen = self.state.last_seen;
        seen.as_millisecond() >= now_ms.saturating_sub(SHOWN_MS) && !is_of_future(seen, now_ms)
    }

    /// A clock that is off delays all samples alike; a spool that is sent at
    /// once shows in delays that fall from sample to sample.
    fn behind_ms(&self) -> Option<i64> {
        let longest = self.delays_ms.iter().copied().max()?;
        let last = self.delays_ms.back().copied()?;
        let falls = longest - last > CATCHING_UP_MS;
        (falls && last > CATCHING_UP_MS).then_some(last)
    }
}

/// Whether something came while our clock was ahead of what it shows now.
pub(super) fn is_of_future(at: Timestamp, now_ms: i64) -> bool {
    at.as_millisecond() > now_ms.saturating_add(FUTURE_TOLERANCE_MS)
}
