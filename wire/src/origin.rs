//! Where a sample comes from, as the identity of its agent tells.

use crate::Sample;

/// Identities of samples that the server made of what was posted over HTTP
/// begin with this.
pub const HTTP_AGENT: &str = "http:";
/// Identities under which history is imported begin with this.
pub const IMPORT_AGENT: &str = "import:";

/// Where a sample comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Origin {
    /// An agent that publishes over MQTT.
    #[default]
    Agent,
    /// An agent of the original, which posts its figures over HTTP.
    Http,
    /// History from elsewhere: it counts, but nothing is live about it.
    Import,
}

impl Origin {
    /// Name of the source whose imports hold the totals of the original's agents:
    /// what they post later goes on from there.
    pub const ORIGINAL: &str = "komandorr.db";

    /// The origin that an identity tells.
    pub fn of_identity(identity: &str) -> Self {
        if identity.starts_with(IMPORT_AGENT) {
            Self::Import
        } else if identity.starts_with(HTTP_AGENT) {
            Self::Http
        } else {
            Self::Agent
        }
    }

    /// The origin of a sample; one without identity is an agent's.
    pub fn of(sample: &Sample) -> Self {
        sample.agent.as_ref().map_or(Self::Agent, |agent| Self::of_identity(&agent.agent))
    }
}
