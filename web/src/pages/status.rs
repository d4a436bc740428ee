//! The pipeline: what is taken in, what is refused, and whose clock is off.

pub(crate) mod pace;
pub(crate) mod store;

use askama::Template;
use axum::{
    extract::State,
    http::{HeaderMap, Uri},
};
use jiff::Timestamp;
use komandorr_collector::{
    registry::Service,
    stats::{LATENCY_BOUNDS_MS, Refusal, Snapshot},
};
use tokio::time::Instant;

use super::{Page, Shell, Tab, Visit, render};
use crate::{
    Family, Part,
    site::{Shared, Site},
    units::{Age, Span, UNKNOWN},
};
use store::StoreView;

/// The page is drawn anew after so many seconds.
const REFRESH_SECONDS: u32 = 5;
/// A clock that is off by less than this is right, milliseconds.
const CLOCK_OFF_MS: i64 = 2_000;
/// The broker's figures of what it refused and of who is connected.
const REFUSED: &str = "komandorr_mqtt_refused_total";
const CONNECTIONS: &str = "komandorr_mqtt_connections";

#[derive(Debug, Template)]
#[template(path = "status.html")]
struct StatusPage {
    shell: Shell,
    parts: Vec<Part>,
    failing: Option<(String, String)>,
    /// Since when history is old, and why.
    behind: Option<(String, String)>,
    figures: Vec<Figure>,
    reasons: Vec<(&'static str, u64)>,
    refusals: Vec<Row>,
    agents: Vec<Agent>,
    /// `None`: the store does not answer.
    store: Option<StoreView>,
    /// Connections and more that the broker refused, by reason.
    turned_away: Vec<(String, u64)>,
    /// How many clients the broker has; `None`: it is another program's.
    connected: Option<u64>,
}

#[derive(Debug)]
struct Figure {
    word: &'static str,
    number: String,
    unit: &'static str,
    note: String,
}

#[derive(Debug)]
struct Row {
    at: String,
    service: String,
    reason: String,
    size: usize,
    bytes: String,
}

#[derive(Debug)]
struct Agent {
    id: String,
    name: String,
    seen: Age,
    since: Timestamp,
    interval: String,
    clock: String,
    off: bool,
    /// More than one agent reports as this service.
    several: usize,
}

/// `GET /status`
pub(crate) async fn page(State(site): State<Shared>, uri: Uri, headers: HeaderMap) -> Page {
    let now = Timestamp::now();
    let visit = Visit { site: &site, uri: &uri, headers: &headers };
    let mut shell = Shell::new(&visit, "Pipeline", Some(Tab::Pipeline));
    shell.refresh = REFRESH_SECONDS;
    let services = site.app.registry.services();
    let store = store::view(&site, now).await;
    // After the store has been asked: whether it answers with what is old shows then.
    let stats = site.app.stats.snapshot();
    let broker = (site.app.figures)();
    let told = |failure: &komandorr_collector::stats::Failure| {
        (site.clock.told(failure.since, now), failure.reason.clone())
    };
    render(&StatusPage {
        shell,
        parts: (site.app.ready)().parts,
        failing: stats.failing.as_ref().map(told),
        behind: stats.behind.as_ref().map(told),
        figures: figures(&site, &stats, now),
        reasons: stats.refused.iter().copied().filter(|(_, count)| *count > 0).collect(),
        refusals: stats.refusals.iter().map(|refusal| row(&site, refusal, now)).collect(),
        store,
        turned_away: turned_away(&broker),
        connected: connected(&broker),
        agents: services.iter().filter_map(|service| agent(&site, service, now)).collect(),
    })
}

fn figures(site: &Site, stats: &Snapshot, now: Timestamp) -> Vec<Figure> {
    let up = now.as_second().saturating_sub(site.started.as_second());
    let pace = site.pace.per_second(Instant::now(), stats.samples);
    let refused: u64 = stats.refused.iter().map(|(_, count)| count).sum();
    let figure = |word, number: String, unit, note| Figure { word, number, unit, note };
    let milliseconds = stats.commit_time.as_secs_f64() * 1000.0;
    #[allow(clippy::cast_precision_loss, reason = "a mean")]
    let mean = milliseconds / stats.commits.max(1) as f64;
    vec![
        figure(
            "Samples now",
            pace.map_or_else(|| UNKNOWN.to_owned(), |pace| format!("{pace:.1}")),
            "/s",
            "stored, mean of the last minute".into(),
        ),
        figure(
            "Samples stored",
            stats.samples.to_string(),
            "",
            format!(
                "in {} commit{}, {} came again",
                stats.commits,
                if stats.commits == 1 { "" } else { "s" },
                stats.repeated
            ),
        ),
        figure("Commit", format!("{mean:.1}"), "ms", slowest(stats)),
        figure(
            "Refused",
            refused.to_string(),
            "",
            format!("since the start {} ago", Span::seconds(up)),
        ),
    ]
}

/// What the broker refused: it tells with its other figures.
fn turned_away(families: &[Family]) -> Vec<(String, u64)> {
    let family = families.iter().find(|family| family.name == REFUSED);
    let values = family.into_iter().flat_map(|family| &family.values);
    let told = |(labels, count): &(String, f64)| {
        let reason = labels.split('"').nth(1).unwrap_or_default().replace('_', " ");
        (*count > 0.0).then(|| (reason, whole(*count)))
    };
    values.filter_map(told).collect()
}

/// How many clients are connected to the broker, through all its doors.
fn connected(families: &[Family]) -> Option<u64> {
    let family = families.iter().find(|family| family.name == CONNECTIONS)?;
    Some(whole(family.values.iter().map(|(_, count)| count).sum()))
}

/// A count of the broker's.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float beyond the range saturates"
)]
fn whole(count: f64) -> u64 {
    count as u64
}

