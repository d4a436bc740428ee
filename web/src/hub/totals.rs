//! Sums over all services.

use std::sync::Arc;

use komandorr_collector::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Item;

/// The fleet in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
pub(crate) struct Totals {
    /// How many there are.
    pub(crate) services: usize,
    /// Those whose samples are fresh.
    pub(crate) live: usize,
    /// Fresh, but under 1 KB/s both ways.
    pub(crate) idle: usize,
    /// No sample for three intervals, at least 15 s.
    pub(crate) silent: usize,
    /// Never a sample.
    pub(crate) new: usize,
    /// Speed of sending.
    pub(crate) up_bytes_per_second: u64,
    /// Speed of receiving.
    pub(crate) down_bytes_per_second: u64,
    /// Bytes sent since the first sample of each.
    pub(crate) up_bytes_total: u64,
    /// Bytes received since the first sample of each.
    pub(crate) down_bytes_total: u64,
    /// Bytes sent today, in the site's time zone.
    pub(crate) up_bytes_today: u64,
    /// Bytes received today, in the site's time zone.
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
