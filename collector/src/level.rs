//! The two levels of roll-up, and where each lies in the database.

use crate::bucket::{FIVE_MINUTES_MS, HOUR_MS};

/// A level of roll-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    FiveMinutes,
    Hour,
}

impl Level {
    pub(crate) const ALL: [Self; 2] = [Self::FiveMinutes, Self::Hour];

    /// Length of its buckets.
    pub(crate) fn length_ms(self) -> i64 {
        match self {
            Self::FiveMinutes => FIVE_MINUTES_MS,
            Self::Hour => HOUR_MS,
        }
    }

    /// The table of its joined buckets.
    pub(crate) fn table(self) -> &'static str {
        match self {
            Self::FiveMinutes => "five_minute_volume",
            Self::Hour => "hour_volume",
        }
    }

    /// The table of their sums over all services.
    pub(crate) fn fleet(self) -> &'static str {
        match self {
            Self::FiveMinutes => "fleet_five_minutes",
            Self::Hour => "fleet_hours",
        }
    }

    /// Start of its bucket for a row of five minutes.
    pub(crate) fn bucket(self) -> &'static str {
        match self {
            Self::FiveMinutes => "bucket",
            Self::Hour => "date_trunc('hour', bucket)::TIMESTAMP_MS",
        }
    }

    /// Parts that are not joined yet; they belong to both levels.
    pub(crate) fn recent(self) -> String {
        format!("SELECT * REPLACE ({} AS bucket) FROM recent_volume", self.bucket())
    }

    /// All its rows. A bucket may have several, which add up.
    pub(crate) fn source(self) -> String {
        format!("FROM {} UNION ALL {}", self.table(), self.recent())
    }

    /// Statements that take the rows of some services out, of the fleet's sums
    /// as well.
    pub(crate) fn without(self, services: &str) -> String {
        include_str!("sql/leave_fleet.sql")
            .replace("{table}", self.table())
            .replace("{fleet}", self.fleet())
            .replace("{services}", services)
    }
}
