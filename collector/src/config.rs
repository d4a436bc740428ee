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
    /// How long volumes of an hour are kept.
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
    /// How many samples of a service are kept as they came.
    pub(crate) fn keep(&self) -> usize {
        usize::try_from(self.samples_per_service).unwrap_or(usize::MAX)
    }
}
