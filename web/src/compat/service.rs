//! The fields of a service that the original has and its clients read.

use jiff::Timestamp;
use komandorr_collector::{Current, State, registry::Service};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Now, Point, now, points,
    shown::{MOST_POINTS, time},
};
use crate::site::Site;

/// Points of traffic in one list of services: a hundred services get a hundred
/// each, and more of them fewer.
const MOST_IN_A_LIST: usize = 10_000;

/// What the original tells of a service beyond its name.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OriginalFields)]
pub(crate) struct Fields {
    /// `online`, `offline`, or `unknown` before the first sample.
    #[schema(value_type = String)]
    status: &'static str,
    /// When its last sample ended.
    #[schema(required)]
    last_check: Option<String>,
    /// Nothing asks a service for its pages here, so nothing is known.
    #[schema(required)]
    response_time: Option<f64>,
    /// Its traffic now.
    #[schema(required)]
    traffic: Option<Now>,
    /// Its last reports, oldest first.
    traffic_history: Vec<Point>,
    /// Empty.
    #[schema(value_type = Vec<f64>)]
    response_history: [f64; 0],
    /// Not kept.
    #[schema(required)]
    storage: Option<f64>,
    /// Empty.
    #[schema(value_type = Vec<f64>)]
    storage_history: [f64; 0],
}

/// Those of one of `listed` services. Reading them changes nothing.
pub(crate) fn fields(site: &Site, service: &Service, listed: usize) -> Fields {
    let current = site.app.live.one(&service.id, Timestamp::now());
    let most = (MOST_IN_A_LIST / listed.max(1)).clamp(1, MOST_POINTS);
    Fields {
        status: current.as_ref().map_or("unknown", status),
        last_check: current.as_ref().and_then(|current| current.sampled_at).map(time),
        response_time: None,
        traffic: current.as_ref().and_then(|current| now(site, service, current)),
        traffic_history: current
            .as_ref()
            .map(|current| points(site, service, current, most))
            .unwrap_or_default(),
        response_history: [],
        storage: None,
        storage_history: [],
    }
}

fn status(current: &Current) -> &'static str {
    match current.state {
        State::Live | State::Idle => "online",
        State::Silent => "offline",
        State::New => "unknown",
    }
}
