//! The views of the page as CSV files: the same rows, in whole bytes.

use axum::{extract::State, response::Response};

use super::{Question, talkers as talkers_view, week as week_view};
use crate::{
    error::Failure,
    params::Params,
    sheet::{self, Cell},
    site::Shared,
};

/// `GET /analytics/hours.csv`: the hours of the week.
pub(crate) async fn hours(State(site): State<Shared>, params: Params) -> Result<Response, Failure> {
    let Question { scope, weeks, now, .. } = Question::of(&site, &params)?;
    let profile = site.app.reader.hour_profile(&scope, weeks, now).await?;
    let head = [
        "weekday",
        "hour",
        "up_bytes_per_second",
        "down_bytes_per_second",
        "total_bytes_per_second",
        "hours_seen",
    ];
    let rows = profile.cells.iter().map(|cell| {
        let (up, down) = (cell.up_bytes_per_second, cell.down_bytes_per_second);
        let total = up.zip(down).map(|(up, down)| up.saturating_add(down));
        [
            Cell::from(cell.weekday),
            cell.hour.into(),
            up.into(),
            down.into(),
            total.into(),
            cell.hours_seen.into(),
        ]
    });
    sheet::file("hours-of-the-week.csv", head, rows)
}

/// `GET /analytics/week.csv`: this week against the last, up to the same time.
pub(crate) async fn week(State(site): State<Shared>, params: Params) -> Result<Response, Failure> {
    let Question { scope, now, .. } = Question::of(&site, &params)?;
    let weeks = week_view::read(&site, &scope, now).await?;
    let head = ["day", "date", "this_week_bytes", "last_week_bytes", "change_percent"];
    let (new, old) = weeks.sums();
    let days = weeks.days.iter().map(|day| {
        let date = site.clock.iso_date(day.start);
        let change = day.change();
        [day.day.into(), date.into(), day.new.into(), day.old.into(), change.into()]
    });
    let change = week_view::change(new, old);
    let sum = ["To the same time".into(), "".into(), new.into(), old.into(), change.into()];
    sheet::file("week-against-week.csv", head, days.chain([sum]))
}

/// `GET /analytics/talkers.csv`: the top talkers with their percentiles.
pub(crate) async fn talkers(
    State(site): State<Shared>,
    params: Params,
) -> Result<Response, Failure> {
    let Question { scope, range, .. } = Question::of(&site, &params)?;
    let reader = &site.app.reader;
    let talkers = reader.top_talkers(&scope, range, talkers_view::SHOWN);
    let (whole, talkers) = tokio::try_join!(reader.summary(&scope, range), talkers)?;
    let head = [
        "service",
        "name",
        "up_bytes",
        "down_bytes",
        "share_percent",
        "up_p95_bytes_per_second",
        "down_p95_bytes_per_second",
        "up_peak_bytes_per_second",
    ];
    let rows = talkers.busiest.iter().map(|talker| {
        let summary = &talker.summary;
        [
            Cell::from(talker.service.as_str()),
            talker.name.as_str().into(),
            summary.up_bytes.into(),
            summary.down_bytes.into(),
            Some(talkers_view::share(summary, &whole)).into(),
            summary.up_p95_bytes_per_second.into(),
            summary.down_p95_bytes_per_second.into(),
            summary.up_peak.map(|peak| peak.bytes_per_second).into(),
        ]
    });
    sheet::file("top-talkers.csv", head, rows)
}
