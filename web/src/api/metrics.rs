//! `/metrics`: the pipeline's figures and each service's, for Prometheus.

mod process;
mod services;
mod text;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use komandorr_collector::{stats::LATENCY_BOUNDS_MS, stats::Snapshot};
use serde::Deserialize;

use crate::{hub::Totals, site::Shared};
use text::Exposition;

/// Settings of `/metrics`, the section `[metrics]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsConfig {
    /// Whether every service has series of its own.
    pub services: bool,
    /// Most services that have; those beyond it, in the order of their ids,
    /// are counted in `komandorr_services_left_out`.
    pub max_services: usize,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { services: true, max_services: 1000 }
    }
}

/// Figures for Prometheus: the pipeline's own and each service's.
///
/// Series of services are bounded by `metrics.max_services`, and
/// `metrics.services = false` leaves them out.
#[utoipa::path(
    get, path = "/metrics", tag = "Server", operation_id = "metrics",
    responses((
        status = 200, description = "Prometheus' text format, version 0.0.4",
        body = String, content_type = "text/plain",
        example = "# HELP komandorr_samples_total Samples stored.\n# TYPE komandorr_samples_total counter\nkomandorr_samples_total 86400\n"
    ))
)]
pub(crate) async fn metrics(State(site): State<Shared>) -> Response {
    let frame = site.hub.fresh();
    let mut text = Exposition::default();
    let version = env!("CARGO_PKG_VERSION");
    text.head("komandorr_build_info", "gauge", "Version of this server; always 1.");
    text.value("komandorr_build_info", &format!("version=\"{version}\""), 1);
    pipeline(&mut text, &site.app.stats.snapshot());
    let help = "Live streams that are followed now: one for each open page.";
    text.one("komandorr_live_streams", "gauge", help, site.hub.followers());
    let help = "Volumes of five minutes and hours in memory: what pages read of the past before.";
    text.one("komandorr_volumes_in_memory", "gauge", help, site.app.reader.volumes_in_memory());
    registered(&mut text, &frame.totals);
    services::write(&mut text, &site.app.metrics, &frame);
    for family in (site.app.figures)() {
        text.family(&family);
    }
    process::write(&mut text, site.started);
    ([(header::CONTENT_TYPE, text::KIND)], text.finish()).into_response()
}

fn pipeline(text: &mut Exposition, stats: &Snapshot) {
    let counter = "counter";
    text.one("komandorr_samples_total", counter, "Samples stored.", stats.samples);
    let name = "komandorr_samples_repeated_total";
    text.one(name, counter, "Samples that came again, and were not stored again.", stats.repeated);
    let name = "komandorr_payloads_refused_total";
    text.head(name, counter, "Payloads refused, by reason.");
    for (reason, count) in &stats.refused {
        text.value(name, &format!("reason=\"{reason}\""), count);
    }
    let name = "komandorr_commit_seconds";
    text.head(name, "histogram", "Time that a commit to the store takes.");
    let mut sum = 0;
    let bounds = LATENCY_BOUNDS_MS.iter().map(|ms| format!("{}.{:03}", ms / 1000, ms % 1000));
    for (count, bound) in stats.commit_buckets.iter().zip(bounds.chain(["+Inf".to_owned()])) {
        sum += count;
        text.value(&format!("{name}_bucket"), &format!("le=\"{bound}\""), sum);
    }
    text.value(&format!("{name}_sum"), "", stats.commit_time.as_secs_f64());
    text.value(&format!("{name}_count"), "", stats.commits);
    let stores = u8::from(stats.failing.is_none());
    text.one("komandorr_store_up", "gauge", "Whether the store takes commits.", stores);
}

fn registered(text: &mut Exposition, totals: &Totals) {
    let name = "komandorr_services";
    text.head(name, "gauge", "Registered services, by state.");
    let states = [
        ("live", totals.live),
        ("idle", totals.idle),
        ("silent", totals.silent),
        ("new", totals.new),
    ];
    for (state, count) in states {
        text.value(name, &format!("state=\"{state}\""), count);
    }
}
