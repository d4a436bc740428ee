//! Settings of the store, the section `[storage]`.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

const DAY: Duration = Duration::from_hours(24);
/// The mean Gregorian year, as settings read "10 years".
const YEAR: Duration = Duration::from_secs(31_556_952);

/// Where and how long traffic is kept.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The DuckDB database; its folder is made when it is missing.
    pub path: PathBuf,
    /// How many raw samples are kept of each service.
    pub samples_per_service: u32,
    /// How long volumes of five minutes are kept.
    #[serde(with = "komandorr_config::duration")]
    pub keep_five_minutes: Duration,
    /// How long volumes of an hour are kept; see [`hours_kept`](Self::hours_kept).
    #[serde(with = "komandorr_config::duration")]
    pub keep_hours: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: "data/komandorr.duckdb".into(),
            samples_per_service: 1000,
            keep_five_minutes: 400 * DAY,
            keep_hours: 10 * YEAR,
        }
    }
}

impl Config {
    /// How long volumes of an hour are kept: never shorter than those of five minutes,
    /// or a summary would tell of bytes that days, talkers and profiles know nothing of.
    pub fn hours_kept(&self) -> Duration {
        self.keep_hours.max(self.keep_five_minutes)
    }

    /// How many samples of a service are kept as they came.
    pub(crate) fn keep(&self) -> usize {
        usize::try_from(self.samples_per_service).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_kept_at_least_as_long_as_five_minutes() {
        let kept = |keep_hours, keep_five_minutes| {
            Config { keep_five_minutes, keep_hours, ..Config::default() }.hours_kept()
        };
        assert_eq!(kept(32 * DAY, 400 * DAY), 400 * DAY);
        assert_eq!(kept(10 * YEAR, 400 * DAY), 10 * YEAR);
    }
}
