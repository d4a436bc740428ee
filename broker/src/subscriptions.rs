//! One client's subscriptions: pure bookkeeping.

use std::collections::BTreeSet;

use crate::{
    fanout::feed::{ByKind, Feed, Kind},
    rules::{self, Coverage, Scope},
};

#[cfg(test)]
mod tests;

/// One subscription.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    pub(crate) filter: String,
    pub(crate) coverage: Coverage,
    pub(crate) qos1: bool,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
}

/// How a message is to be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) qos1: bool,
    pub(crate) retain_as_published: bool,
}

/// All of them, sorted by filter: one is found without looking at each.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions(Vec<Subscription>);

impl Subscriptions {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn get(&self, filter: &str) -> Option<&Subscription> {
        self.find(filter).ok().and_then(|at| self.0.get(at))
    }

    /// Adds one, or replaces the one with the same filter.
    pub(crate) fn insert(&mut self, new: Subscription) {
        self.remove(&new.filter);
        let (Ok(at) | Err(at)) = self.find(&new.filter);
        self.0.insert(at, new);
    }

    pub(crate) fn remove(&mut self, filter: &str) -> bool {
        let found = self.find(filter);
        found.map(|at| self.0.remove(at)).is_ok()
    }

    /// Where it is, or else where it belongs.
    fn find(&self, filter: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|s| s.filter.as_str().cmp(filter))
    }

    /// The router's feeds that carry what they cover; none carries the same
    /// message as another.
    pub(crate) fn feeds(&self) -> BTreeSet<Feed> {
        let mut feeds = BTreeSet::new();
        for Coverage { traffic, status, notices } in self.0.iter().map(|s| &s.coverage) {
            match traffic {
                Scope::Nothing => {}
                Scope::One(service) => {
                    feeds.insert(Feed::of(service));
                }
                Scope::All => {
                    feeds.insert(Feed::AllTraffic);
                }
            }
            if *status != Scope::Nothing {
                feeds.insert(Feed::Status);
            }
            if *notices {
                feeds.insert(Feed::Notices);
            }
        }
        if feeds.contains(&Feed::AllTraffic) {
            feeds.retain(|feed| !matches!(feed, Feed::Part(_)));
        }
        feeds
    }

    /// Each of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Subscription> {
        self.0.iter()
    }

    /// Which kinds of topics they cover any of.
    pub(crate) fn kinds(&self) -> ByKind<bool> {
        let covers = |is: fn(&Coverage) -> bool| self.0.iter().any(|s| is(&s.coverage));
        [
            covers(|c| c.traffic != Scope::Nothing),
            covers(|c| c.status != Scope::Nothing),
            covers(|c| c.notices),
        ]
    }

    /// Whether and how a message goes to this client: once, however many of
    /// its subscriptions match, with the best quality among them.
    pub(crate) fn grant(&self, kind: Kind, name: &str, own: bool) -> Option<Grant> {
        let matching = self.0.iter().filter(|s| {
            let covers = match kind {
                Kind::Traffic => s.coverage.traffic.covers(name),
                Kind::Status => s.coverage.status.covers(name),
                Kind::Notice => s.coverage.notices && rules::matches(&s.filter, name),
            };
            covers && !(own && s.no_local)
        });
        matching.fold(None, |best: Option<Grant>, s| {
            let Grant { qos1, retain_as_published } =
                best.unwrap_or(Grant { qos1: false, retain_as_published: false });
            Some(Grant {
                qos1: qos1 || s.qos1,
                retain_as_published: retain_as_published || s.retain_as_published,
            })
        })
    }
}
