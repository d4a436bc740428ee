//! Home Assistant's MQTT discovery: one message for each service, in the form
//! for whole devices (Home Assistant 2024.11 and newer).

use bytes::Bytes;
use komandorr_collector::registry::Service;
use komandorr_wire::topic;
use serde_json::{Map, Value, json};

/// Figures are told at least every minute: three that are missing make them
/// unknown. For brokers that outlive us.
const EXPIRE_AFTER_SECONDS: u64 = 200;

/// Sensors of a service: key, name, field of the state, and whether it is a
/// speed (otherwise a volume).
const SENSORS: [(&str, &str, &str, bool); 4] = [
    ("upload_rate", "Upload rate", "up_bytes_per_second", true),
    ("download_rate", "Download rate", "down_bytes_per_second", true),
    ("uploaded", "Uploaded", "up_bytes_total", false),
    ("downloaded", "Downloaded", "down_bytes_total", false),
];

/// The prefix under which Home Assistant listens.
pub(super) struct Prefix(String);

impl Prefix {
    pub(super) fn new(prefix: &str) -> Self {
        Self(prefix.to_owned())
    }

    /// Where a service is announced.
    pub(super) fn topic(&self, service: &Service) -> String {
        format!("{}/device/komandorr_{}/config", self.0, service.id)
    }
}

/// The announcement: a device with its sensors. Available is what its
/// agent says of itself; who has none (samples by HTTP) is available while
/// samples come.
pub(super) fn device(service: &Service, has_status: bool) -> Bytes {
    let state_topic = topic::state(&service.id);
    let availability = if has_status {
        json!({ "topic": topic::status(&service.id) })
    } else {
        let template = "{{ 'online' if value_json.state in ['live', 'idle'] else 'offline' }}";
        json!({ "topic": state_topic, "value_template": template })
    };
    let sensors: Map<_, _> = SENSORS.map(|s| sensor(service, s)).into_iter().collect();
    let device = json!({
        "device": {
            "identifiers": [format!("komandorr_{}", service.id)],
            "name": service.name,
            "manufacturer": "Komandorr",
            "model": service.kind,
        },
        "origin": {
            "name": "Komandorr",
            "sw_version": env!("CARGO_PKG_VERSION"),
            "support_url": env!("CARGO_PKG_REPOSITORY"),
        },
        "components": sensors,
        "state_topic": state_topic,
        "availability": [availability],
        "qos": 1,
    });
    device.to_string().into()
}

/// A sensor under its key. In a template what is `null` becomes unknown.
fn sensor(
    service: &Service,
    (key, name, field, is_rate): (&str, &str, &str, bool),
) -> (String, Value) {
    let (class, unit, state_class) = if is_rate {
        ("data_rate", "B/s", "measurement")
    } else {
        ("data_size", "B", "total_increasing")
    };
    let sensor = json!({
        "platform": "sensor",
        "unique_id": format!("komandorr_{}_{key}", service.id),
        "name": name,
        "device_class": class,
        "unit_of_measurement": unit,
        "state_class": state_class,
        "suggested_display_precision": 0,
        "value_template": format!("{{{{ value_json.{field} }}}}"),
        "expire_after": EXPIRE_AFTER_SECONDS,
    });
    (key.to_owned(), sensor)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn service() -> Service {
        Service {
            number: 7,
            id: "web-1".parse().unwrap(),
            name: "Web \"one\"".to_owned(),
            group: None,
            kind: "server".to_owned(),
            url: String::new(),
            description: None,
            icon: None,
            capacity_bytes_per_second: None,
            max_bandwidth_undoubled: false,
            created_at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    fn announced(has_status: bool) -> Value {
        serde_json::from_slice(&device(&service(), has_status)).unwrap()
    }

    #[test]
    fn a_service_is_a_device_with_speeds_and_volumes_in_both_directions() {
        assert_eq!(Prefix::new("ha").topic(&service()), "ha/device/komandorr_web-1/config");
        let device = announced(true);
        assert_eq!(device["device"]["name"], "Web \"one\"");
        assert_eq!(device["origin"]["name"], "Komandorr");
        assert_eq!(device["state_topic"], "komandorr/state/web-1");
        assert_eq!(device["availability"], json!([{ "topic": "komandorr/status/web-1" }]));
        let sensors = device["components"].as_object().unwrap();
        let ids: BTreeSet<_> = sensors.values().map(|s| s["unique_id"].to_string()).collect();
        assert_eq!((sensors.len(), ids.len()), (4, 4));
        let rate = &sensors["upload_rate"];
        assert_eq!(rate["value_template"], "{{ value_json.up_bytes_per_second }}");
        assert_eq!([&rate["device_class"], &rate["unit_of_measurement"]], ["data_rate", "B/s"]);
        assert_eq!(rate["state_class"], "measurement");
        let volume = &sensors["downloaded"];
        assert_eq!(volume["value_template"], "{{ value_json.down_bytes_total }}");
        assert_eq!([&volume["device_class"], &volume["unit_of_measurement"]], ["data_size", "B"]);
        assert_eq!(volume["state_class"], "total_increasing");
    }

    #[test]
    fn without_an_agent_s_word_fresh_samples_make_it_available() {
        let availability = &announced(false)["availability"][0];
        assert_eq!(availability["topic"], "komandorr/state/web-1");
        assert!(availability["value_template"].as_str().unwrap().contains("'live'"));
    }
}
