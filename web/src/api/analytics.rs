//! `/api/traffic/analytics`: the hour of the week, and week against week.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde_json::json;

use crate::{access::Visitor, error::Failure, params::Params, site::Shared};

/// Most weeks that one question may go back: two years.
const MOST_WEEKS: u32 = 104;

/// `GET /api/traffic/analytics/hourly`
pub(crate) async fn hourly(
    State(site): State<Shared>,
    visitor: Visitor,
    params: Params,
) -> Result<Response, Failure> {
    let weeks = params.number("weeks", 1..=MOST_WEEKS)?.unwrap_or(4);
    let scope = visitor.narrow(params.scope()?)?;
    let now = Timestamp::now();
    let profile = site.app.reader.hour_profile(&scope, weeks, now).await?;
    let zone = site.clock.zone_name(now);
    let answer = json!({
        "weeks": weeks,
        "time_zone": zone,
        "cells": profile.cells,
        "busiest": profile.busiest,
        "quietest": profile.quietest,
    });
    Ok(Json(answer).into_response())
}

/// `GET /api/traffic/analytics/weekly`
pub(crate) async fn weekly(
    State(site): State<Shared>,
    visitor: Visitor,
    params: Params,
) -> Result<Response, Failure> {
    let weeks = params.number("weeks", 1..=MOST_WEEKS)?.unwrap_or(8);
    let scope = visitor.narrow(params.scope()?)?;
    let now = Timestamp::now();
    let reports = site.app.reader.weekly(&scope, weeks, now).await?;
    let zone = site.clock.zone_name(now);
    Ok(Json(json!({"time_zone": zone, "weeks": reports})).into_response())
}
