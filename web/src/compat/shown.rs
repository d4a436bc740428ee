//! Traffic in the shapes and units of the original. What an agent of the
//! original said is said again in its own figures; the rest is converted.

use std::collections::HashMap;

use jiff::Timestamp;
use komandorr_collector::{Current, State, live::RecentSample, registry::Service};
use komandorr_wire::Origin;
use serde::Serialize;
use utoipa::ToSchema;

use super::account::{Said, bandwidth, max_bandwidth, percent, total};
use crate::site::Site;

/// Most points of a service's history.
pub(super) const MOST_POINTS: usize = 100;

/// A service's traffic now.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = OriginalTraffic)]
pub(crate) struct Now {
    pub(super) bandwidth_up: f64,
    pub(super) bandwidth_down: f64,
    pub(super) total_up: f64,
    pub(super) total_down: f64,
    #[schema(required)]
    pub(super) max_bandwidth: Option<f64>,
    #[schema(required)]
    pub(super) cpu_percent: Option<f64>,
    #[schema(required)]
    pub(super) memory_percent: Option<f64>,
    pub(super) last_updated: String,
}

/// One of its last reports.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = OriginalPoint)]
pub(crate) struct Point {
    pub(super) timestamp: String,
    pub(super) bandwidth_up: f64,
    pub(super) bandwidth_down: f64,
    pub(super) total_up: f64,
    pub(super) total_down: f64,
}

/// `None` where a service never reported.
pub(crate) fn now(site: &Site, service: &Service, current: &Current) -> Option<Now> {
    let recent = site.app.live.recent(&service.id);
    let last = recent.last()?;
    let point = points_of(site, service, current, &recent).pop()?;
    let said = site.compat.said(service.number).pop();
    let said = said.filter(|said| said.ended_ms == last.ended_at.as_millisecond());
    let silent = current.state == State::Silent;
    // What a person set beats what the agent reports.
    let set = service.capacity_bytes_per_second.map(max_bandwidth);
    let known = current.capacity_bytes_per_second.map(max_bandwidth);
    Some(Now {
        bandwidth_up: if silent { 0.0 } else { point.bandwidth_up },
        bandwidth_down: if silent { 0.0 } else { point.bandwidth_down },
        total_up: point.total_up,
        total_down: point.total_down,
        max_bandwidth: set.or(said.and_then(|said| said.max_bandwidth)).or(known),
        cpu_percent: said.map_or(current.cpu_percent.map(percent), |said| said.cpu_percent),
        memory_percent: said
            .map_or(current.memory_percent.map(percent), |said| said.memory_percent),
        last_updated: time(last.ended_at),
    })
}

/// A service's last reports, oldest first.
pub(crate) fn points(site: &Site, service: &Service, current: &Current, most: usize) -> Vec<Point> {
    let recent = site.app.live.recent(&service.id);
    let mut points = points_of(site, service, current, &recent);
    points.drain(..points.len().saturating_sub(most));
    points
}

fn points_of(
    site: &Site,
    service: &Service,
    current: &Current,
    recent: &[RecentSample],
) -> Vec<Point> {
    let said: HashMap<i64, Said> =
        site.compat.said(service.number).into_iter().map(|said| (said.ended_ms, said)).collect();
    // Where no totals are told, they are counted back from the newest.
    let (mut up, mut down) = (current.up_bytes_total, current.down_bytes_total);
    let mut points = Vec::with_capacity(recent.len());
    for sample in recent.iter().rev() {
        let told = (sample.up_total.unwrap_or(up), sample.down_total.unwrap_or(down));
        up = up.saturating_sub(sample.up_bytes);
        down = down.saturating_sub(sample.down_bytes);
        // A gap was made of no report.
        if sample.gap && sample.origin == Origin::Http {
            continue;
        }
        let said = said.get(&sample.ended_at.as_millisecond());
        let timestamp = time(sample.ended_at);
        points.push(said.map_or_else(
            || Point {
                timestamp: timestamp.clone(),
                bandwidth_up: bandwidth(sample.up_bytes_per_second()),
                bandwidth_down: bandwidth(sample.down_bytes_per_second()),
                total_up: total(told.0),
                total_down: total(told.1),
            },
            |said| Point {
                timestamp: timestamp.clone(),
                bandwidth_up: said.bandwidth.up,
                bandwidth_down: said.bandwidth.down,
                total_up: said.total.up,
                total_down: said.total.down,
            },
        ));
    }
    points.reverse();
    points
}

/// `2026-11-22T23:56:51.909000Z`
pub(super) fn time(at: Timestamp) -> String {
    format!("{at:.6}")
}
