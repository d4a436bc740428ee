//! What the server stored, asked for through its API, against what was sent.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::Context;
use komandorr_wire::ServiceId;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::{agents::Outcome, register::Api, template::sums};

/// How long the last samples without acknowledgement may take to arrive.
const SETTLES_WITHIN: Duration = Duration::from_secs(10);

/// Sums over all services of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Volume {
    pub(crate) up_bytes: u64,
    pub(crate) down_bytes: u64,
}

/// The comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Comparison {
    /// Samples that the agents made, each counted once.
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
    /// Samples that the server's counter grew by, those of others included.
    pub(crate) counted: u64,
    /// What the acknowledged samples report.
    pub(crate) expected: Volume,
    /// What the server's history says.
    pub(crate) stored: Volume,
    /// Services whose history is less than what was acknowledged, or more than
    /// what was sent.
    pub(crate) different_services: usize,
    /// Every service has at least what was acknowledged and at most what was sent.
    pub(crate) holds: bool,
}

#[derive(Deserialize)]
struct History {
    series: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    service: String,
    points: Vec<Point>,
}

#[derive(Deserialize)]
struct Point {
    up_bytes: u64,
    down_bytes: u64,
}

/// Samples that the server has stored since its start.
pub(crate) async fn counted(api: &Api) -> anyhow::Result<u64> {
    let text = api.get("/metrics").await?.text().await?;
    let value = text.lines().find_map(|line| line.strip_prefix("komandorr_samples_total "));
    let value = value.context("/metrics does not tell komandorr_samples_total")?;
    value.trim().parse().context("komandorr_samples_total is no number")
}

/// Compares what the agents sent with what the server has.
pub(crate) async fn compare(
    api: &Api,
    outcomes: &[Outcome],
    counted_before: u64,
    begun: Instant,
) -> anyhow::Result<Comparison> {
    let sent = outcomes.iter().map(|outcome| outcome.sent).sum();
    let acknowledged = outcomes.iter().map(|outcome| outcome.acknowledged).sum();
    let settled = Instant::now();
    let mut counted_now = counted(api).await?;
    while counted_now - counted_before < sent && settled.elapsed() < SETTLES_WITHIN {
        // Without acknowledgement nobody says that it has arrived.
        sleep(Duration::from_millis(200)).await;
        counted_now = counted(api).await?;
    }
    let stored = stored(api, begun).await?;
    let (mut least, mut most) = (BTreeMap::new(), BTreeMap::new());
    for outcome in outcomes {
        add(&mut least, &outcome.service, sums(outcome.acknowledged));
        add(&mut most, &outcome.service, sums(outcome.sent));
    }
    let within = |service: &ServiceId, least: &Volume| {
        let stored = stored.get(service.as_str()).copied().unwrap_or_default();
        let most = most.get(service).copied().unwrap_or_default();
        (least.up_bytes..=most.up_bytes).contains(&stored.up_bytes)
            && (least.down_bytes..=most.down_bytes).contains(&stored.down_bytes)
    };
    let different = least.iter().filter(|(service, least)| !within(service, least)).count();
    let mine = least.keys().filter_map(|service| stored.get(service.as_str()));
    Ok(Comparison {
        sent,
        acknowledged,
        counted: counted_now - counted_before,
        expected: total(least.values()),
        stored: total(mine),
        different_services: different,
        holds: different == 0,
    })
}

/// The history of all services since the run began: its services are new.
async fn stored(api: &Api, begun: Instant) -> anyhow::Result<BTreeMap<String, Volume>> {
    let hours = begun.elapsed().as_secs() / 3600 + 2;
    let path = format!("/api/traffic/history?hours={hours}&step=1h");
    let history: History = api.get(&path).await?.json().await?;
    let sum = |series: Series| {
        let up_bytes = series.points.iter().map(|point| point.up_bytes).sum();
        let down_bytes = series.points.iter().map(|point| point.down_bytes).sum();
        (series.service, Volume { up_bytes, down_bytes })
    };
    Ok(history.series.into_iter().map(sum).collect())
}

fn add(to: &mut BTreeMap<ServiceId, Volume>, service: &ServiceId, (up, down): (u64, u64)) {
    let volume = to.entry(service.clone()).or_default();
    volume.up_bytes += up;
    volume.down_bytes += down;
}

fn total<'a>(volumes: impl Iterator<Item = &'a Volume>) -> Volume {
    volumes.fold(Volume::default(), |sum, volume| Volume {
        up_bytes: sum.up_bytes + volume.up_bytes,
        down_bytes: sum.down_bytes + volume.down_bytes,
    })
}
