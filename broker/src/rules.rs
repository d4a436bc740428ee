//! Who may do what: the topic rules of the contract as pure functions.

mod filter;

use komandorr_wire::{
    ServiceId,
    topic::{self, Topic},
};

use crate::{
    gate::Identity,
    protocol::{Version, reason},
};
pub(crate) use filter::matches;
use filter::{intersects, is_filter, scope};

#[cfg(test)]
mod tests;

/// Which services of one kind of topic a subscription covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    /// None of them.
    Nothing,
    /// One.
    One(ServiceId),
    /// Every one.
    All,
}

impl Scope {
    pub(crate) fn covers(&self, service: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::One(id) => id.as_str() == service,
            Self::All => true,
        }
    }
}

/// What a filter means among the topics that exist here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Coverage {
    /// Of `komandorr/traffic/+`.
    pub(crate) traffic: Scope,
    /// Of `komandorr/status/+`.
    pub(crate) status: Scope,
    /// Whether any of the server's own notices can match it.
    pub(crate) notices: bool,
}

/// What a client may publish to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A topic of a service.
    Service(Topic),
    /// Where Home Assistant says that it has come or gone: passed on, and
    /// neither kept nor stored.
    Greeting,
}

/// Why an action is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No such topic, or not this client's.
    NotAllowed,
    /// Not a filter at all.
    FilterInvalid,
    /// `$share/...`: shared subscriptions are not offered.
    Shared,
    /// More subscriptions than a client may have.
    TooMany,
}

impl Refusal {
    /// The SUBACK code for it.
    pub(crate) fn suback(self, version: Version) -> u8 {
        match (version, self) {
            (Version::V311, _) => 0x80,
            (Version::V5, Self::NotAllowed) => reason::NOT_AUTHORIZED,
            (Version::V5, Self::FilterInvalid) => reason::TOPIC_FILTER_INVALID,
            (Version::V5, Self::Shared) => reason::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED,
            (Version::V5, Self::TooMany) => reason::QUOTA_EXCEEDED,
        }
    }
}

/// The rules, which depend on whether the server has notices of its own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    discovery: Option<Discovery>,
}

/// The topics of Home Assistant.
#[derive(Debug, Clone)]
struct Discovery {
    /// All of them, as a filter.
    all: String,
    /// Where it says that it has come or gone.
    greeting: String,
}

impl Rules {
    /// With a prefix, the server's notices exist: `komandorr/state/+` and what
    /// is below the prefix.
    pub(crate) fn new(prefix: Option<&str>) -> Self {
        let discovery = prefix.map(|prefix| Discovery {
            all: format!("{prefix}/#"),
            greeting: format!("{prefix}/status"),
        });
        Self { discovery }
    }

    /// May this client publish (or leave as its last will) to this topic?
    /// Nobody may publish to the server's own.
    pub(crate) fn publish(&self, who: &Identity, name: &str) -> Result<Target, Refusal> {
        if self.discovery.as_ref().is_some_and(|ours| ours.greeting == name) {
            let allowed = sees_all(who);
            return if allowed { Ok(Target::Greeting) } else { Err(Refusal::NotAllowed) };
        }
        let topic = Topic::parse(name).ok_or(Refusal::NotAllowed)?;
        let allowed = match who {
            Identity::Local => true,
            Identity::Service(own) => own == topic.service(),
            Identity::Reader { .. } | Identity::Operator => false,
        };
        if allowed { Ok(Target::Service(topic)) } else { Err(Refusal::NotAllowed) }
    }

    /// May this client subscribe to this filter, and what does it cover?
    ///
    /// Who may see everything may use any filter that can match a topic that
    /// exists; a reader of one service only the exact names of its topics.
    pub(crate) fn subscribe(&self, who: &Identity, filter: &str) -> Result<Coverage, Refusal> {
        if filter.starts_with("$share/") {
            return Err(Refusal::Shared);
        }
        if !is_filter(filter) {
            return Err(Refusal::FilterInvalid);
        }
        let allowed = match who {
            Identity::Service(_) => false,
            Identity::Reader { service: Some(own), .. } => {
                let mine = [topic::traffic(own), topic::status(own), topic::state(own)];
                mine.iter().any(|mine| mine == filter)
            }
            everybody_else => sees_all(everybody_else),
        };
        let coverage = self.coverage(filter).filter(|_| allowed);
        coverage.ok_or(Refusal::NotAllowed)
    }

    /// Where Home Assistant says that it has come or gone.
    pub(crate) fn greeting(&self) -> Option<&str> {
        self.discovery.as_ref().map(|ours| ours.greeting.as_str())
    }

    fn coverage(&self, filter: &str) -> Option<Coverage> {
        let traffic = scope(filter, "traffic");
        let status = scope(filter, "status");
        let notices = self.discovery.as_ref().is_some_and(|ours| {
            intersects(filter, topic::ALL_STATE) || intersects(filter, &ours.all)
        });
        let something = traffic != Scope::Nothing || status != Scope::Nothing || notices;
        something.then_some(Coverage { traffic, status, notices })
    }
}

/// Who may see every service.
fn sees_all(who: &Identity) -> bool {
    match who {
        Identity::Local | Identity::Operator => true,
        Identity::Reader { service, .. } => service.is_none(),
        Identity::Service(_) => false,
    }
}
