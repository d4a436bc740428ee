//! Volumes per hour, day, week and month.

use axum::{
    extract::{Path, State},
    response::Response,
};
use jiff::{SignedDuration, Timestamp};
use komandorr_collector::read::{Calendar, PeriodVolume, Range, Scope};
use komandorr_wire::ServiceId;

use super::span::{Span, SpanLink};
use crate::{
    error::Failure,
    pages::Link,
    params::Params,
    sheet::{self, Cell},
    site::{Shared, Site},
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
    /// The same rows as a file.
    pub(super) csv: String,
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

/// The periods that a page of the table holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page {
    pub(super) unit: Calendar,
    /// The last one holds this moment.
    end: Timestamp,
    /// When the service's traffic begins.
    begins: Option<Timestamp>,
    now: Timestamp,
}

impl Page {
    /// The page that ends at `before`, or now.
    pub(super) fn of(
        params: &Params,
        unit: Calendar,
        begins: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let end = params.moment("before")?.unwrap_or(now).min(now);
        Ok(Self { unit, end, begins, now })
    }

    /// How many periods it has, and about how long that is.
    fn size(&self) -> (usize, SignedDuration) {
        let days = |days: i64| SignedDuration::from_hours(24 * days);
        match self.unit {
            Calendar::Hour => (24, SignedDuration::from_hours(23)),
            Calendar::Day => (14, days(13)),
            Calendar::Week => (12, days(7 * 11)),
            Calendar::Month | Calendar::Year => (12, days(335)),
        }
    }

    /// Its periods, the latest first; none from before the first sample,
    /// when there was nothing to count.
    pub(super) async fn read(
        &self,
        site: &Site,
        id: &ServiceId,
    ) -> Result<Vec<PeriodVolume>, Failure> {
        let (most, length) = self.size();
        let from = self.end.checked_sub(length).unwrap_or(self.end);
        let range = Range::new(from, self.end);
        let range = range.ok().ok_or_else(|| Failure::invalid("before is too early"))?;
        let scope = Scope::One(id.clone());
        let mut periods = site.app.reader.volumes(&scope, range, self.unit).await?;
        periods.reverse();
        periods.truncate(most);
        let begins = self.begins.unwrap_or(self.now);
        let existing = periods.iter().take_while(|period| period.end > begins).count();
        periods.truncate(existing.max(1));
        Ok(periods)
    }

    /// The part of a period, as far as it is past and there was something to
    /// count, that samples cover; percent.
    fn coverage(&self, period: &PeriodVolume) -> f64 {
        let begin = self.begins.map_or(period.start, |begins| begins.max(period.start));
        let past = period.end.min(self.now).as_millisecond() - begin.as_millisecond();
        #[allow(clippy::cast_precision_loss, reason = "a percentage")]
        let percent = period.covered_ms as f64 / past.max(1) as f64 * 100.0;
        percent.min(100.0)
    }
}

/// Reads a page and links to the others.
pub(super) async fn view(
    site: &Site,
    id: &ServiceId,
    span: &Span,
    page: &Page,
    now: Timestamp,
) -> Result<VolumesView, Failure> {
    let periods = page.read(site, id).await?;
    let (unit, path) = (page.unit, format!("/services/{id}"));
    let link = |unit| span.link(&path).with("per", word(unit));
    let earliest = periods.last().map(|period| period.start);
    let any_earlier = earliest.zip(page.begins).is_some_and(|(start, begins)| begins < start);
    let units = UNITS.iter().map(|(known, _, title)| SpanLink {
        href: format!("{}#volumes", link(*known)),
        word: title,
        current: *known == unit,
    });
    let clock = &site.clock;
    let shown = if page.end < now { page.end.to_string() } else { String::new() };
    let csv = Link::to(format!("{path}/volumes.csv")).with("per", word(unit));
    Ok(VolumesView {
        unit: UNITS.iter().find(|(known, ..)| *known == unit).map_or("Day", |(.., title)| title),
        units: units.collect(),
        csv: csv.with("before", shown).to_string(),
        text: text(clock, unit, &periods),
        earlier: earliest
            .filter(|_| any_earlier)
            .map(|start| format!("{}#volumes", link(unit).with("before", start))),
        later: (page.end < now).then(|| format!("{}#volumes", link(unit))),
        rows: periods.iter().map(|period| row(clock, page, period)).collect(),
    })
}

/// From when to when, in words.
fn text(clock: &Clock, unit: Calendar, periods: &[PeriodVolume]) -> String {
    let Some((first, last)) = periods.last().zip(periods.first()) else { return String::new() };
    let of = |at| if unit == Calendar::Hour { clock.hour(at) } else { clock.date(at) };
    if periods.len() == 1 {
        of(first.start)
    } else {
        format!("{} to {}", of(first.start), of(last.start))
    }
}

fn row(clock: &Clock, page: &Page, period: &PeriodVolume) -> Row {
    Row {
        name: match page.unit {
            Calendar::Hour => clock.hour(period.start),
            Calendar::Day => clock.day(period.start),
            Calendar::Week => clock.week(period.start),
            Calendar::Month | Calendar::Year => clock.month(period.start),
        },
        running: period.end > page.now,
        up: Volume::new(period.volume.up_bytes).tagged(),
        down: Volume::new(period.volume.down_bytes).tagged(),
        both: Volume::new(period.volume.total()).tagged(),
        coverage: Percent::new(page.coverage(period)),
    }
}

/// `GET /services/{id}/volumes.csv`: the rows of a page of the table.
pub(crate) async fn file(
    State(site): State<Shared>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Failure> {
    let id = site.service(&id)?.id.clone();
    let (begins, now) = (site.app.reader.begins(&id).await?, Timestamp::now());
    let page = Page::of(&params, unit(&params)?, begins, now)?;
    let periods = page.read(&site, &id).await?;
    let head = ["from", "to", "up_bytes", "down_bytes", "total_bytes", "coverage_percent"];
    let rows = periods.iter().map(|period| {
        [
            Cell::from(site.clock.iso(period.start)),
            site.clock.iso(period.end).into(),
            period.volume.up_bytes.into(),
            period.volume.down_bytes.into(),
            period.volume.total().into(),
            Some(page.coverage(period)).into(),
        ]
    });
    sheet::file(&format!("{id}-volumes.csv"), head, rows)
}
