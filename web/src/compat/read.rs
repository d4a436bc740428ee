//! What the original's dashboards ask for.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use komandorr_collector::registry::Service;
use serde::Serialize;
use serde_json::json;

use super::{
    Point,
    body::Problem,
    shown::{MOST_POINTS, Now, now, points},
};
use crate::{
    access::Visitor,
    error::Failure,
    params::Params,
    site::{Shared, Site},
};

/// `current` of a service that never reported, to the byte.
const NEVER: &str = concat!(
    r#"{"bandwidth_up":0.0,"bandwidth_down":0.0,"total_up":0.0,"total_down":0.0,"#,
    r#""last_updated":null}"#
);
/// Points of each service in the summary.
const POINTS_OF_SUMMARY: usize = 60;

/// Whether the server is there, as the original says it.
#[utoipa::path(
    get, path = "/api/health", tag = "Original", operation_id = "originalHealth",
    responses(
        (status = 200, description = "It is", body = serde_json::Value),
        (status = "4XX", description = "Refused: `detail` says why", body = serde_json::Value),
        (status = "5XX", description = "Not now: `detail` says why", body = serde_json::Value),
    )
)]
pub(crate) async fn health(State(site): State<Shared>) -> Response {
    let services = site.app.registry.len();
    let version = env!("CARGO_PKG_VERSION");
    let answer = json!({"status": "healthy", "version": version, "services_count": services});
    Json(answer).into_response()
}

/// A service that the visitor may read; another is as if it were not.
fn seen(site: &Site, visitor: &Visitor, id: &str) -> Result<Arc<Service>, Failure> {
    let service = site.service(id)?;
    let hidden = || Failure::unknown_service(id);
    visitor.sees(&service.id).then_some(service).ok_or_else(hidden)
}

/// A service's traffic now, as the original says it.
#[utoipa::path(
    get, path = "/api/traffic/{id}/current", tag = "Original", operation_id = "originalCurrent",
    params(("id" = String, Path, description = "The service's id", example = "edge-fra-01")),
    responses(
        (status = 200, description = "The traffic; `last_updated` is null where there was none", body = serde_json::Value),
        (status = "4XX", description = "Refused: `detail` says why", body = serde_json::Value),
        (status = "5XX", description = "Not now: `detail` says why", body = serde_json::Value),
    )
)]
pub(crate) async fn current(
    State(site): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let service = seen(&site, &visitor, &id)?;
    let current = site.app.live.one(&service.id, Timestamp::now());
    let now = current.and_then(|current| now(&site, &service, &current));
    Ok(match now {
        Some(now) => Json(now).into_response(),
        None => ([(header::CONTENT_TYPE, "application/json")], NEVER).into_response(),
    })
}

/// A service's last reports, as the original says them.
#[utoipa::path(
    get, path = "/api/traffic/{id}/history", tag = "Original", operation_id = "originalHistory",
    params(
        ("id" = String, Path, description = "The service's id", example = "edge-fra-01"),
        ("limit" = Option<i64>, Query, description = "Most points, 1 to 100"),
    ),
    responses(
        (status = 200, description = "The points, oldest first", body = Vec<Point>),
        (status = "4XX", description = "Refused: `detail` says why", body = serde_json::Value),
        (status = "5XX", description = "Not now: `detail` says why", body = serde_json::Value),
    )
)]
pub(crate) async fn history(
    State(site): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Failure> {
    let limit = match params.last("limit") {
        None => MOST_POINTS,
        Some(text) => {
            let Some(limit) = integer(text) else {
                let detail = json!({"detail": [Problem::no_integer("limit", text)]});
                return Ok((StatusCode::UNPROCESSABLE_ENTITY, Json(detail)).into_response());
            };
            limit
        }
    };
    let service = seen(&site, &visitor, &id)?;
    let current = site.app.live.one(&service.id, Timestamp::now());
    let points =
        current.map(|current| points(&site, &service, &current, limit)).unwrap_or_default();
    Ok(Json(points).into_response())
}

/// A whole number within 1 to [`MOST_POINTS`], clamped, as Python reads one.
fn integer(text: &str) -> Option<usize> {
    let text = text.trim();
    let whole = text.split_once('.').map_or(Some(text), |(whole, rest)| {
        rest.bytes().all(|byte| byte == b'0').then_some(whole)
    })?;
    let digits = whole.strip_prefix(['-', '+']).unwrap_or(whole);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if whole.starts_with('-') {
        return Some(1);
    }
    // Too many digits for a number are too many points as well.
    Some(digits.parse().unwrap_or(MOST_POINTS).clamp(1, MOST_POINTS))
}

/// `GET /api/traffic/summary`
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    total_services: usize,
    services_with_traffic: usize,
    total_bandwidth_up: f64,
    total_bandwidth_down: f64,
    total_traffic_up: f64,
    total_traffic_down: f64,
    services: Vec<Item>,
}

#[derive(Debug, Serialize)]
struct Item {
    id: String,
    name: String,
    #[serde(flatten)]
    now: Now,
    traffic_history: Vec<Point>,
}

impl Summary {
    /// Of all services that a visitor sees, in the order of their creation.
    pub(super) fn of(site: &Site, visitor: &Visitor) -> Self {
        let at = Timestamp::now();
        let mut registered = site.app.registry.services();
        registered.retain(|service| visitor.sees(&service.id));
        registered.sort_by_key(|service| service.number);
        let item = |service: &Arc<Service>| {
            let current = site.app.live.one(&service.id, at)?;
            let now = now(site, service, &current)?;
            let traffic_history = points(site, service, &current, POINTS_OF_SUMMARY);
            let (id, name) = (service.id.to_string(), service.name.clone());
            Some(Item { id, name, now, traffic_history })
        };
        let services: Vec<Item> = registered.iter().filter_map(item).collect();
        let sum = |of: fn(&Now) -> f64, decimals: f64| {
            let sum: f64 = services.iter().map(|item| of(&item.now)).sum();
            (sum * decimals).round() / decimals
        };
        Self {
            total_services: registered.len(),
            services_with_traffic: services.len(),
            total_bandwidth_up: sum(|now| now.bandwidth_up, 100.0),
            total_bandwidth_down: sum(|now| now.bandwidth_down, 100.0),
            total_traffic_up: sum(|now| now.total_up, 1000.0),
            total_traffic_down: sum(|now| now.total_down, 1000.0),
            services,
        }
    }
}

/// All traffic now, as the original says it.
#[utoipa::path(
    get, path = "/api/traffic/summary", tag = "Original", operation_id = "originalSummary",
    responses(
        (status = 200, description = "The sums, and every service that ever reported", body = serde_json::Value),
        (status = "4XX", description = "Refused: `detail` says why", body = serde_json::Value),
        (status = "5XX", description = "Not now: `detail` says why", body = serde_json::Value),
    )
)]
pub(crate) async fn summary(State(site): State<Shared>, visitor: Visitor) -> Json<Summary> {
    Json(Summary::of(&site, &visitor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_read_as_python_reads_it_and_clamped() {
        for (text, limit) in [
            ("7", Some(7)),
            (" +7 ", Some(7)),
            ("7.0", Some(7)),
            ("0", Some(1)),
            ("-5", Some(1)),
            ("1000", Some(100)),
            ("99999999999999999999", Some(100)),
            ("", None),
            ("7.5", None),
            ("many", None),
            ("-", None),
        ] {
            assert_eq!(integer(text), limit, "{text:?}");
        }
    }
}
