//! What an agent needs to know, as a value that code can make.

use std::{path::PathBuf, time::Duration};

use komandorr_config::Secret;
use komandorr_wire::ServiceId;

use crate::{select::Selection, uplink::Url};

/// Shortest interval between samples.
pub const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
/// Longest interval between samples.
pub const LONGEST_INTERVAL: Duration = Duration::from_hours(1);
/// Interval where nothing else is asked for.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);

/// Refuses an interval that is too short or too long.
pub fn allowed_interval(interval: Duration) -> Result<Duration, String> {
    if (SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(&interval) {
        Ok(interval)
    } else {
        Err("the interval must be 1 s to 1 h".to_owned())
    }
}

/// How an agent runs.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where samples go.
    pub url: Url,
    /// Under which name.
    pub service: ServiceId,
    /// With which credential; `None` where the listener asks for none.
    pub token: Option<Token>,
    /// Certificates that are trusted instead of the system's, a PEM file.
    pub ca: Option<PathBuf>,
    /// Which interfaces are summed.
    pub interfaces: Selection,
    /// Time between samples.
    pub interval: Duration,
    /// Capacity per direction, bytes per second; `None`: the links' speed.
    pub capacity: Option<u64>,
    /// Where identity, counters and spool live.
    pub state_dir: PathBuf,
    /// How much the spool keeps.
    pub limits: Limits,
}

impl Config {
    /// The defaults, for a server, a service and a folder of its own.
    pub fn new(url: Url, service: ServiceId, state_dir: PathBuf) -> Self {
        Self {
            url,
            service,
            token: None,
            ca: None,
            interfaces: Selection::Auto,
            interval: DEFAULT_INTERVAL,
            capacity: None,
            state_dir,
            limits: Limits::default(),
        }
    }
}

/// Where the credential comes from.
#[derive(Debug, Clone)]
pub enum Token {
    /// The token itself.
    Value(Secret),
    /// A file that holds it, read at every connect: it may be replaced.
    File(PathBuf),
}

/// Bounds of the spool. What is over them goes, the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Age in time that the agent has measured, so that a step of the wall
    /// clock drops nothing.
    pub age: Duration,
    /// Bytes on disk.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { age: Duration::from_hours(7 * 24), bytes: 64 << 20 }
    }
}
