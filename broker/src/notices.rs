//! Notices: retained messages of the server itself, such as what it tells Home
//! Assistant. Kept here and not in the router, like presence.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
};

use bytes::Bytes;
use parking_lot::RwLock;

use crate::rules;

/// The notices that stand now, by topic.
#[derive(Debug, Default)]
pub(crate) struct Notices(RwLock<Kept>);

#[derive(Debug, Default)]
struct Kept {
    map: BTreeMap<Arc<str>, Bytes>,
    /// Counts the changes, as with presence.
    version: u64,
}

/// A topic that says something else now; nothing when it is gone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) topic: Arc<str>,
    pub(crate) payload: Bytes,
    pub(crate) version: u64,
}

impl Notices {
    /// Puts these in the place of those that stand; gives what changes.
    pub(crate) fn replace(&self, wanted: BTreeMap<String, Bytes>) -> Vec<Change> {
        let mut kept = self.0.write();
        let mut changes = Vec::new();
        let gone: Vec<_> =
            kept.map.keys().filter(|topic| !wanted.contains_key(&***topic)).cloned().collect();
        for topic in gone {
            kept.map.remove(&topic);
            changes.push((topic, Bytes::new()));
        }
        for (topic, payload) in wanted {
            if kept.map.get(&*topic) == Some(&payload) {
                continue;
            }
            let topic: Arc<str> = topic.into();
            kept.map.insert(Arc::clone(&topic), payload.clone());
            changes.push((topic, payload));
        }
        let number = |(topic, payload)| {
            kept.version += 1;
            Change { topic, payload, version: kept.version }
        };
        changes.into_iter().map(number).collect()
    }

    /// The number of the latest change.
    pub(crate) fn version(&self) -> u64 {
        self.0.read().version
    }

    /// Up to `n` that a filter takes, after a topic, in order.
    pub(crate) fn after(
        &self,
        last: Option<&str>,
        filter: &str,
        n: usize,
    ) -> Vec<(Arc<str>, Bytes)> {
        let map = &self.0.read().map;
        let own = |(topic, payload): (&Arc<str>, &Bytes)| (Arc::clone(topic), payload.clone());
        if !filter.contains(['+', '#']) {
            // A name: Home Assistant subscribes to each one by itself.
            return map
                .get_key_value(filter)
                .filter(|_| last.is_none())
                .map(own)
                .into_iter()
                .collect();
        }
        let range = map.range::<str, _>((last.map_or(Unbounded, Excluded), Unbounded));
        range.filter(|(topic, _)| rules::matches(filter, topic)).take(n).map(own).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notices(list: &[(&str, &'static str)]) -> BTreeMap<String, Bytes> {
        list.iter()
            .map(|(topic, text)| ((*topic).to_owned(), Bytes::from_static(text.as_bytes())))
            .collect()
    }

    fn shown(changes: Vec<Change>) -> Vec<(String, String, u64)> {
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        changes.into_iter().map(|c| (c.topic.to_string(), text(c.payload), c.version)).collect()
    }

    #[test]
    fn only_what_is_different_changes_and_what_is_missing_is_cleared() {
        let all = Notices::default();
        assert_eq!(all.replace(notices(&[("a", "1"), ("b", "2")])).len(), 2);
        assert_eq!(all.replace(notices(&[("a", "1"), ("b", "2")])), []);
        let changes = shown(all.replace(notices(&[("b", "3"), ("c", "4")])));
        let is = |topic: &str, text: &str, version| (topic.to_owned(), text.to_owned(), version);
        assert_eq!(changes, [is("a", "", 3), is("b", "3", 4), is("c", "4", 5)]);
        assert_eq!(all.version(), 5);
    }

    #[test]
    fn a_late_subscriber_gets_them_piece_by_piece() {
        let all = Notices::default();
        all.replace(notices(&[("h/a/config", "1"), ("h/b/config", "2"), ("k/a", "3")]));
        let topics = |last, filter: &str, n| {
            let found = all.after(last, filter, n);
            found.into_iter().map(|(topic, _)| topic.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(topics(None, "#", 2), ["h/a/config", "h/b/config"]);
        assert_eq!(topics(Some("h/b/config"), "#", 2), ["k/a"]);
        assert_eq!(topics(None, "h/+/config", 9), ["h/a/config", "h/b/config"]);
        assert_eq!(topics(None, "k/a", 9), ["k/a"]);
        assert!(topics(Some("k/a"), "k/a", 9).is_empty());
        assert!(topics(None, "k/b", 9).is_empty());
    }
}
