//! Retained presence: who was last `online` or `offline`. Kept here and not in
//! the router, which forgets it when it dies, gives a late subscriber only the
//! first hundred, and loses one to any empty message.

use std::{collections::BTreeMap, ops::Bound};

use komandorr_wire::{ServiceId, topic};
use parking_lot::RwLock;

use crate::rules::Scope;

/// What a status topic can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Online,
    Offline,
}

impl Presence {
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        match payload {
            _ if payload == topic::ONLINE.as_bytes() => Some(Self::Online),
            _ if payload == topic::OFFLINE.as_bytes() => Some(Self::Offline),
            _ => None,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Online => topic::ONLINE,
            Self::Offline => topic::OFFLINE,
        }
    }
}

/// The retained status topics, by service.
#[derive(Debug)]
pub(crate) struct Retained {
    kept: RwLock<Kept>,
    limit: usize,
}

#[derive(Debug, Default)]
struct Kept {
    map: BTreeMap<ServiceId, Presence>,
    /// Counts the changes, so that a subscriber that has been given the
    /// present state is not given its own past as news.
    version: u64,
}

impl Retained {
    pub(crate) fn new(limit: usize) -> Self {
        Self { kept: RwLock::default(), limit }
    }

    /// Keeps a presence; gives the change's number, or `None` when there are
    /// too many to keep another.
    pub(crate) fn set(&self, service: &ServiceId, presence: Presence) -> Option<u64> {
        let mut kept = self.kept.write();
        if kept.map.len() >= self.limit && !kept.map.contains_key(service) {
            return None;
        }
        kept.map.insert(service.clone(), presence);
        kept.version += 1;
        Some(kept.version)
    }

    /// Forgets one; gives the change's number.
    pub(crate) fn clear(&self, service: &ServiceId) -> u64 {
        let mut kept = self.kept.write();
        kept.map.remove(service);
        kept.version += 1;
        kept.version
    }

    /// Whose presence is known.
    pub(crate) fn services(&self) -> Vec<ServiceId> {
        self.kept.read().map.keys().cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.kept.read().map.len()
    }

    /// The number of the latest change.
    pub(crate) fn version(&self) -> u64 {
        self.kept.read().version
    }

    /// Up to `n` that a subscription covers, after a service, in order. A
    /// subscriber fetches them piece by piece as it takes them: however many
    /// there are, what waits for it is one name.
    pub(crate) fn after(
        &self,
        last: Option<&str>,
        scope: &Scope,
        n: usize,
    ) -> Vec<(ServiceId, Presence)> {
        let map = &self.kept.read().map;
        match scope {
            Scope::Nothing => Vec::new(),
            Scope::One(_) if last.is_some() => Vec::new(),
            Scope::One(id) => {
                map.get_key_value(id).map(|(id, p)| (id.clone(), *p)).into_iter().collect()
            }
            Scope::All => {
                let from = last.map_or(Bound::Unbounded, Bound::Excluded);
                let range = map.range::<str, _>((from, Bound::Unbounded));
                range.take(n).map(|(id, p)| (id.clone(), *p)).collect()
            }
        }
    }
}
