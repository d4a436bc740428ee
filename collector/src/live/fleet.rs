//! The last hour of all services together, in slots of a few seconds.

use std::collections::BTreeMap;

use jiff::Timestamp;
use komandorr_wire::Origin;

use super::Volume;
use crate::{
    batch::Row,
    bucket::{bucket_of, share_out, speed},
};

/// Length of a slot, milliseconds: 360 of them are about a pixel each.
pub const FLEET_SLOT_MS: i64 = 10_000;
/// How much of the past is kept, milliseconds.
const KEPT_MS: i64 = 3_600_000;

/// The mean speed of all services in one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FleetSlot {
    /// Start of the slot.
    pub start: Timestamp,
    /// Sent, bytes per second.
    pub up_bytes_per_second: u64,
    /// Received, bytes per second.
    pub down_bytes_per_second: u64,
    /// Whether any sample covers it.
    pub covered: bool,
}

#[derive(Debug, Default)]
pub(super) struct Fleet(BTreeMap<i64, Volume>);

impl Fleet {
    pub(super) fn add(&mut self, row: &Row) {
        let sample = &row.sample;
        let oldest_ms = row.arrived_ms.saturating_sub(KEPT_MS + FLEET_SLOT_MS);
        // A gap of days would be shared out among thousands of old slots.
        let kept_ms = KEPT_MS.unsigned_abs();
        // What an import brings was nobody's traffic of the last hour.
        if row.origin == Origin::Import || row.ended_ms < oldest_ms || sample.interval_ms > kept_ms
        {
            return;
        }
        let shares =
            share_out(row.ended_ms, sample.interval_ms, sample.up, sample.down, FLEET_SLOT_MS);
        for share in shares {
            self.0.entry(share.bucket_ms).or_default().add(share.up, share.down);
        }
        while self.0.first_key_value().is_some_and(|(&start, _)| start < oldest_ms) {
            self.0.pop_first();
        }
    }

    /// Without the slot that is still filling: it would look like a fall.
    pub(super) fn last_hour(&self, now: Timestamp) -> Vec<FleetSlot> {
        let end = bucket_of(now.as_millisecond(), FLEET_SLOT_MS);
        let slots = (1..=KEPT_MS / FLEET_SLOT_MS).rev().map(|back| end - back * FLEET_SLOT_MS);
        slots
            .map(|start| {
                let volume = self.0.get(&start);
                let length = FLEET_SLOT_MS.unsigned_abs();
                let bytes = volume.copied().unwrap_or_default();
                FleetSlot {
                    start: Timestamp::from_millisecond(start).unwrap_or_default(),
                    up_bytes_per_second: speed(bytes.up_bytes, length),
                    down_bytes_per_second: speed(bytes.down_bytes, length),
                    covered: volume.is_some(),
                }
            })
            .collect()
    }
}