/// Below which time 95 % of the commits stayed.
fn slowest(stats: &Snapshot) -> String {
    let wanted = stats.commits.saturating_mul(95).div_ceil(100);
    let mut sum = 0;
    for (count, bound) in stats.commit_buckets.iter().zip(LATENCY_BOUNDS_MS) {
        sum += count;
        if sum >= wanted {
            return format!("mean; 95 % within {bound} ms");
        }
    }
    "mean; some took longer than 5 s".into()
}

fn row(site: &Site, refusal: &Refusal, now: Timestamp) -> Row {
    let bytes: Vec<String> = refusal.first_bytes.iter().map(|b| format!("{b:02x}")).collect();
    Row {
        at: site.clock.moment(refusal.at, now),
        service: refusal.service.clone(),
        reason: refusal.reason.clone(),
        size: refusal.size,
        bytes: bytes.join(" "),
    }
}

/// The agent that was seen last.
fn agent(site: &Site, service: &Service, now: Timestamp) -> Option<Agent> {
    let agents = site.app.live.agents(&service.id, now);
    let last = agents.iter().max_by_key(|agent| agent.last_seen)?;
    let current = site.app.live.one(&service.id, now);
    let interval = current.and_then(|current| current.interval_seconds);
    let catching_up = last.behind_ms.map(|ms| Span::seconds(ms / 1000));
    let off = last.clock_corrected
        || (catching_up.is_none() && last.clock_offset_ms.abs() > CLOCK_OFF_MS);
    let seconds = Span::seconds(last.clock_offset_ms.abs() / 1000);
    Some(Agent {
        id: service.id.to_string(),
        name: service.name.clone(),
        seen: Age::between(last.last_seen, now),
        since: last.last_seen,
        interval: interval.map_or_else(|| "–".into(), |interval| format!("{interval} s")),
        clock: match (catching_up, last.clock_corrected, last.clock_offset_ms) {
            (Some(rest), _, _) => format!("catching up, {rest} to go"),
            (None, true, _) => "impossible; samples are moved to their arrival".into(),
            (None, false, ms) if ms > CLOCK_OFF_MS => format!("{seconds} behind"),
            (None, false, ms) if ms < -CLOCK_OFF_MS => format!("{seconds} ahead"),
            _ => "right".into(),
        },
        off,
        several: if agents.len() > 1 { agents.len() } else { 0 },
    })
}
