//! The fleet's last hour: a chart and the same in a table.

use askama::Template;
use jiff::{SignedDuration, Timestamp};
use komandorr_collector::live::{FLEET_SLOT_MS, FleetSlot};

use super::summary::peak;
use crate::{
    chart::{Chart, Hover, Plot, Slot, seconds},
    hub::Frame,
    pages::{part, service::Mark},
    site::Site,
    units::{Age, Rate, Tagged},
};

/// Height of the chart, px.
const HEIGHT: u32 = 280;
/// Slots of one row of the table: five minutes.
const SLOTS_PER_ROW: usize = 30;
/// What the live state keeps at most.
const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// Shortest time that is drawn.
const SHORTEST: SignedDuration = SignedDuration::from_mins(5);
/// Data that begins so soon after the hour did fills it.
const NEARLY: SignedDuration = SignedDuration::from_mins(2);
const SLOT_TIME: SignedDuration = SignedDuration::from_millis(FLEET_SLOT_MS);
/// A service that reports every minute leaves its slots empty until then.
const TOLERANCE_SECONDS: f64 = 60.0;

#[derive(Debug, Template)]
#[template(path = "fleet.html")]
struct Fleet {
    heading: String,
    chart: Chart,
    hovers: Vec<Hover>,
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
    let all = &frame.fleet.slots;
    let to = all.last().and_then(|slot| slot.start.checked_add(SLOT_TIME).ok());
    let to = to.unwrap_or(frame.at);
    let begin = all.iter().find(|slot| slot.covered).map(|slot| slot.start);
    let from = from(begin, to);
    let slots = all.iter().position(|slot| slot.start >= from).and_then(|first| all.get(first..));
    let slots = slots.unwrap_or_default();
    let covered: Vec<Slot> = slots.iter().filter(|slot| slot.covered).map(slot).collect();
    let mut chart = Chart::new(&Plot {
        from,
        to,
        zone: site.clock.zone(),
        height: HEIGHT,
        slots: &covered,
        tolerance: TOLERANCE_SECONDS,
        expected: begin.map(|begin| (begin, to)),
        peaks: [None, None],
        percentile: None,
    });
    // After a restart memory begins here, and no service does.
    chart.begin = None;
    let lines = [
        line(slots, "up", "↑", "Upload", |slot| slot.up_bytes_per_second),
        line(slots, "down", "↓", "Download", |slot| slot.down_bytes_per_second),
    ];
    let [up, down] = &lines;
    let heading = heading(from, to);
    let label = format!(
        "{heading}: upload mean {}, peak {}; download mean {}, peak {}. \
         The table below has the values.",
        up.mean, up.peak, down.mean, down.peak
    );
    let rows = slots.chunks(SLOTS_PER_ROW).map(|part| row(site, part)).collect();
    let hovers = Hover::columns(from, to, &covered, |at| site.clock.minute(at));
    Fleet { heading, chart, hovers, label, lines, rows, no_marks: Vec::new() }
}

/// Where the chart begins: an hour back, or where the data does. What is
/// younger than five minutes gets five, so that it does not race.
fn from(begin: Option<Timestamp>, to: Timestamp) -> Timestamp {
    let back = |time| to.checked_sub(time).unwrap_or(to);
    let (hour, shortest) = (back(HOUR), back(SHORTEST));
    begin.filter(|begin| begin.duration_since(hour) > NEARLY).map_or(hour, |b| b.min(shortest))
}

fn heading(from: Timestamp, to: Timestamp) -> String {
    let length = to.duration_since(from);
    if length >= HOUR {
        return "Fleet, last hour".to_owned();
    }
    format!("Fleet, last {}", Age::seconds(length.as_secs()))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_young_chart_shows_the_time_that_there_is() {
        let to = at("2026-11-20T20:00:00Z");
        let shown = |begin: &str| heading(from(Some(at(begin)), to), to);
        assert_eq!(shown("2026-11-20T19:00:00Z"), "Fleet, last hour");
        assert_eq!(shown("2026-11-20T19:01:50Z"), "Fleet, last hour");
        assert_eq!(shown("2026-11-20T19:48:00Z"), "Fleet, last 12 min");
        assert_eq!(shown("2026-11-20T19:59:50Z"), "Fleet, last 5 min");
        assert_eq!(heading(from(None, to), to), "Fleet, last hour");
    }
}
