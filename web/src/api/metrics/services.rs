//! Series of the services: bounded, since each costs whoever stores them.

use komandorr_collector::{Current, State};

use super::{MetricsConfig, text::Exposition};
use crate::hub::Frame;

/// A metric of every service: name, kind, help and value.
type Metric = (&'static str, &'static str, &'static str, fn(&Current) -> Option<f64>);

const METRICS: [Metric; 11] = [
    ("komandorr_service_up_bytes_total", "counter", "Bytes sent since its first sample.", |c| {
        Some(float(c.up_bytes_total))
    }),
    (
        "komandorr_service_down_bytes_total",
        "counter",
        "Bytes received since its first sample.",
        |c| Some(float(c.down_bytes_total)),
    ),
    ("komandorr_service_up_bytes_per_second", "gauge", "Speed of sending.", |c| {
        c.up_bytes_per_second.map(float)
    }),
    ("komandorr_service_down_bytes_per_second", "gauge", "Speed of receiving.", |c| {
        c.down_bytes_per_second.map(float)
    }),
    ("komandorr_service_capacity_bytes_per_second", "gauge", "Capacity per direction.", |c| {
        c.capacity_bytes_per_second.map(float)
    }),
    (
        "komandorr_service_utilisation_ratio",
        "gauge",
        "The busier direction's part of the capacity, 0 to 1.",
        |c| c.utilisation_percent.map(|percent| percent / 100.0),
    ),
    ("komandorr_service_cpu_ratio", "gauge", "Load of the host's processors, 0 to 1.", |c| {
        c.cpu_percent.map(|percent| f64::from(percent) / 100.0)
    }),
    ("komandorr_service_memory_ratio", "gauge", "Memory of the host in use, 0 to 1.", |c| {
        c.memory_percent.map(|percent| f64::from(percent) / 100.0)
    }),
    ("komandorr_service_reports", "gauge", "Whether fresh samples come.", |c| {
        Some(f64::from(u8::from(matches!(c.state, State::Live | State::Idle))))
    }),
    ("komandorr_service_sample_timestamp_seconds", "gauge", "When its last sample ended.", |c| {
        c.sampled_at.map(|at| at.as_duration().as_secs_f64())
    }),
    ("komandorr_service_interval_seconds", "gauge", "Interval of its agent.", |c| {
        c.interval_seconds
    }),
];

#[allow(clippy::cast_precision_loss, reason = "Prometheus counts in floats")]
fn float(number: u64) -> f64 {
    number as f64
}

/// Writes the series of as many services as the settings allow.
pub(super) fn write(text: &mut Exposition, config: &MetricsConfig, frame: &Frame) {
    let most = if config.services { config.max_services } else { 0 };
    let shown = frame.items.get(..most).unwrap_or(&frame.items);
    text.one(
        "komandorr_services_left_out",
        "gauge",
        "Services without series here: metrics.services is off, or there are more than metrics.max_services.",
        frame.items.len() - shown.len(),
    );
    for (name, kind, help, value) in METRICS.iter().filter(|_| most > 0) {
        text.head(name, kind, help);
        for item in shown {
            if let Some(value) = value(&item.current) {
                // Ids hold no character that a label would have to escape.
                text.value(name, &format!("service=\"{}\"", item.current.service), value);
            }
        }
    }
}
