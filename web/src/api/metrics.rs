//! `/metrics`: the pipeline's figures and each service's, for Prometheus.

use std::fmt::{Display, Write as _};

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use komandorr_collector::{Current, stats::LATENCY_BOUNDS_MS, stats::Snapshot};

use crate::{hub::Frame, site::Shared};

const KIND: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /metrics`
pub(crate) async fn metrics(State(site): State<Shared>) -> Response {
    let mut text = Exposition(String::new());
    pipeline(&mut text, &site.app.stats.snapshot());
    let help = "Live streams that are followed now: one for each open page.";
    text.one("komandorr_live_streams", "gauge", help, site.hub.followers());
    services(&mut text, &site.hub.fresh());
    for family in (site.app.figures)() {
        text.head(family.name, family.kind, family.help);
        for (rest, value) in family.values {
            text.write(format_args!("{}{rest} {value}\n", family.name));
        }
    }
    ([(header::CONTENT_TYPE, KIND)], text.0).into_response()
}

/// Prometheus' text format.
struct Exposition(String);

impl Exposition {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn value(&mut self, name: &str, labels: &str, value: impl Display) {
        if labels.is_empty() {
            self.write(format_args!("{name} {value}\n"));
        } else {
            self.write(format_args!("{name}{{{labels}}} {value}\n"));
        }
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.value(name, "", value);
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        self.0.write_fmt(text).unwrap_or_default();
    }
}

fn pipeline(text: &mut Exposition, stats: &Snapshot) {
    let counter = "counter";
    text.one("komandorr_samples_total", counter, "Samples stored.", stats.samples);
    text.one(
        "komandorr_samples_repeated_total",
        counter,
        "Samples that came again.",
        stats.repeated,
    );
    text.head("komandorr_payloads_refused_total", counter, "Payloads refused, by reason.");
    for (reason, count) in &stats.refused {
        text.value("komandorr_payloads_refused_total", &format!("reason=\"{reason}\""), count);
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

/// A metric of every service.
type Metric = (&'static str, &'static str, &'static str, fn(&Current) -> Option<f64>);

#[allow(clippy::cast_precision_loss, reason = "Prometheus counts in floats")]
fn float(number: u64) -> f64 {
    number as f64
}

const SERVICE_METRICS: [Metric; 6] = [
    ("komandorr_service_up_bytes_total", "counter", "Bytes sent.", |c| {
        Some(float(c.up_bytes_total))
    }),
    ("komandorr_service_down_bytes_total", "counter", "Bytes received.", |c| {
        Some(float(c.down_bytes_total))
    }),
    ("komandorr_service_up_bytes_per_second", "gauge", "Speed of sending.", |c| {
        c.up_bytes_per_second.map(float)
    }),
    ("komandorr_service_down_bytes_per_second", "gauge", "Speed of receiving.", |c| {
        c.down_bytes_per_second.map(float)
    }),
    ("komandorr_service_capacity_bytes_per_second", "gauge", "Capacity per direction.", |c| {
        c.capacity_bytes_per_second.map(float)
    }),
    ("komandorr_service_reports", "gauge", "Whether fresh samples come.", |c| {
        Some(f64::from(u8::from(matches!(c.state.as_str(), "live" | "idle"))))
    }),
];

fn services(text: &mut Exposition, frame: &Frame) {
    for (name, kind, help, value) in SERVICE_METRICS {
        text.head(name, kind, help);
        for item in &frame.items {
            if let Some(value) = value(&item.current) {
                // Ids hold no character that a label would have to escape.
                text.value(name, &format!("service=\"{}\"", item.current.service), value);
            }
        }
    }
}
