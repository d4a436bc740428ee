//! Volumes per hour, day, week and month.

use jiff::{SignedDuration, Timestamp};
use komandorr_collector::read::{Calendar, PeriodVolume, Range, Scope};
use komandorr_wire::ServiceId;

use super::span::{Span, SpanLink};
use crate::{
    error::Failure,
    params::Params,
    site::Site,
    units::{Percent, Tagged, Volume},
    when::Clock,
};

/// The table.
#[derive(Debug)]
pub(super) struct VolumesView {
    pub(super) unit: &'static str,
    pub(super) units: Vec<SpanLink>,
    pub(super) rows: Vec<Row>,
    pub(super) text: String,
    pub(super) earlier: Option<String>,
    pub(super) later: Option<String>,
}

/// A period.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) running: bool,
    pub(super) up: Tagged,
    pub(super) down: Tagged,
    pub(super) both: Tagged,
    pub(super) coverage: Percent,
}

const UNITS: [(Calendar, &str, &str); 4] = [
    (Calendar::Hour, "hour", "Hour"),
    (Calendar::Day, "day", "Day"),
    (Calendar::Week, "week", "Week"),
    (Calendar::Month, "month", "Month"),
];

/// Which periods are asked for.
pub(super) fn unit(params: &Params) -> Result<Calendar, Failure> {
    match params.text("per") {
        None => Ok(Calendar::Day),
        Some(word) => UNITS
            .iter()
            .find(|(_, known, _)| *known == word)
            .map(|(unit, ..)| *unit)
            .ok_or_else(|| Failure::invalid("per must be hour, day, week or month")),
    }
}

/// The parameter of a unit; the usual one has none.
pub(super) fn word(unit: Calendar) -> &'static str {
    match UNITS.iter().find(|(known, ..)| *known == unit) {
        Some((known, word, _)) if *known != Calendar::Day => word,
        _ => "",
    }
}

/// How many periods a page of the table has, and about how long that is.
fn page(unit: Calendar) -> (usize, SignedDuration) {
    let days = |days: i64| SignedDuration::from_hours(24 * days);
    match unit {
        Calendar::Hour => (24, SignedDuration::from_hours(23)),
        Calendar::Day => (14, days(13)),
        Calendar::Week => (12, days(7 * 11)),
        Calendar::Month | Calendar::Year => (12, days(335)),
    }
}

/// Reads a page of periods that ends at `before`, or now.
pub(super) async fn view(
    site: &Site,
    id: &ServiceId,
    span: &Span,
    unit: Calendar,
    params: &Params,
    now: Timestamp,
) -> Result<VolumesView, Failure> {
    let end = params.moment("before")?.unwrap_or(now).min(now);
    let (most, length) = page(unit);
    let from = end.checked_sub(length).unwrap_or(end);
    let range =
        Range::new(from, end).ok().ok_or_else(|| Failure::invalid("before is too early"))?;
    let scope = Scope::One(id.clone());
    let mut periods = site.app.reader.volumes(&scope, range, unit).await?;
    periods.reverse();
    periods.truncate(most);
    let path = format!("/services/{id}");
    let link = |unit| span.link(&path).with("per", word(unit));
    let earliest = periods.last().map(|period| period.start);
    let any_earlier = periods.last().is_some_and(|period| period.covered_ms > 0);
    // Before the first sample there was no service, so there is no row either.
    while periods.len() > 1 && periods.last().is_some_and(|period| period.covered_ms == 0) {
        periods.pop();
    }
    let units = UNITS.iter().map(|(known, _, title)| SpanLink {
        href: format!("{}#volumes", link(*known)),
        word: title,
        current: *known == unit,
    });
    let clock = &site.clock;
    let ends = (periods.last(), periods.first());
    Ok(VolumesView {
        unit: UNITS.iter().find(|(known, ..)| *known == unit).map_or("Day", |(.., title)| title),
        units: units.collect(),
        text: match ends {
            (Some(first), Some(last)) if unit == Calendar::Hour => {
                format!("{} to {}", clock.hour(first.start), clock.hour(last.start))
            }
            (Some(first), Some(last)) => {
                format!("{} to {}", clock.date(first.start), clock.date(last.start))
            }
            _ => String::new(),
        },
        earlier: earliest
            .filter(|_| any_earlier)
            .map(|start| format!("{}#volumes", link(unit).with("before", start))),
        later: (end < now).then(|| format!("{}#volumes", link(unit))),
        rows: periods.iter().map(|period| row(clock, unit, period, now)).collect(),
    })
}

fn row(clock: &Clock, unit: Calendar, period: &PeriodVolume, now: Timestamp) -> Row {
    let past = period.end.min(now).as_millisecond() - period.start.as_millisecond();
    #[allow(clippy::cast_precision_loss, reason = "a percentage")]
    let coverage = period.covered_ms as f64 / past.max(1) as f64 * 100.0;
    Row {
        name: match unit {
            Calendar::Hour => clock.hour(period.start),
            Calendar::Day => clock.day(period.start),
            Calendar::Week => clock.week(period.start),
            Calendar::Month | Calendar::Year => clock.month(period.start),
        },
        running: period.end > now,
        up: Volume::new(period.volume.up_bytes).tagged(),
        down: Volume::new(period.volume.down_bytes).tagged(),
        both: Volume::new(period.volume.total()).tagged(),
        coverage: Percent::new(coverage.min(100.0)),
    }
}
