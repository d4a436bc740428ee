//! What was read of the past. Pages ask for the same weeks of the same services again
//! and again, of which only the last hours are new: the rest is remembered here, to be
//! read from the file once. An answer is as exact as without, because whoever changes
//! joined volumes says so, and nothing is remembered or recalled meanwhile.

use std::{collections::HashMap, fmt, sync::Arc};

use parking_lot::Mutex;

use super::query::{BucketRow, SUM};
use crate::bucket::DAY_MS;

/// Most rows that are remembered, some 22 MB: four weeks of nearly fifty services, or a
/// year of three.
const MOST_ROWS: usize = 400_000;
/// Most rows of one answer that are: a longer one would leave no room for others.
pub(super) const MOST_OF_ONE: usize = MOST_ROWS / 2;
/// What lies between a stretch and a later question is read as well, so that the
/// stretch goes on, where it is no longer than this.
const GAP_MS: i64 = 8 * DAY_MS;

/// Joined volumes of five minutes that were read, by the service's number; [`SUM`]: of
/// all services together.
#[derive(Default)]
pub(crate) struct Past {
    state: Mutex<State>,
}

impl fmt::Debug for Past {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Past").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    /// How often the tables were changed.
    changes: u64,
    /// How many are changing them.
    changing: usize,
    /// How often somebody has looked: who was looked at longest ago goes first.
    looks: u64,
    services: HashMap<i32, Remembered>,
}

struct Remembered {
    stretch: Stretch,
    last_look: u64,
}

/// All joined volumes of a service between two moments.
#[derive(Debug, Clone)]
pub(super) struct Stretch {
    /// Unix milliseconds.
    from_ms: i64,
    /// Unix milliseconds; not part of it.
    pub(super) until_ms: i64,
    /// The earliest moment that was asked for since it became longer.
    wanted_ms: i64,
    /// In the order of time.
    rows: Arc<Vec<BucketRow>>,
}

/// What was found of some services.
#[derive(Debug)]
pub(super) struct Look {
    changes: u64,
    from_ms: i64,
    pub(super) known: HashMap<i32, Stretch>,
}

/// A change of joined volumes. Until it is dropped nothing is recalled; then nothing
/// is remembered any more, unless it was said what it has changed.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    past: &'a Past,
    told: bool,
}

impl Past {
    /// What is remembered of some services from a moment on, and of some time before;
    /// none while that changes.
    pub(super) fn look(&self, services: &[i32], from_ms: i64) -> Option<Look> {
        let mut state = self.state.lock();
        if state.changing > 0 {
            return None;
        }
        state.looks += 1;
        let (changes, looks) = (state.changes, state.looks);
        let known = services.iter().filter_map(|&service| {
            let remembered = state.services.get_mut(&service)?;
            let stretch = &mut remembered.stretch;
            let latest_ms = stretch.until_ms.saturating_add(GAP_MS);
            if !(stretch.from_ms..=latest_ms).contains(&from_ms) {
                return None;
            }
            remembered.last_look = looks;
            stretch.wanted_ms = stretch.wanted_ms.min(from_ms);
            Some((service, stretch.clone()))
        });
        Some(Look { changes, from_ms, known: known.collect() })
    }

    /// Remembers what was read since a look. `false`: volumes were changed meanwhile,
    /// and what was read may be of before in one place and of after in another.
    pub(super) fn remember(&self, look: &Look, read: Vec<(i32, Stretch)>) -> bool {
        let mut state = self.state.lock();
        if state.changing > 0 || state.changes != look.changes {
            return false;
        }
        for (service, mut stretch) in read {
            stretch.wanted_ms = look.from_ms;
            state.put(service, stretch);
        }
        state.make_room();
        true
    }

    /// How many volumes are remembered.
    pub(super) fn rows(&self) -> usize {
        self.state.lock().rows()
    }

    /// To be held by whoever changes joined volumes, from before it begins until it is
    /// committed.
    pub(crate) fn change(&self) -> Change<'_> {
        self.state.lock().changing += 1;
        Change { past: self, told: false }
    }
}

impl State {
    fn put(&mut self, service: i32, stretch: Stretch) {
        let known = self.services.get(&service);
        if known.is_some_and(|known| known.stretch.until_ms > stretch.until_ms) {
            return;
        }
        self.services.insert(service, Remembered { stretch, last_look: self.looks });
    }

    fn rows(&self) -> usize {
        self.services.values().map(|known| known.stretch.rows.len()).sum()
    }

    fn make_room(&mut self) {
        while self.rows() > MOST_ROWS {
            let oldest = self.services.iter().min_by_key(|(_, known)| known.last_look);
            let Some(service) = oldest.map(|(&service, _)| service) else { break };
            self.services.remove(&service);
        }
    }
}

impl Stretch {
    /// Of rows in the order of time.
    pub(super) fn new(from_ms: i64, until_ms: i64, rows: Vec<BucketRow>) -> Self {
        Self { from_ms, until_ms, wanted_ms: from_ms, rows: Arc::new(rows) }
    }

    /// Its rows from one moment up to another.
    pub(super) fn between(&self, from_ms: i64, to_ms: i64) -> &[BucketRow] {
        let at = |ms| self.rows.partition_point(|row| row.start_ms < ms);
        self.rows.get(at(from_ms)..at(to_ms)).unwrap_or_default()
    }

    /// Longer by rows that follow, and without what nobody has asked for of late.
    pub(super) fn and(&self, until_ms: i64, more: &[BucketRow]) -> Self {
        let wanted = self.between(self.wanted_ms, self.until_ms);
        let more = more.get(more.partition_point(|row| row.start_ms < self.wanted_ms)..);
        Self::new(self.wanted_ms, until_ms, [wanted, more.unwrap_or_default()].concat())
    }
}

impl Change<'_> {
    /// It has changed these services from these moments on, and with them the sum.
    pub(crate) fn was_of(mut self, firsts: &[(i32, i64)]) {
        let mut state = self.past.state.lock();
        let earliest = firsts.iter().map(|&(_, first_ms)| (SUM, first_ms)).min();
        for (service, first_ms) in firsts.iter().copied().chain(earliest) {
            let known = state.services.get(&service);
            if known.is_some_and(|known| first_ms < known.stretch.until_ms) {
                state.services.remove(&service);
            }
        }
        self.told = true;
    }

    /// It has removed everything before a moment.
    pub(crate) fn was_before(mut self, until_ms: i64) {
        let mut state = self.past.state.lock();
        for known in state.services.values_mut() {
            let stretch = &mut known.stretch;
            if stretch.rows.first().is_some_and(|row| row.start_ms < until_ms) {
                let rows = stretch.between(until_ms, i64::MAX).to_vec();
                stretch.rows = Arc::new(rows);
            }
        }
        self.told = true;
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        let mut state = self.past.state.lock();
        state.changing -= 1;
        state.changes += 1;
        if !self.told {
            state.services.clear();
        }
    }
}
