//! What clients say of a service, and what is allowed.

use komandorr_collector::registry::{Service, ServiceDetails};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Number;
use utoipa::ToSchema;

use crate::{error::Failure, text};

/// Kinds of services, as in the original.
const KINDS: [&str; 5] = ["app", "website", "panel", "project", "server"];
/// Highest capacity that is taken for one, bytes per second.
const MOST_CAPACITY: u64 = 1_000_000_000_000_000;

/// What a client says of a service; a field that is absent stays as it is.
/// Other fields are ignored: the original's clients send back all they got.
#[allow(clippy::option_option, reason = "absent, null and given are three things")]
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = ServiceChange)]
pub(crate) struct Change {
    /// Of a new service; without it a UUID is made. It never changes.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", example = "edge-fra-01")]
    pub(super) id: Option<String>,
    /// What people call it; empty: its id.
    #[schema(max_length = 500, pattern = "^[^\\x00-\\x1f\\x7f]*$", example = "Frankfurt edge")]
    name: Option<String>,
    /// Its address for people.
    #[schema(
        max_length = 500,
        pattern = "^[^\\x00-\\x1f\\x7f]*$",
        example = "https://edge.example"
    )]
    url: Option<String>,
    /// What it is.
    #[serde(rename = "type")]
    #[schema(pattern = "^(app|website|panel|project|server)$", example = "server")]
    kind: Option<String>,
    /// The group it is shown in; `null`: none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 500, pattern = "^[^\\x00-\\x1f\\x7f]*$", example = "Edge")]
    group: Option<Option<String>>,
    /// A line about it; `null`: none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 500, pattern = "^[^\\x00-\\x1f\\x7f]*$", example = "Rack 4")]
    description: Option<Option<String>>,
    /// A picture's name, as in the original; `null`: none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 500, pattern = "^[^\\x00-\\x1f\\x7f]*$", example = "server")]
    icon: Option<Option<String>>,
    /// Capacity per direction, which beats what the agent reports; `null`: as it reports.
    #[serde(default, deserialize_with = "given_whole")]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 1_000_000_000_000_000_u64, example = 125_000_000)]
    capacity_bytes_per_second: Option<Option<u64>>,
    /// Whether its agent is the original's from before December 2025, whose `max_bandwidth`
    /// is the speed of its link, not twice that.
    #[schema(example = false)]
    max_bandwidth_undoubled: Option<bool>,
}

/// Tells `null` (take it away) from absence (leave it).
#[allow(clippy::option_option, reason = "absent, null and given are three things")]
fn given<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// [`given`] of a whole number, which JSON may write as `125000000.0` as well.
#[allow(clippy::option_option, reason = "absent, null and given are three things")]
fn given_whole<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<u64>>, D::Error> {
    let whole = |number: Number| {
        let written = number.to_string();
        let digits = written.strip_suffix(".0").unwrap_or(&written);
        let wrong = || D::Error::custom("it must be a whole number, not below 0");
        digits.parse().ok().ok_or_else(wrong)
    };
    Option::<Number>::deserialize(deserializer)?.map(whole).transpose().map(Some)
}

impl Change {
    /// Refuses what cannot be, naming the field.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let texts = [
            ("name", self.name.as_deref()),
            ("url", self.url.as_deref()),
            ("group", self.group.as_ref().and_then(Option::as_deref)),
            ("description", self.description.as_ref().and_then(Option::as_deref)),
            ("icon", self.icon.as_ref().and_then(Option::as_deref)),
        ];
        for (field, given) in texts {
            if let Some(wrong) = text::wrong(given.unwrap_or_default()) {
                return Err(Failure::invalid(format!("{field} {wrong}")));
            }
        }
        match self.kind.as_deref() {
            Some(kind) if !KINDS.contains(&kind) => {
                Err(Failure::invalid(format!("type must be one of {}", KINDS.join(", "))))
            }
            _ => match self.capacity_bytes_per_second.flatten() {
                Some(capacity) if !(1..=MOST_CAPACITY).contains(&capacity) => {
                    Err(Failure::invalid(format!(
                        "capacity_bytes_per_second must be from 1 to {MOST_CAPACITY}, or null"
                    )))
                }
                _ => Ok(()),
            },
        }
    }

    /// The same for a service that is there: its id stays.
    pub(super) fn check_for(&self, service: &Service) -> Result<(), Failure> {
        match &self.id {
            Some(id) if *id != service.id.as_str() => {
                Err(Failure::invalid("id cannot be changed: leave it out"))
            }
            _ => self.check(),
        }
    }

    /// Without a capacity that only repeats what the agent reports, `shown` in the
    /// last answer. One that is sent back as it came, which its id tells, settles none.
    pub(super) fn without_echo(mut self, service: &Service, shown: Option<u64>) -> Self {
        let unsettled = service.capacity_bytes_per_second.is_none();
        if self.id.is_some() && unsettled && self.capacity_bytes_per_second == Some(shown) {
            self.capacity_bytes_per_second = None;
        }
        self
    }

    /// Over what is there; `None`: over nothing.
    pub(super) fn details(self, old: Option<&Service>) -> ServiceDetails {
        let old = old.map(details_of).unwrap_or_default();
        let group = self.group.unwrap_or(old.group).filter(|group| !group.is_empty());
        ServiceDetails {
            name: self.name.unwrap_or(old.name),
            group,
            kind: self.kind.unwrap_or(old.kind),
            url: self.url.unwrap_or(old.url),
            description: self.description.unwrap_or(old.description),
            icon: self.icon.unwrap_or(old.icon),
            capacity_bytes_per_second: self
                .capacity_bytes_per_second
                .unwrap_or(old.capacity_bytes_per_second),
            max_bandwidth_undoubled: self
                .max_bandwidth_undoubled
                .unwrap_or(old.max_bandwidth_undoubled),
        }
    }
}

fn details_of(service: &Service) -> ServiceDetails {
    ServiceDetails {
        name: service.name.clone(),
        group: service.group.clone(),
        kind: service.kind.clone(),
        url: service.url.clone(),
        description: service.description.clone(),
        icon: service.icon.clone(),
        capacity_bytes_per_second: service.capacity_bytes_per_second,
        max_bandwidth_undoubled: service.max_bandwidth_undoubled,
    }
}
