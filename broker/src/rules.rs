//! Who may do what: the topic rules of the contract as pure functions.

use komandorr_wire::{ServiceId, topic::Topic};

use crate::{
    gate::Identity,
    protocol::{Version, reason},
};

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

/// May this client publish (or leave as its last will) to this topic?
pub(crate) fn publish(who: &Identity, name: &str) -> Result<Topic, Refusal> {
    let topic = Topic::parse(name).ok_or(Refusal::NotAllowed)?;
    let allowed = match who {
        Identity::Local => true,
        Identity::Service(own) => own == topic.service(),
        Identity::Reader { .. } | Identity::Operator => false,
    };
    if allowed { Ok(topic) } else { Err(Refusal::NotAllowed) }
}

/// May this client subscribe to this filter, and what does it cover?
///
/// Who may see everything may use any filter that can match a topic of the
/// contract; a reader of one service only the two exact names.
pub(crate) fn subscribe(who: &Identity, filter: &str) -> Result<Coverage, Refusal> {
    if filter.starts_with("$share/") {
        return Err(Refusal::Shared);
    }
    if !is_filter(filter) {
        return Err(Refusal::FilterInvalid);
    }
    match who {
        Identity::Local | Identity::Operator | Identity::Reader { service: None, .. } => {
            coverage(filter).ok_or(Refusal::NotAllowed)
        }
        Identity::Reader { service: Some(own), .. } => match Topic::parse(filter) {
            Some(topic) if topic.service() == own => coverage(filter).ok_or(Refusal::NotAllowed),
            _ => Err(Refusal::NotAllowed),
        },
        Identity::Service(_) => Err(Refusal::NotAllowed),
    }
}

/// A topic filter as the specification has it.
fn is_filter(filter: &str) -> bool {
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let alone = match level {
            "#" => levels.peek().is_none(),
            "+" => true,
            _ => !level.contains(['+', '#']),
        };
        if !alone {
            return false;
        }
    }
    !filter.is_empty()
}

fn coverage(filter: &str) -> Option<Coverage> {
    let traffic = scope(filter, "traffic");
    let status = scope(filter, "status");
    let something = traffic != Scope::Nothing || status != Scope::Nothing;
    something.then_some(Coverage { traffic, status })
}

/// What of `komandorr/<kind>/<service>` the filter matches.
fn scope(filter: &str, kind: &str) -> Scope {
    let mut levels = filter.split('/');
    for fixed in ["komandorr", kind] {
        match levels.next() {
            Some("#") => return Scope::All,
            Some(level) if level == "+" || level == fixed => {}
            _ => return Scope::Nothing,
        }
    }
    let scope = match levels.next() {
        Some("#") => return Scope::All,
        Some("+") => Scope::All,
        Some(id) => ServiceId::new(id).map_or(Scope::Nothing, Scope::One),
        None => Scope::Nothing,
    };
    // "a/b/c/#" matches "a/b/c" too; anything else after it matches nothing.
    match (levels.next(), levels.next()) {
        (None, _) | (Some("#"), None) => scope,
        _ => Scope::Nothing,
    }
}
