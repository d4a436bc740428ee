//! The chart of a range and its figures.

use jiff::{SignedDuration, Timestamp};
use komandorr_collector::{
    read::{Calendar, Peak, Point, Range, Scope, Series, Step, Summary},
    registry::Service,
};

use super::{
    Mark,
    coverage::{self, Coverage},
    figures::{self, Figures},
    nothing::Nothing,
    slots::{self, float},
    span::Span,
    volumes,
};
use crate::{
    chart::{self, Chart, Hover, Plot},
    error::Failure,
    pages::{Link, means},
    site::Site,
    units::Rate,
};

/// Height of the chart, px.
const HEIGHT: u32 = 300;
/// Room that a label needs below a point, px.
const LABEL_ROOM: f64 = 14.0;
/// Chart, coverage and figures of a range.
#[derive(Debug)]
pub(super) struct HistoryView {
    pub(super) heading: String,
    /// What is said of a range that is wider than the one asked for.
    pub(super) widened: Option<String>,
    /// The range in dates, for its print.
    pub(super) dates: String,
    /// How fine the chart is.
    pub(super) fineness: &'static str,
    pub(super) chart: Chart,
    pub(super) label: String,
    pub(super) marks: Vec<Mark>,
    pub(super) hovers: Vec<Hover>,
    pub(super) coverage: Coverage,
    pub(super) figures: [Figures; 2],
    /// What the 95th percentiles are of.
    pub(super) p95_of: &'static str,
    /// Which time the volumes are of.
    pub(super) volume_of: String,
    /// Where zooming leads, but for its range.
    pub(super) zoom: String,
    /// Said in place of the chart where there is nothing to draw.
    pub(super) nothing: Option<Nothing>,
    /// The same points as a file.
    pub(super) csv: String,
}

impl HistoryView {
    pub(super) fn has_percentile(&self) -> bool {
        self.chart.percentile.is_some()
    }
}

/// Reads a range and draws it.
pub(super) async fn view(
    site: &Site,
    service: &Service,
    span: &Span,
    unit: Calendar,
    begins: Option<Timestamp>,
    now: Timestamp,
) -> Result<HistoryView, Failure> {
    let finest = site.app.reader.finest_step(span.range);
    let (series, step) = read(site, service, span, finest).await?;
    let asked = span;
    let span = &asked.answered(&series.summary, now);
    let interval = site
        .app
        .live
        .one(&service.id, now)
        .and_then(|current| current.interval_seconds)
        .unwrap_or(slots::USUAL_INTERVAL);
    let mut slots = slots::of(&series.points, step, interval, now);
    slots.retain(|slot| slot.is_within(span.range.from, span.range.to));
    let tolerance = slots::tolerance(step, interval);
    let summary = &series.summary;
    let begin = begins.unwrap_or(service.created_at);
    let chart = Chart::new(&Plot {
        from: span.range.from,
        to: span.range.to,
        zone: site.clock.zone(),
        height: HEIGHT,
        slots: &slots,
        tolerance,
        expected: Some((begin, span.range.to.min(slots::last_expected(now, interval)))),
        peaks: [peak(summary.up_peak), peak(summary.down_peak)],
        percentile: summary.up_p95_bytes_per_second.map(float),
    });
    let heading = span.heading(&site.clock, now);
    let coverage = coverage::of(site, &chart, summary, begins, now);
    let nothing = chart.is_empty().then(|| Nothing::of(site, service, span, begins));
    Ok(HistoryView {
        label: figures::in_words(site, service, &heading, &coverage, summary, now),
        marks: marks(site, &chart, now),
        hovers: Hover::columns(span.range.from, span.range.to, &slots, |at| {
            site.clock.moment(at, now)
        }),
        fineness: fineness(step),
        p95_of: means(finest),
        volume_of: span.volume_of(&site.clock, now),
        figures: [true, false].map(|up| figures::of(site, summary, up, now)),
        dates: format!(
            "{} to {}",
            site.clock.dated(span.range.from),
            site.clock.dated(span.range.to)
        ),
        csv: csv(service, span, step),
        zoom: Link::to(format!("/services/{}", service.id))
            .with("per", volumes::word(unit))
            .to_string(),
        widened: asked.widened(span, finest, &site.clock, now),
        heading,
        chart,
        coverage,
        nothing,
    })
}

/// The finest history that there is of a range: samples are kept for a while, and then
/// nothing finer than `finest`.
async fn read(
    site: &Site,
    service: &Service,
    span: &Span,
    finest: Step,
) -> Result<(Series, Step), Failure> {
    let scope = Scope::One(service.id.clone());
    let reader = &site.app.reader;
    let mut step = span.step(finest);
    loop {
        let series = reader.history(&scope, span.range, step).await?;
        let series = series.into_iter().next();
        let series = series.ok_or_else(|| Failure::unknown_service(service.id.as_str()))?;
        if step == Step::Raw && !reaches(&series.points, &series.summary, span.range) {
            step = finest;
            continue;
        }
        return Ok((series, step));
    }
}

/// Whether samples are still kept from the begin of the range on.
fn reaches(points: &[Point], summary: &Summary, range: Range) -> bool {
    let Some(first) = points.first() else { return false };
    // Fewer bytes in the samples than in the buckets: older ones are gone.
    let bytes: u64 = points.iter().map(|p| p.up_bytes.saturating_add(p.down_bytes)).sum();
    let stored = summary.up_bytes.saturating_add(summary.down_bytes);
    let late = first.t.duration_since(range.from) > SignedDuration::from_mins(10);
    !late || bytes >= stored
}

fn peak(peak: Option<Peak>) -> Option<(Timestamp, f64)> {
    let peak = peak.filter(|peak| peak.bytes_per_second > 0)?;
    Some((peak.at, float(peak.bytes_per_second)))
}

/// The highest points. Download's carries its words only where there is room
/// for them between axis and edge.
fn marks(site: &Site, chart: &Chart, now: Timestamp) -> Vec<Mark> {
    let [up, down] = &chart.peaks;
    let words = |peak: &chart::Peak| {
        format!("peak {}, {}", Rate::new(peak.value), site.clock.moment(peak.at, now))
    };
    let mark = |peak: &chart::Peak, class, text_y: f64, label: String| Mark {
        class,
        x: peak.x,
        y: peak.y,
        text_y,
        left: peak.left,
        label,
    };
    let up = up.as_ref().map(|peak| mark(peak, "up", (peak.y - 6.0).max(14.0), words(peak)));
    let down = down.as_ref().map(|peak| {
        let room = f64::from(chart.height) - 30.0 - peak.y;
        let label = if room >= LABEL_ROOM { words(peak) } else { String::new() };
        mark(peak, "down", peak.y + 16.0, label)
    });
    up.into_iter().chain(down).collect()
}

/// Where the API gives the points of the chart as a file.
fn csv(service: &Service, span: &Span, step: Step) -> String {
    let link = Link::to("/api/traffic/export").with("format", "csv");
    let range = span.range;
    let link = link.with("service", &service.id).with("from", range.from).with("to", range.to);
    link.with("step", step.word()).to_string()
}

fn fineness(step: Step) -> &'static str {
    match step {
        Step::Raw => "single samples",
        Step::FiveMinutes => "means of 5 min",
        Step::Hour => "means of an hour",
        Step::Day => "means of a day",
        Step::Week => "means of a week",
    }
}
