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
    map: RwLock<BTreeMap<ServiceId, Presence>>,
    limit: usize,
}

impl Retained {
    pub(crate) fn new(limit: usize) -> Self {
        Self { map: RwLock::new(BTreeMap::new()), limit }
    }

    /// Keeps a presence; `false` when there are too many to keep another.
    pub(crate) fn set(&self, service: &ServiceId, presence: Presence) -> bool {
        let mut map = self.map.write();
        let fits = map.len() < self.limit || map.contains_key(service);
        if fits {
            map.insert(service.clone(), presence);
        }
        fits
    }

    pub(crate) fn clear(&self, service: &ServiceId) {
        self.map.write().remove(service);
    }

    pub(crate) fn len(&self) -> usize {
        self.map.read().len()
    }

    /// Up to `n` that a subscription covers, after a service, in order. A
    /// subscriber fetches them piece by piece as it takes them: however many
    /// there are, what waits for it is one name.
    pub(crate) fn after(
        &self,
        last: Option<&ServiceId>,
        scope: &Scope,
        n: usize,
    ) -> Vec<(ServiceId, Presence)> {
        let map = self.map.read();
        match scope {
            Scope::Nothing => Vec::new(),
            Scope::One(id) if last.is_some_and(|last| last >= id) => Vec::new(),
            Scope::One(id) => {
                map.get_key_value(id).map(|(id, p)| (id.clone(), *p)).into_iter().collect()
            }
            Scope::All => {
                let from = last.map_or(Bound::Unbounded, Bound::Excluded);
                let range = map.range::<ServiceId, _>((from, Bound::Unbounded));
                range.take(n).map(|(id, p)| (id.clone(), *p)).collect()
            }
        }
    }
}
