//! Which messages a set of subscriptions takes, and from which feeds.

use komandorr_wire::ServiceId;

use super::*;
use crate::{gate::Identity, rules::Rules};

fn subscription(filter: &str, qos1: bool) -> Subscription {
    let rules = Rules::new(Some("homeassistant"));
    let coverage = rules.subscribe(&Identity::Operator, filter).unwrap();
    let filter = filter.to_owned();
    Subscription { filter, coverage, qos1, no_local: false, retain_as_published: false }
}

#[test]
fn overlapping_subscriptions_give_one_copy_with_the_best_quality() {
    let mut all = Subscriptions::default();
    all.insert(subscription("komandorr/traffic/web-1", false));
    assert_eq!(all.grant(Kind::Traffic, "web-1", false).map(|g| g.qos1), Some(false));
    all.insert(subscription("komandorr/#", true));
    assert_eq!(all.grant(Kind::Traffic, "web-1", false).map(|g| g.qos1), Some(true));
    assert_eq!(all.feeds(), BTreeSet::from([Feed::AllTraffic, Feed::Status, Feed::Notices]));
    assert!(all.remove("komandorr/#"));
    assert!(!all.remove("komandorr/#"));
    assert_eq!(all.grant(Kind::Status, "web-1", false), None);
    assert_eq!(all.grant(Kind::Traffic, "web-2", false), None);
    let part = Feed::of(&ServiceId::new("web-1").unwrap());
    assert_eq!(all.feeds(), BTreeSet::from([part]));
    assert_eq!(all.kinds(), [true, false, false]);
}

#[test]
fn the_same_filter_again_replaces_its_subscription() {
    let mut all = Subscriptions::default();
    all.insert(subscription("komandorr/status/+", true));
    all.insert(subscription("komandorr/status/+", false));
    assert_eq!(all.len(), 1);
    assert_eq!(all.grant(Kind::Status, "x", false).map(|g| g.qos1), Some(false));
}

#[test]
fn notices_are_taken_by_whole_topics() {
    let mut all = Subscriptions::default();
    all.insert(subscription("homeassistant/+/+/config", false));
    all.insert(subscription("komandorr/state/web-1", true));
    let takes = |topic| all.grant(Kind::Notice, topic, false).map(|grant| grant.qos1);
    assert_eq!(takes("homeassistant/device/komandorr_web-1/config"), Some(false));
    assert_eq!(takes("komandorr/state/web-1"), Some(true));
    assert_eq!(takes("komandorr/state/web-2"), None);
    assert_eq!(all.grant(Kind::Traffic, "web-1", false), None);
    assert_eq!(all.kinds(), [false, false, true]);
}

#[test]
fn no_local_keeps_a_client_s_own_messages_away() {
    let mut all = Subscriptions::default();
    all.insert(Subscription { no_local: true, ..subscription("komandorr/traffic/+", true) });
    assert_eq!(all.grant(Kind::Traffic, "web-1", true), None);
    assert!(all.grant(Kind::Traffic, "web-1", false).is_some());
}
