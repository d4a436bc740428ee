//! `/api/traffic/analytics`: the hour of the week, and week against week.

use axum::{Json, extract::State};
use jiff::Timestamp;
use komandorr_collector::read::{HourCell, WeekReport};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    access::Visitor,
    error::Failure,
    params::{Params, ScopeParams},
    site::Shared,
};

/// Most weeks that one question may go back: two years.
const MOST_WEEKS: u32 = 104;

/// What an hour of the week is usually like.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HourlyAnswer {
    /// Over so many weeks.
    #[schema(example = 4)]
    weeks: u32,
    /// In which days and hours are cut.
    #[schema(example = "Europe/Berlin")]
    time_zone: String,
    /// 168 cells, Monday's first hour first.
    #[schema(min_items = 168, max_items = 168)]
    cells: Vec<HourCell>,
    /// The cell with the highest mean of both directions together.
    #[schema(required)]
    busiest: Option<HourCell>,
    /// The cell with the lowest mean of both directions together.
    #[schema(required)]
    quietest: Option<HourCell>,
}

/// Week against week.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WeeklyAnswer {
    /// In which weeks are cut.
    #[schema(example = "Europe/Berlin")]
    time_zone: String,
    /// Oldest first; the last is the one that runs.
    weeks: Vec<WeekReport>,
}

/// What each hour of the week is usually like.
///
/// Means over the last weeks, in the site's time zone.
#[utoipa::path(
    get, path = "/api/traffic/analytics/hourly", tag = "Traffic", operation_id = "hourly",
    params(
        ("weeks" = Option<u32>, Query, description = "Over so many weeks before now.",
            minimum = 1, maximum = 104, example = 4),
        ScopeParams,
    ),
    responses((status = 200, description = "The profile of the week", body = HourlyAnswer))
)]
pub(crate) async fn hourly(
    State(site): State<Shared>,
    visitor: Visitor,
    params: Params,
) -> Result<Json<HourlyAnswer>, Failure> {
    let weeks = params.number("weeks", 1..=MOST_WEEKS)?.unwrap_or(4);
    let scope = visitor.narrow(params.scope()?)?;
    site.check(&scope)?;
    let now = Timestamp::now();
    let profile = site.app.reader.hour_profile(&scope, weeks, now).await?;
    Ok(Json(HourlyAnswer {
        weeks,
        time_zone: site.clock.zone_name(now),
        cells: profile.cells,
        busiest: profile.busiest,
        quietest: profile.quietest,
    }))
}

/// Volumes, means, peaks and percentiles of each week.
///
/// ISO weeks of the site's time zone, each against the one before it.
#[utoipa::path(
    get, path = "/api/traffic/analytics/weekly", tag = "Traffic", operation_id = "weekly",
    params(
        ("weeks" = Option<u32>, Query, description = "So many weeks, this one included.",
            minimum = 1, maximum = 104, example = 8),
        ScopeParams,
    ),
    responses((status = 200, description = "The weeks", body = WeeklyAnswer))
)]
pub(crate) async fn weekly(
    State(site): State<Shared>,
    visitor: Visitor,
    params: Params,
) -> Result<Json<WeeklyAnswer>, Failure> {
    let weeks = params.number("weeks", 1..=MOST_WEEKS)?.unwrap_or(8);
    let scope = visitor.narrow(params.scope()?)?;
    site.check(&scope)?;
    let now = Timestamp::now();
    let weeks = site.app.reader.weekly(&scope, weeks, now).await?;
    Ok(Json(WeeklyAnswer { time_zone: site.clock.zone_name(now), weeks }))
}
