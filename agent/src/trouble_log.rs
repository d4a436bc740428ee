//! Troubles that repeat: logged when they change, then once in a while.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// How often an unchanged trouble is logged again.
const AGAIN: Duration = Duration::from_mins(10);

/// What is wrong at the moment, by the part that it is wrong with.
#[derive(Debug, Default)]
pub(crate) struct TroubleLog(HashMap<&'static str, (String, Instant)>);

impl TroubleLog {
    /// Something does not work.
    pub(crate) fn report(&mut self, part: &'static str, text: &str) {
        if self.is_news(Instant::now(), part, text) {
            tracing::warn!("{text}");
        }
    }

    /// Whether a trouble is to be logged, which is remembered.
    fn is_news(&mut self, now: Instant, part: &'static str, text: &str) -> bool {
        let known = self.0.get(part);
        if known.is_some_and(|(said, when)| said == text && now - *when < AGAIN) {
            return false;
        }
        self.0.insert(part, (text.to_owned(), now));
        true
    }

    /// It works again.
    pub(crate) fn over(&mut self, part: &'static str) {
        self.0.remove(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_is_logged_on_change_and_then_once_in_a_while() {
        let (mut log, now) = (TroubleLog::default(), Instant::now());
        assert!(log.is_news(now, "connection", "refused"));
        assert!(!log.is_news(now, "connection", "refused"));
        assert!(log.is_news(now, "storage", "full"));
        assert!(log.is_news(now, "connection", "no route"));
        assert!(log.is_news(now + AGAIN, "connection", "no route"));
        log.over("connection");
        assert!(log.is_news(now + AGAIN, "connection", "no route"));
    }
}
