//! What can be asked, and the shape of the answers.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use komandorr_wire::ServiceId;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Point, Summary};
use crate::{
    bucket::{FIVE_MINUTES_MS, HOUR_MS, bucket_of},
    live::Volume,
    store::{is_damage, one_line},
};

/// Most points of one series that an answer holds.
pub const MAX_POINTS: usize = 1500;

/// From one instant up to another, which no longer belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Range {
    /// Its begin.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
}

/// Which services a question is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All that are registered.
    All,
    /// One.
    One(ServiceId),
    /// Some, in this order.
    Several(Vec<ServiceId>),
    /// Those of a group.
    Group(String),
}

/// How finely a history is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// The samples as they came.
    Raw,
    /// Five minutes.
    FiveMinutes,
    /// An hour.
    Hour,
    /// A day in the site's time zone.
    Day,
    /// An ISO week in the site's time zone.
    Week,
}

/// A service's history.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Series {
    /// The service; `None`: the sum of all that were asked for.
    #[schema(value_type = Option<String>, example = "edge-fra-01", required)]
    pub service: Option<ServiceId>,
    /// Oldest first; where there is no data there is no point.
    pub points: Vec<Point>,
    /// Of the range asked for, widened to whole buckets.
    pub summary: Summary,
}

/// The volume of one hour, day, week, month or year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PeriodVolume {
    /// Its begin.
    pub start: Timestamp,
    /// Its end.
    pub end: Timestamp,
    /// The bytes in it.
    #[serde(flatten)]
    pub volume: Volume,
    /// How much of it samples cover, milliseconds.
    pub covered_ms: u64,
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No service or group of that name.
    #[error("there is no \"{0}\"")]
    Unknown(String),
    /// It would give more points than [`MAX_POINTS`].
    #[error("{0} points: at most 1500 are given; choose a larger step or a shorter range")]
    TooManyPoints(usize),
    /// The end is not after the begin.
    #[error("the range ends before it begins")]
    EmptyRange,
    /// A file could not be written.
    #[error("the export could not be written: {0}")]
    Export(String),
    /// A part of the file does not hold what DuckDB wrote there.
    #[error(
        "the database {} is damaged in a place that was asked for ({reason}): the rest is answered, and samples are stored; restore a backup to have that place back",
        path.display()
    )]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// DuckDB's own words.
        reason: String,
    },
    /// DuckDB failed.
    #[error("the database did not answer: {0}")]
    Store(String),
}

impl ReadError {
    /// Tells what an error of DuckDB's means for a question about a file.
    pub(super) fn of(error: &duckdb::Error, path: &Path) -> Self {
        let reason = one_line(error);
        if is_damage(&reason) {
            Self::Damaged { path: path.to_owned(), reason }
        } else {
            Self::Store(reason)
        }
    }
}

impl Range {
    /// Both ends, in order.
    pub fn new(from: Timestamp, to: Timestamp) -> Result<Self, ReadError> {
        if from < to { Ok(Self { from, to }) } else { Err(ReadError::EmptyRange) }
    }

    /// Widened to whole buckets, which is what the store can answer exactly.
    #[must_use]
    pub fn widened(self, length_ms: i64) -> Self {
        let at = |ms| Timestamp::from_millisecond(ms).unwrap_or(self.to);
        let (from_ms, to_ms) = (self.from.as_millisecond(), self.to.as_millisecond());
        Self {
            from: at(bucket_of(from_ms, length_ms)),
            to: at(bucket_of(to_ms - 1, length_ms).saturating_add(length_ms)),
        }
    }

    pub(super) fn length_ms(self) -> i64 {
        self.to.as_millisecond() - self.from.as_millisecond()
    }
}

impl Step {
    /// The finest step that gives at most [`MAX_POINTS`] over a range; never
    /// [`Raw`](Self::Raw), of which nobody knows how many there are.
    pub fn for_range(range: Range) -> Self {
        let fits = |step: &Self| *step != Self::Raw && step.points(range) <= MAX_POINTS;
        Self::ALL.into_iter().find(fits).unwrap_or(Self::Week)
    }

    /// Length of a step, milliseconds: days and weeks are now and then an hour
    /// longer or shorter. `None` for samples.
    pub fn length_ms(self) -> Option<i64> {
        match self {
            Self::Raw => None,
            Self::FiveMinutes => Some(FIVE_MINUTES_MS),
            Self::Hour => Some(HOUR_MS),
            Self::Day => Some(24 * HOUR_MS),
            Self::Week => Some(7 * 24 * HOUR_MS),
        }
    }

    /// All of them, the finest first.
    pub const ALL: [Self; 5] = [Self::Raw, Self::FiveMinutes, Self::Hour, Self::Day, Self::Week];

    /// How a step is named in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::FiveMinutes => "5m",
            Self::Hour => "1h",
            Self::Day => "1d",
            Self::Week => "1w",
        }
    }

    pub(super) fn points(self, range: Range) -> usize {
        self.length_ms()
            .map_or(0, |length| usize::try_from(range.length_ms() / length).unwrap_or_default())
    }
}
