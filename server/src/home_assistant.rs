//! What Home Assistant is told: for each service a retained announcement of
//! its sensors and, as JSON, its figures, because it reads no `MessagePack`.

mod discovery;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use komandorr_collector::{Current, Live, Registry};
use komandorr_config::Impossible;
use komandorr_web::App;
use komandorr_wire::topic;
use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::source::Source;
use discovery::Prefix;

/// Longest prefix, in bytes.
const LONGEST_PREFIX: usize = 100;

/// Section `[home_assistant]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    enabled: bool,
    discovery_prefix: String,
    #[serde(with = "komandorr_config::duration")]
    interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        let discovery_prefix = "homeassistant".to_owned();
        Self { enabled: false, discovery_prefix, interval: Duration::from_secs(10) }
    }
}

impl Config {
    /// The prefix; `None` when Home Assistant is not told anything.
    pub(crate) fn prefix(&self) -> Option<&str> {
        self.enabled.then_some(&self.discovery_prefix)
    }

    /// Refuses a prefix that is none, or would reach into our own topics; named
    /// without the section.
    pub(crate) fn check(&self) -> Result<(), Impossible> {
        let prefix = &self.discovery_prefix;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let levels = prefix.split('/').all(|level| !level.is_empty() && level.chars().all(plain));
        if !levels || prefix.len() > LONGEST_PREFIX || prefix.split('/').next() == Some("komandorr")
        {
            let reason = format!(
                "\"{prefix}\" is no prefix: letters, digits, _ and - are allowed, / between them, and the first word must not be komandorr"
            );
            return Err(Impossible::new("discovery_prefix", reason));
        }
        if !(1..=60).contains(&self.interval.as_secs()) {
            return Err(Impossible::new("interval", "must be 1s to 60s"));
        }
        Ok(())
    }
}

/// Tells Home Assistant.
pub(crate) struct Announcer {
    prefix: Prefix,
    interval: Duration,
    registry: Arc<Registry>,
    live: Arc<Live>,
    source: Source,
}

/// A service's figures, as the API has them, and when they were.
#[derive(Serialize)]
struct State<'a> {
    /// Whole minutes: told every minute, even when nothing else changes.
    as_of: Timestamp,
    #[serde(flatten)]
    current: &'a Current,
}

impl Announcer {
    /// `None`: the settings do not ask for it.
    pub(crate) fn new(config: &Config, app: &App, source: &Source) -> Option<Self> {
        Some(Self {
            prefix: Prefix::new(config.prefix()?),
            interval: config.interval,
            registry: Arc::clone(&app.registry),
            live: Arc::clone(&app.live),
            source: source.clone(),
        })
    }

    /// Tells until `stop`: figures in the interval, a new, changed or removed
    /// service at once.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut registered = self.registry.subscribe();
        let mut ticks = interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut notices = BTreeMap::new();
        loop {
            let figures = tokio::select! {
                _ = ticks.tick() => true,
                changed = registered.changed() => { if changed.is_err() { return } false }
                () = stop.cancelled() => return,
            };
            notices = self.notices(figures, &notices);
            self.source.set_notices(notices.clone());
        }
    }

    /// Everything that is to be told now; figures that are not due stay as
    /// they were.
    fn notices(&self, figures: bool, before: &BTreeMap<String, Bytes>) -> BTreeMap<String, Bytes> {
        let now = Timestamp::now();
        let as_of = Timestamp::from_second(now.as_second() / 60 * 60).unwrap_or(now);
        let with_status = self.source.with_status();
        let services = self.registry.services();
        let mut notices = BTreeMap::new();
        for current in self.live.current(now) {
            let Ok(found) = services.binary_search_by(|s| s.id.cmp(&current.service)) else {
                continue;
            };
            let Some(service) = services.get(found) else { continue };
            let has_status = with_status.binary_search(&service.id).is_ok();
            notices.insert(self.prefix.topic(service), discovery::device(service, has_status));
            let topic = topic::state(&service.id);
            let told = before.get(&topic).filter(|_| !figures);
            let state = told.cloned().unwrap_or_else(|| {
                let state = State { as_of, current: &current };
                serde_json::to_vec(&state).unwrap_or_default().into()
            });
            notices.insert(topic, state);
        }
        notices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_that_cannot_be_one_is_named() {
        let config = |prefix: &str| Config { discovery_prefix: prefix.into(), ..Config::default() };
        for good in ["homeassistant", "ha/discovery", "a-b_c"] {
            assert!(config(good).check().is_ok(), "{good}");
        }
        let long = "x".repeat(101);
        for bad in ["", "a/", "/a", "a//b", "a/#", "+", "$SYS", "komandorr/state", "a b", &long] {
            let error = config(bad).check().unwrap_err().to_string();
            assert!(error.starts_with("discovery_prefix"), "{error}");
        }
        let config = Config { interval: Duration::from_secs(61), ..Config::default() };
        assert!(config.check().unwrap_err().to_string().contains("interval"));
    }
}
