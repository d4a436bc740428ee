//! `/api/traffic`: what goes on now, what went on, and the live stream.

mod step;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderName, header},
    response::{IntoResponse, Response, sse::Sse},
};
use jiff::Timestamp;
use komandorr_collector::read::Series;
use komandorr_wire::ServiceId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    access::{Needs, Pass, Visitor},
    error::Failure,
    etag,
    hub::{self, CurrentAnswer, View},
    params::{Params, RangeParams, ScopeParams, StepParams},
    site::{Shared, Site},
};

/// Most rows that a dashboard's stream follows: two pages of the table.
const MOST_ROWS: usize = 100;

/// Tells reverse proxies such as nginx to pass on an event when it comes, and
/// not when their buffer is full.
const UNBUFFERED: (HeaderName, &str) = (HeaderName::from_static("x-accel-buffering"), "no");

/// What went on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct History {
    /// Begin of the range asked for.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// Its end.
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    /// Length of a step in seconds; 0 for samples as they came.
    #[schema(example = 300)]
    step_seconds: i64,
    /// One for each service.
    series: Vec<Series>,
}

/// What goes on now: every service with its speeds, volumes and state.
///
/// `totals` are the sums of the services that the answer lists.
#[utoipa::path(
    get, path = "/api/traffic/current", tag = "Traffic", operation_id = "current",
    params(("service" = Option<String>, Query, description = "Only this service.",
        pattern = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", example = "edge-fra-01")),
    responses((status = 200, description = "The state of this moment", body = CurrentAnswer))
)]
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

/// What went on: points of every service, and their summary.
///
/// Without `hours`, `from` and `to` the last 24 hours; without `step` the finest that is kept and
/// gives at most 1500 points. Where there is no data there is no point.
/// All series together hold at most 300000 points: of very many services ask for one or a group.
/// The answer for a range that is over carries an `etag`: ask with `if-none-match`, and 304 says
/// that nothing has changed, not even by samples that came late.
#[utoipa::path(
    get, path = "/api/traffic/history", tag = "Traffic", operation_id = "history",
    params(RangeParams, ScopeParams, StepParams),
    responses(
        (status = 200, description = "The history", body = History),
        (status = 304, description = "It is what the tag in `if-none-match` stands for"),
    )
)]
pub(crate) async fn history(
    State(site): State<Shared>,
    visitor: Visitor,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Failure> {
    let scope = visitor.narrow(params.scope()?)?;
    site.check(&scope)?;
    let now = Timestamp::now();
    let range = params.range(now)?;
    let reader = &site.app.reader;
    let kept = reader.finest_step(range);
    let step = step::fitting(params.step()?, range, site.count(&scope), kept)?;
    let series = reader.history(&scope, range, step).await?;
    let step_seconds = step.length_ms().unwrap_or_default() / 1000;
    let history = History { from: range.from, to: range.to, step_seconds, series };
    if range.to > now || params.text("to").is_none() {
        return Ok(Json(history).into_response());
    }
    let json = serde_json::to_vec(&history).ok().ok_or_else(Failure::internal)?;
    Ok(etag::tagged(&headers, "application/json", json))
}

/// What goes on, as it changes: Server-Sent Events.
///
/// Each event `traffic` has the same data as `/api/traffic/current`: the first at once, then at
/// most one a second, and only when something changed. An event `alive` without data comes after
/// ten seconds of silence.
#[utoipa::path(
    get, path = "/api/traffic/stream", tag = "Traffic", operation_id = "stream",
    params(
        ("service" = Option<String>, Query, description = "Only this service.",
            pattern = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", example = "edge-fra-01"),
        ("view" = Option<String>, Query, description = "Parts of a page, for the site's own script alone.",
            pattern = "^(dashboard|service|clock)$"),
        ("rows" = Option<String>, Query, description = "Services of the page, with commas between; for `view=dashboard`.",
            max_length = 6600),
        ("since" = Option<u64>, Query, description = "Number of the last event that is known, as `last-event-id`."),
    ),
    responses((
        status = 200, description = "Events until the connection ends",
        body = String, content_type = "text/event-stream",
        example = "event: traffic\ndata: {\"as_of\": \"2026-11-20T19:14:08Z\", ...}\nid: 1763666048000\n"
    ))
)]
pub(crate) async fn stream(
    State(site): State<Shared>,
    (visitor, pass): (Visitor, Pass),
    headers: HeaderMap,
    params: Params,
) -> Result<impl IntoResponse, Failure> {
    let view = view(&site, &visitor, &params)?;
    // A browser that reconnects says what it saw last.
    let resumed = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let since: Option<u64> = params.parse("since", "a frame's number")?;
    let known = resumed.or(since).unwrap_or_default();
    Ok(([UNBUFFERED], Sse::new(hub::stream(site, pass, view, known))))
}

fn view(site: &Site, visitor: &Visitor, params: &Params) -> Result<View, Failure> {
    match params.text("view") {
        None => {
            let service = visitor.narrow_to(params.service()?)?;
            if let Some(id) = &service {
                site.service(id.as_str())?;
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
