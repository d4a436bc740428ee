//! A service as it is told: the original's fields, and ours.

use jiff::Timestamp;
use komandorr_collector::{State as Activity, registry::Service};
use komandorr_wire::ServiceId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    compat::{self, Fields},
    site::Site,
};

/// A registered service.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Service)]
pub(crate) struct Item {
    /// Its id.
    #[schema(value_type = String, example = "edge-fra-01")]
    id: ServiceId,
    /// What people call it.
    #[schema(example = "Frankfurt edge")]
    name: String,
    /// Its address for people; may be empty.
    #[schema(example = "https://edge.example")]
    url: String,
    /// `app`, `website`, `panel`, `project` or `server`.
    #[serde(rename = "type")]
    #[schema(example = "server")]
    kind: String,
    /// A line about it.
    #[schema(required)]
    description: Option<String>,
    /// A picture's name.
    #[schema(required)]
    icon: Option<String>,
    /// The group it is shown in.
    #[schema(required, example = "Edge")]
    group: Option<String>,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// What it is doing.
    #[schema(required)]
    state: Option<Activity>,
    /// Capacity per direction, as a person or the agent says.
    #[schema(required, example = 125_000_000)]
    capacity_bytes_per_second: Option<u64>,
    /// Whether its agent is the original's from before December 2025, whose `max_bandwidth`
    /// is the speed of its link, not twice that.
    #[schema(example = false)]
    max_bandwidth_undoubled: bool,
    /// Interval of its agent.
    #[schema(required, example = 5.0)]
    interval_seconds: Option<f64>,
    #[serde(flatten)]
    original: Fields,
}

/// A service that was just registered.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Registered {
    #[serde(flatten)]
    pub(super) service: Item,
    /// Of its agent; shown this once.
    #[schema(example = "kmd_5f2c8a91d3e7")]
    pub(super) token: String,
}

/// A token that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewToken {
    /// Shown this once.
    #[schema(example = "kmd_5f2c8a91d3e7")]
    pub(super) token: String,
}

impl Item {
    /// As it is at this moment, one of `listed`.
    pub(super) fn of(site: &Site, service: &Service, listed: usize) -> Self {
        let current = site.app.live.one(&service.id, Timestamp::now());
        Self {
            id: service.id.clone(),
            name: service.name.clone(),
            url: service.url.clone(),
            kind: service.kind.clone(),
            description: service.description.clone(),
            icon: service.icon.clone(),
            group: service.group.clone(),
            created_at: service.created_at,
            state: current.as_ref().map(|current| current.state),
            capacity_bytes_per_second: current
                .as_ref()
                .and_then(|now| now.capacity_bytes_per_second),
            max_bandwidth_undoubled: service.max_bandwidth_undoubled,
            interval_seconds: current.as_ref().and_then(|now| now.interval_seconds),
            original: compat::fields(site, service, listed),
        }
    }
}
