//! `/api/traffic`: what goes on now, what went on, and the live stream.

use std::convert::Infallible;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
};
use futures_util::Stream;
use jiff::Timestamp;
use komandorr_collector::read::{Scope, Series, Step};
use komandorr_wire::ServiceId;
use serde::Serialize;

use crate::{
    access::{Needs, Visitor},
    error::Failure,
    hub::{self, View},
    params::Params,
    site::{Shared, Site},
};

/// Most rows that a dashboard's stream follows: two pages of the table.
const MOST_ROWS: usize = 100;

#[derive(Debug, Serialize)]
struct History {
    from: Timestamp,
    to: Timestamp,
    /// Length of a step in seconds; 0 for samples as they came.
    step_seconds: i64,
    series: Vec<Series>,
}

/// `GET /api/traffic/current`
pub(crate) async fn current(
    State(site): State<Shared>,
    visitor: Visitor,
    params: Params,
) -> Result<Response, Failure> {
    let frame = site.hub.fresh();
    let json = match visitor.narrow_to(params.service()?)? {
        None => frame.json().to_owned(),
        Some(id) => frame.json_of(&id).ok_or_else(|| Failure::unknown_service(id.as_str()))?,
    };
    Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response())
}

/// `GET /api/traffic/history`
pub(crate) async fn history(
    State(site): State<Shared>,
    visitor: Visitor,
    params: Params,
) -> Result<Response, Failure> {
    let scope = visitor.narrow(params.scope()?)?;
    check(&site, &scope)?;
    let range = params.range(Timestamp::now())?;
    let step = params.step()?.unwrap_or_else(|| Step::for_range(range));
    let series = site.app.reader.history(&scope, range, step).await?;
    let step_seconds = step.length_ms().unwrap_or_default() / 1000;
    Ok(Json(History { from: range.from, to: range.to, step_seconds, series }).into_response())
}

/// Answers 404 for a service that is not registered.
fn check(site: &Site, scope: &Scope) -> Result<(), Failure> {
    match scope {
        Scope::One(id) if !site.knows(id) => Err(Failure::unknown_service(id.as_str())),
        _ => Ok(()),
    }
}

/// `GET /api/traffic/stream`: `traffic` events for everybody; with `view=`
/// the parts of a page for the site's own script.
pub(crate) async fn stream(
    State(site): State<Shared>,
    visitor: Visitor,
    headers: HeaderMap,
    params: Params,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let view = view(&site, &visitor, &params)?;
    // A browser that reconnects says what it saw last.
    let resumed = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let since: Option<u64> = params.parse("since", "a frame's number")?;
    let known = resumed.or(since).unwrap_or_default();
    Ok(Sse::new(hub::stream(site, view, known)))
}

fn view(site: &Site, visitor: &Visitor, params: &Params) -> Result<View, Failure> {
    match params.text("view") {
        None => {
            let service = visitor.narrow_to(params.service()?)?;
            if let Some(id) = &service {
                check(site, &Scope::One(id.clone()))?;
            }
            Ok(View::Current(service))
        }
        // The parts of pages, which are for whoever sees everything.
        Some(_) if !visitor.may(Needs::ReadAll) => Err(Failure::forbidden()),
        Some("clock") => Ok(View::Clock),
        Some("service") => {
            let id = params.service()?.ok_or_else(|| Failure::invalid("service is missing"))?;
            Ok(View::Service(id))
        }
        Some("dashboard") => {
            let rows = params.text("rows").unwrap_or_default().split(',').take(MOST_ROWS);
            Ok(View::Dashboard(rows.filter_map(|id| ServiceId::new(id).ok()).collect()))
        }
        Some(_) => Err(Failure::invalid("view must be dashboard, service or clock")),
    }
}
