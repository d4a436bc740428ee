//! Sums over all services.

use std::sync::Arc;

use komandorr_collector::State;
use serde::Serialize;

use super::Item;

/// The fleet in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Totals {
    pub(crate) services: usize,
    pub(crate) live: usize,
    pub(crate) idle: usize,
    pub(crate) silent: usize,
    pub(crate) new: usize,
    pub(crate) up_bytes_per_second: u64,
    pub(crate) down_bytes_per_second: u64,
    pub(crate) up_bytes_total: u64,
    pub(crate) down_bytes_total: u64,
    pub(crate) up_bytes_today: u64,
    pub(crate) down_bytes_today: u64,
}

impl Totals {
    pub(super) fn of(items: &[Arc<Item>]) -> Self {
        items.iter().fold(Self::default(), |mut totals, item| {
            totals.add(item);
            totals
        })
    }

    fn add(&mut self, item: &Item) {
        let current = &item.current;
        let add = |sum: &mut u64, part: u64| *sum = sum.saturating_add(part);
        self.services += 1;
        match current.state {
            State::Live => self.live += 1,
            State::Idle => self.idle += 1,
            State::Silent => self.silent += 1,
            State::New => self.new += 1,
        }
        add(&mut self.up_bytes_per_second, current.up_bytes_per_second.unwrap_or_default());
        add(&mut self.down_bytes_per_second, current.down_bytes_per_second.unwrap_or_default());
        add(&mut self.up_bytes_total, current.up_bytes_total);
        add(&mut self.down_bytes_total, current.down_bytes_total);
        add(&mut self.up_bytes_today, current.today.up_bytes);
        add(&mut self.down_bytes_today, current.today.down_bytes);
    }

    /// Whether any service ever reported.
    pub(crate) fn any_reported(&self) -> bool {
        self.live + self.idle + self.silent > 0
    }
}
