//! What was read of the past. Pages ask for the same weeks of the same services again
//! and again, of which only the last hours are new: the rest is remembered here, to be
//! read from the file once. An answer is as exact as without, because whoever changes
//! joined volumes says so, and nothing is remembered or recalled meanwhile.

use std::{collections::HashMap, fmt, sync::Arc};

use parking_lot::Mutex;

use super::query::{BucketRow, SUM};
use crate::{
    bucket::{DAY_MS, bucket_of},
    level::Level,
};

/// Most rows that are remembered, some 22 MB: four weeks of nearly fifty services by five
/// minutes, or a year of three.
const MOST_ROWS: usize = 400_000;
/// Most rows of one answer that are: a longer one would leave no room for others.
pub(super) const MOST_OF_ONE: usize = MOST_ROWS / 2;
/// Of how many at most: whoever asks for short ranges of ever other services makes nobody
/// go through more of them.
const MOST_KNOWN: usize = 2000;
/// What lies between a stretch and a later question is read as well, so that the
/// stretch goes on, where it is no longer than this.
const GAP_MS: i64 = 8 * DAY_MS;

/// Joined volumes that were read.
#[derive(Default)]
pub(crate) struct Past {
    state: Mutex<State>,
}

impl fmt::Debug for Past {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Past").finish_non_exhaustive()
    }
}

/// Whose volumes they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Whose {
    /// Of a service, by its number.
    Service(i32),
    /// Of several services together, by their numbers in order.
    Several(Arc<[i32]>),
    /// Of all services together.
    All,
}

#[derive(Default)]
struct State {
    /// How often the tables were changed.
    changes: u64,
    /// How many are changing them.
    changing: usize,
    /// How often somebody has looked: who was looked at longest ago goes first.
    looks: u64,
    known: HashMap<(Level, Whose), Remembered>,
}

struct Remembered {
    stretch: Stretch,
    last_look: u64,
}

/// All joined volumes of somebody between two moments.
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

/// What was found, by the number that the rows have.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) level: Level,
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
    /// What is remembered of some services, or of one sum, from a moment on, and of some
    /// time before; none while that changes.
    pub(super) fn look(&self, level: Level, whose: &[Whose], from_ms: i64) -> Option<Look> {
        let mut state = self.state.lock();
        if state.changing > 0 {
            return None;
        }
        state.looks += 1;
        let (changes, looks) = (state.changes, state.looks);
        let known = whose.iter().filter_map(|whose| {
            let remembered = state.known.get_mut(&(level, whose.clone()))?;
            let stretch = &mut remembered.stretch;
            let latest_ms = stretch.until_ms.saturating_add(GAP_MS);
            if !(stretch.from_ms..=latest_ms).contains(&from_ms) {
                return None;
            }
            remembered.last_look = looks;
            stretch.wanted_ms = stretch.wanted_ms.min(from_ms);
            Some((whose.number(), stretch.clone()))
        });
        Some(Look { level, changes, from_ms, known: known.collect() })
    }

    /// Remembers what was read since a look. `false`: volumes were changed meanwhile,
    /// and what was read may be of before in one place and of after in another.
    pub(super) fn remember(&self, look: &Look, read: Vec<(Whose, Stretch)>) -> bool {
        let mut state = self.state.lock();
        if state.changing > 0 || state.changes != look.changes {
            return false;
        }
        for (whose, mut stretch) in read {
            stretch.wanted_ms = look.from_ms;
            state.put((look.level, whose), stretch);
        }
        state.make_room();
        true
    }

    /// How many volumes are remembered.
    pub(super) fn rows(&self) -> usize {
        self.state.lock().rows()
    }

    /// Whether a quarter of what can be remembered is free.
    pub(super) fn has_room(&self) -> bool {
        self.rows() <= MOST_ROWS / 4 * 3
    }

    /// To be held by whoever changes joined volumes, from before it begins until it is
    /// committed.
    pub(crate) fn change(&self) -> Change<'_> {
        self.state.lock().changing += 1;
        Change { past: self, told: false }
    }
}

impl Whose {
    /// The number that their rows have.
    pub(super) fn number(&self) -> i32 {
        match self {
            Self::Service(number) => *number,
            Self::Several(_) | Self::All => SUM,
        }
    }

    /// The first of some services' moments that is theirs.
    fn first_of(&self, firsts: &HashMap<i32, i64>) -> Option<i64> {
        match self {
            Self::Service(number) => firsts.get(number).copied(),
            Self::Several(numbers) => numbers.iter().filter_map(|n| firsts.get(n)).min().copied(),
            Self::All => firsts.values().min().copied(),
        }
    }
}

impl State {
    fn put(&mut self, key: (Level, Whose), stretch: Stretch) {
        let longer = |known: &Stretch| {
            (known.until_ms, stretch.from_ms) >= (stretch.until_ms, known.from_ms)
        };
        let known = self.known.get(&key);
        if stretch.rows.is_empty() || known.is_some_and(|known| longer(&known.stretch)) {
            return;
        }
        self.known.insert(key, Remembered { stretch, last_look: self.looks });
    }

    fn rows(&self) -> usize {
        self.known.values().map(|known| known.stretch.rows.len()).sum()
    }

    fn make_room(&mut self) {
        while self.rows() > MOST_ROWS || self.known.len() > MOST_KNOWN {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.last_look);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else { break };
            self.known.remove(&key);
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

    /// Without what is from a moment on; whether anything is left.
    fn forget_from(&mut self, ms: i64) -> bool {
        if ms < self.until_ms {
            let left = self.between(i64::MIN, ms).to_vec();
            self.rows = Arc::new(left);
            self.until_ms = ms;
        }
        !self.rows.is_empty()
    }

    /// Longer by rows that follow, and without what nobody has asked for of late.
    pub(super) fn and(&self, until_ms: i64, more: &[BucketRow]) -> Self {
        let wanted = self.between(self.wanted_ms, self.until_ms);
        let more = more.get(more.partition_point(|row| row.start_ms < self.wanted_ms)..);
        Self::new(self.wanted_ms, until_ms, [wanted, more.unwrap_or_default()].concat())
    }
}

impl Change<'_> {
    /// It has changed these services from these moments on, and with them the sums that
    /// they are part of.
    pub(crate) fn was_of(mut self, firsts: &[(i32, i64)]) {
        let firsts: HashMap<i32, i64> = firsts.iter().copied().collect();
        self.past.state.lock().known.retain(|(level, whose), known| {
            let Some(first_ms) = whose.first_of(&firsts) else { return true };
            known.stretch.forget_from(bucket_of(first_ms, level.length_ms()))
        });
        self.told = true;
    }

    /// It has removed everything of a level before a moment.
    pub(crate) fn was_before(mut self, level: Level, until_ms: i64) {
        let mut state = self.past.state.lock();
        for ((of, _), known) in &mut state.known {
            let stretch = &mut known.stretch;
            if *of == level && stretch.rows.first().is_some_and(|row| row.start_ms < until_ms) {
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
            state.known.clear();
        }
    }
}
