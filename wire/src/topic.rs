//! The MQTT topics of the contract.

use crate::ServiceId;

/// What every traffic topic begins with.
const TRAFFIC: &str = "komandorr/traffic/";
/// What every status topic begins with.
const STATUS: &str = "komandorr/status/";
/// What every state topic begins with.
const STATE: &str = "komandorr/state/";

/// The filter that takes the samples of all services.
pub const ALL_TRAFFIC: &str = "komandorr/traffic/+";
/// The filter that takes the presence of all services.
pub const ALL_STATUS: &str = "komandorr/status/+";
/// The filter that takes the state of all services, where the server tells it.
pub const ALL_STATE: &str = "komandorr/state/+";
/// Payload of a status topic while the agent is connected.
pub const ONLINE: &str = "online";
/// Payload of a status topic once the agent has gone; its last will.
pub const OFFLINE: &str = "offline";

/// A topic of the contract, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic {
    /// `komandorr/traffic/<service>`: samples.
    Traffic(ServiceId),
    /// `komandorr/status/<service>`: `online` or `offline`, retained.
    Status(ServiceId),
}

impl Topic {
    /// Takes a topic name apart; `None` for one the contract does not know.
    pub fn parse(name: &str) -> Option<Self> {
        if let Some(id) = name.strip_prefix(TRAFFIC) {
            return ServiceId::new(id).ok().map(Self::Traffic);
        }
        let id = name.strip_prefix(STATUS)?;
        ServiceId::new(id).ok().map(Self::Status)
    }

    /// The service that this topic belongs to.
    pub fn service(&self) -> &ServiceId {
        match self {
            Self::Traffic(id) | Self::Status(id) => id,
        }
    }
}

/// The topic to which a service's samples are published.
pub fn traffic(service: &ServiceId) -> String {
    format!("{TRAFFIC}{service}")
}

/// The topic that tells whether a service's agent is connected.
pub fn status(service: &ServiceId) -> String {
    format!("{STATUS}{service}")
}

/// The topic under which the server tells a service's figures as JSON, for
/// programs that do not read `MessagePack`. Nobody else publishes there.
pub fn state(service: &ServiceId) -> String {
    format!("{STATE}{service}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_made_and_taken_apart() {
        let id = ServiceId::new("web-1").unwrap();
        assert_eq!(traffic(&id), "komandorr/traffic/web-1");
        assert_eq!(Topic::parse("komandorr/traffic/web-1"), Some(Topic::Traffic(id.clone())));
        assert_eq!(Topic::parse(&status(&id)), Some(Topic::Status(id)));
    }

    #[test]
    fn other_topics_are_none_of_ours() {
        for name in [
            "",
            "komandorr/traffic/",
            "komandorr/traffic/a/b",
            "komandorr/traffic/+",
            "komandorr/traffic/current",
            "/komandorr/traffic/a",
            "komandorr/state/a",
            "komandorr/other/a",
        ] {
            assert_eq!(Topic::parse(name), None, "{name:?}");
        }
    }
}
