//! The fleet's last hour: a chart and the same in a table.

use askama::Template;
use jiff::{SignedDuration, Timestamp};
use komandorr_collector::live::{FLEET_SLOT_MS, FleetSlot};

use super::summary::peak;
use crate::{
    chart::{Chart, Plot, Slot, seconds},
    hub::Frame,
    pages::{part, service::Mark},
    site::Site,
    units::{Rate, Tagged},
};

/// Height of the chart, px.
const HEIGHT: u32 = 280;
/// Slots of one row of the table: five minutes.
const SLOTS_PER_ROW: usize = 30;
/// A service that reports every minute leaves its slots empty until then.
const TOLERANCE_SECONDS: f64 = 60.0;

#[derive(Debug, Template)]
#[template(path = "fleet.html")]
struct Fleet {
    chart: Chart,
    label: String,
    lines: [Line; 2],
    rows: Vec<Row>,
    no_marks: Vec<Mark>,
}

#[derive(Debug)]
struct Line {
    class: &'static str,
    arrow: &'static str,
    word: &'static str,
    mean: Rate,
    peak: Rate,
}

#[derive(Debug)]
struct Row {
    from: String,
    values: [Tagged; 4],
}

/// Chart and table of a frame; drawn once for each slot.
pub(super) fn html<'a>(site: &Site, frame: &'a Frame) -> &'a str {
    frame.fleet.html.get_or_init(|| part(&draw(site, frame)))
}

fn draw(site: &Site, frame: &Frame) -> Fleet {
    let slots = &frame.fleet.slots;
    let slot_time = SignedDuration::from_millis(FLEET_SLOT_MS);
    let to = slots.last().and_then(|slot| slot.start.checked_add(slot_time).ok());
    let to = to.unwrap_or(frame.at);
    let from = slots.first().map_or_else(
        || to.checked_sub(SignedDuration::from_hours(1)).unwrap_or(to),
        |slot| slot.start,
    );
    let covered: Vec<Slot> = slots.iter().filter(|slot| slot.covered).map(slot).collect();
    let begin = slots.iter().find(|slot| slot.covered).map(|slot| slot.start);
    let chart = Chart::new(&Plot {
        from,
        to,
        zone: site.clock.zone(),
        height: HEIGHT,
        slots: &covered,
        tolerance: TOLERANCE_SECONDS,
        expected: begin.map(|begin| (begin, to)),
        peaks: [None, None],
        percentiles: [None, None],
    });
    let lines = [
        line(slots, "up", "↑", "Upload", |slot| slot.up_bytes_per_second),
        line(slots, "down", "↓", "Download", |slot| slot.down_bytes_per_second),
    ];
    let [up, down] = &lines;
    let label = format!(
        "Fleet, last hour: upload mean {}, peak {}; download mean {}, peak {}. \
         The table below has the values.",
        up.mean, up.peak, down.mean, down.peak
    );
    let rows = slots.chunks(SLOTS_PER_ROW).map(|part| row(site, part)).collect();
    Fleet { chart, label, lines, rows, no_marks: Vec::new() }
}

#[allow(clippy::cast_precision_loss, reason = "drawn in pixels")]
fn slot(slot: &FleetSlot) -> Slot {
    let start = seconds(slot.start);
    let end = start + FLEET_SLOT_MS as f64 / 1000.0;
    let (up, down) = (slot.up_bytes_per_second as f64, slot.down_bytes_per_second as f64);
    Slot { start, end, up, down }
}

fn line(
    slots: &[FleetSlot],
    class: &'static str,
    arrow: &'static str,
    word: &'static str,
    of: fn(&FleetSlot) -> u64,
) -> Line {
    let peak = Rate::known(peak(slots, of).map(|(_, speed)| speed));
    Line { class, arrow, word, mean: Rate::known(mean(slots, of)), peak }
}

/// Mean over the covered slots.
fn mean(slots: &[FleetSlot], of: fn(&FleetSlot) -> u64) -> Option<u64> {
    let covered = slots.iter().filter(|slot| slot.covered);
    let (sum, count) =
        covered.fold((0u128, 0u128), |(sum, n), slot| (sum + u128::from(of(slot)), n + 1));
    sum.checked_div(count).and_then(|mean| u64::try_from(mean).ok())
}

fn row(site: &Site, part: &[FleetSlot]) -> Row {
    let highest = |of: fn(&FleetSlot) -> u64| peak(part, of).map(|(_, speed)| speed);
    let from = part.first().map_or(Timestamp::UNIX_EPOCH, |slot| slot.start);
    let values = [
        mean(part, |slot| slot.up_bytes_per_second),
        highest(|slot| slot.up_bytes_per_second),
        mean(part, |slot| slot.down_bytes_per_second),
        highest(|slot| slot.down_bytes_per_second),
    ];
    Row { from: site.clock.minute(from), values: values.map(|value| Rate::known(value).tagged()) }
}
