//! Topic filters: whether a text is one, and what it matches.

use komandorr_wire::ServiceId;

use super::Scope;

/// A topic filter as the specification has it.
pub(super) fn is_filter(filter: &str) -> bool {
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

/// Whether a filter takes a topic.
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    intersects(filter, topic)
}

/// Whether some topic matches both filters.
pub(super) fn intersects(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.split('/'), other.split('/'));
    loop {
        match (one.next(), other.next()) {
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (Some(a), Some(b)) if a == b || a == "+" || b == "+" => {}
            _ => return false,
        }
    }
}

/// What of `komandorr/<kind>/<service>` the filter matches.
pub(super) fn scope(filter: &str, kind: &str) -> Scope {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_take_topics_as_the_specification_says() {
        for (filter, topic, takes) in [
            ("a/b", "a/b", true),
            ("a/b", "a/c", false),
            ("a/+", "a/b", true),
            ("a/+", "a/b/c", false),
            ("a/+", "a", false),
            ("a/#", "a/b/c", true),
            ("a/#", "a", true),
            ("#", "a/b", true),
            ("+/b", "a/b", true),
            ("a/b/c", "a/b", false),
        ] {
            assert_eq!(matches(filter, topic), takes, "{filter} {topic}");
        }
    }

    #[test]
    fn filters_that_share_a_topic_are_told_from_others() {
        for (one, other, share) in [
            ("homeassistant/#", "homeassistant/#", true),
            ("+/device/+/config", "homeassistant/#", true),
            ("homeassistant", "homeassistant/#", true),
            ("home/#", "homeassistant/#", false),
            ("komandorr/+/web-1", "komandorr/state/+", true),
            ("komandorr/traffic/#", "komandorr/state/+", false),
        ] {
            assert_eq!(intersects(one, other), share, "{one} {other}");
            assert_eq!(intersects(other, one), share, "{other} {one}");
        }
    }
}
