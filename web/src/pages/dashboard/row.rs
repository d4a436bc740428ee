//! A row of the table.

use askama::Template;
use jiff::Timestamp;
use komandorr_collector::{Current, State, live::RecentSample};

use crate::{
    chart::{Slot, Spark, seconds},
    hub::Item,
    pages::part,
    site::Site,
    units::{Age, Percent, Rate, Tagged, Volume},
};

/// The sparkline's time: as many intervals as samples are kept.
const INTERVALS: f64 = 100.0;
/// Time between two samples, in intervals, that is no gap yet.
const TOLERANCE: f64 = 1.5;

#[derive(Debug, Template)]
#[template(path = "row.html")]
struct Row<'a> {
    id: &'a str,
    silent: bool,
    /// All but the last one.
    cells: &'a str,
    seen: Option<(Timestamp, Age)>,
}

/// What of a row changes with its service alone.
#[derive(Debug, Template)]
#[template(path = "cells.html")]
struct Cells<'a> {
    id: &'a str,
    name: &'a str,
    group: &'a str,
    state: &'static str,
    up: Tagged,
    down: Tagged,
    total: Tagged,
    spark: Spark,
    utilisation: Option<Percent>,
    /// Direction of the utilisation.
    busier: &'static str,
    no_utilisation: &'static str,
    today: Tagged,
    month: Tagged,
}

/// A service's row. Its cells are drawn once for each of its changes; the age
/// of its last sample grows without one.
pub(super) fn html(site: &Site, item: &Item, now: Timestamp) -> String {
    let current = &item.current;
    let cells = item
        .cells
        .get_or_init(|| part(&Cells::new(current, spark(&site.app.live.recent(&current.service)))));
    part(&Row {
        id: current.service.as_str(),
        silent: current.state == State::Silent,
        cells,
        seen: current.sampled_at.map(|at| (at, Age::between(at, now))),
    })
}

impl<'a> Cells<'a> {
    fn new(current: &'a Current, spark: Spark) -> Self {
        let silent = current.state == State::Silent;
        let new = current.state == State::New;
        let speed = |speed: Option<u64>| Rate::known(speed.filter(|_| !silent)).tagged();
        let volume = |bytes: u64| Volume::known((!new).then_some(bytes)).tagged();
        let upload = current.up_bytes_per_second >= current.down_bytes_per_second;
        let known = current.utilisation_percent.filter(|_| !silent);
        let total = current.up_bytes_per_second.map(|_| current.total_bytes_per_second());
        Self {
            id: current.service.as_str(),
            name: &current.name,
            group: current.group.as_deref().unwrap_or_default(),
            state: current.state.as_str(),
            up: speed(current.up_bytes_per_second),
            down: speed(current.down_bytes_per_second),
            total: speed(total),
            spark,
            utilisation: known.map(Percent::new),
            busier: if upload { "up" } else { "down" },
            no_utilisation: match current.capacity_bytes_per_second {
                None if !new && !silent => "capacity unknown",
                _ => "–",
            },
            today: volume(current.today.total()),
            month: volume(current.month.total()),
        }
    }
}

/// The last samples as a small picture.
fn spark(samples: &[RecentSample]) -> Spark {
    let Some(last) = samples.last() else { return Spark::default() };
    let slots: Vec<Slot> = samples.iter().filter(|sample| !sample.gap).map(slot).collect();
    let interval = as_float(usual_interval_ms(samples)) / 1000.0;
    let to = seconds(last.ended_at);
    let from = to - interval * INTERVALS;
    let shown = slots.iter().position(|slot| slot.end > from).unwrap_or_default();
    Spark::new(slots.get(shown..).unwrap_or_default(), from, to, interval * TOLERANCE)
}

/// The middle one of the intervals: a single long one would leave the others
/// no room.
fn usual_interval_ms(samples: &[RecentSample]) -> u64 {
    let mut intervals: Vec<u64> = samples.iter().map(|sample| sample.interval_ms).collect();
    intervals.sort_unstable();
    intervals.get(intervals.len() / 2).copied().unwrap_or_default()
}

/// A sample as a slot of a chart.
pub(crate) fn slot(sample: &RecentSample) -> Slot {
    let end = seconds(sample.ended_at);
    Slot {
        start: end - as_float(sample.interval_ms) / 1000.0,
        end,
        up: as_float(sample.up_bytes_per_second()),
        down: as_float(sample.down_bytes_per_second()),
    }
}

#[allow(clippy::cast_precision_loss, reason = "drawn in pixels")]
fn as_float(number: u64) -> f64 {
    number as f64
}
