//! The broker's figures, in the words of Prometheus.

use komandorr_broker::{Broker, Held, Metrics};
use komandorr_web::Family;

/// All of them, as they are now.
pub(crate) fn of(broker: &Broker) -> Vec<Family> {
    let metrics = broker.metrics();
    let mut families = vec![
        connections(&metrics, "komandorr_mqtt_connections", "gauge"),
        connections(&metrics, "komandorr_mqtt_connections_opened_total", "counter"),
        refusals(&metrics),
        held(&metrics),
        latency(&metrics),
    ];
    families.extend(plain(&metrics).map(|(name, kind, help, value)| Family {
        name,
        kind,
        help,
        values: vec![(String::new(), float(value))],
    }));
    families
}

type Plain = (&'static str, &'static str, &'static str, u64);

fn plain(metrics: &Metrics) -> impl Iterator<Item = Plain> {
    let gauges = [
        (
            "komandorr_mqtt_unacknowledged_bytes",
            "Bytes of messages that wait for the store.",
            metrics.unacknowledged_bytes,
        ),
        ("komandorr_mqtt_retained_topics", "Retained status topics.", metrics.retained as u64),
    ];
    let counters = [
        ("komandorr_mqtt_publishes_total", "Messages taken from publishers.", metrics.publishes),
        (
            "komandorr_mqtt_acknowledged_total",
            "Messages acknowledged as stored.",
            metrics.acknowledged,
        ),
        ("komandorr_mqtt_received_bytes_total", "Bytes read from clients.", metrics.bytes_in),
        ("komandorr_mqtt_sent_bytes_total", "Bytes written to clients.", metrics.bytes_out),
        ("komandorr_mqtt_delivered_total", "Copies that reached subscribers.", metrics.delivered),
        ("komandorr_mqtt_lost_total", "Copies that slow subscribers lost.", metrics.lost),
        (
            "komandorr_mqtt_router_restarts_total",
            "Times that the message router was replaced.",
            metrics.router_restarts,
        ),
    ];
    let gauges = gauges.into_iter().map(|(name, help, value)| (name, "gauge", help, value));
    gauges.chain(counters.into_iter().map(|(name, help, value)| (name, "counter", help, value)))
}

fn connections(metrics: &Metrics, name: &'static str, kind: &'static str) -> Family {
    let value = |count: &komandorr_broker::ConnectionCount| {
        let labels = format!(
            "{{door=\"{}\",version=\"{}\"}}",
            count.transport.as_str(),
            count.version.as_str()
        );
        (labels, float(if kind == "gauge" { count.open } else { count.opened }))
    };
    let help = "Connections by door and version of MQTT.";
    Family { name, kind, help, values: metrics.connections.iter().map(value).collect() }
}

fn refusals(metrics: &Metrics) -> Family {
    let value = |(why, count): &(komandorr_broker::Refused, u64)| {
        (format!("{{reason=\"{}\"}}", why.as_str()), float(*count))
    };
    Family {
        name: "komandorr_mqtt_refused_total",
        kind: "counter",
        help: "What clients were refused, by reason.",
        values: metrics.refusals.iter().map(value).collect(),
    }
}

fn held(metrics: &Metrics) -> Family {
    let value =
        |(why, count): &(Held, u64)| (format!("{{reason=\"{}\"}}", why.as_str()), float(*count));
    Family {
        name: "komandorr_mqtt_held_total",
        kind: "counter",
        help: "Times that a publisher had to wait, by reason.",
        values: metrics.held.iter().map(value).collect(),
    }
}

fn latency(metrics: &Metrics) -> Family {
    let latency = &metrics.puback_latency;
    let bucket = |(bound, count): &(std::time::Duration, u64)| {
        (format!("_bucket{{le=\"{}\"}}", bound.as_secs_f64()), float(*count))
    };
    let mut values: Vec<_> = latency.buckets.iter().map(bucket).collect();
    values.push(("_bucket{le=\"+Inf\"}".to_owned(), float(latency.count)));
    values.push(("_sum".to_owned(), latency.sum.as_secs_f64()));
    values.push(("_count".to_owned(), float(latency.count)));
    Family {
        name: "komandorr_mqtt_puback_seconds",
        kind: "histogram",
        help: "From the arrival of a message until its PUBACK.",
        values,
    }
}

/// Prometheus' values are floats; counters lose their last digits beyond 2^53.
#[allow(clippy::cast_precision_loss, reason = "what the format holds")]
fn float(count: u64) -> f64 {
    count as f64
}
