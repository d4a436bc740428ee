//! The levels of roll-up, and where each lies in the database.

use crate::{
    bucket::{DAY_MS, FIVE_MINUTES_MS, HOUR_MS, bucket_of},
    store::instant,
};

/// A level of roll-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Level {
    FiveMinutes,
    Hour,
    /// Of UTC. No history is made from them: what all services moved in a long
    /// time is, without reading every hour of it.
    Day,
}

impl Level {
    pub(crate) const ALL: [Self; 3] = [Self::FiveMinutes, Self::Hour, Self::Day];

    /// Length of its buckets.
    pub(crate) fn length_ms(self) -> i64 {
        match self {
            Self::FiveMinutes => FIVE_MINUTES_MS,
            Self::Hour => HOUR_MS,
            Self::Day => DAY_MS,
        }
    }

    /// How many rows a service has at most between two moments; at least one.
    pub(crate) fn rows_between(self, from_ms: i64, to_ms: i64) -> usize {
        let rows = to_ms.saturating_sub(from_ms) / self.length_ms();
        usize::try_from(rows).unwrap_or_default().max(1)
    }

    /// Length of the longest blocks of time within which its rows lie sorted by
    /// service, milliseconds. Days are so few that they stay in the order of time.
    pub(crate) const fn block_ms(self) -> i64 {
        match self {
            Self::FiveMinutes => 32 * DAY_MS,
            Self::Hour | Self::Day => 256 * DAY_MS,
        }
    }

    /// The table of its joined buckets.
    pub(crate) fn table(self) -> &'static str {
        match self {
            Self::FiveMinutes => "five_minute_volume",
            Self::Hour => "hour_volume",
            Self::Day => "day_volume",
        }
    }

    /// The table of their sums over all services, where these are kept.
    pub(crate) fn fleet(self) -> Option<&'static str> {
        match self {
            Self::FiveMinutes => Some("fleet_five_minutes"),
            Self::Hour => Some("fleet_hours"),
            Self::Day => None,
        }
    }

    /// Start of its bucket for a row of five minutes.
    pub(crate) fn bucket(self) -> &'static str {
        match self {
            Self::FiveMinutes => "bucket",
            Self::Hour => "date_trunc('hour', bucket)::TIMESTAMP_MS",
            Self::Day => "date_trunc('day', bucket)::TIMESTAMP_MS",
        }
    }

    /// Parts that are not joined yet; they belong to all levels.
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
        let table = self.table();
        let leave = self.fleet().map(|fleet| {
            include_str!("sql/leave_fleet.sql")
                .replace("{table}", table)
                .replace("{fleet}", fleet)
                .replace("{services}", services)
        });
        format!("{} DELETE FROM {table} WHERE {services};", leave.unwrap_or_default())
    }

    /// Statements that join what was taken into one row a bucket, and the fleet's
    /// sums with it; `first`: the earliest moment concerned, Unix milliseconds.
    pub(crate) fn join(self, first_ms: i64) -> String {
        let first = instant(bucket_of(first_ms, self.length_ms()));
        let rows = include_str!("sql/join_volumes.sql")
            .replace("{table}", self.table())
            .replace("{bucket}", self.bucket())
            .replace("{first}", &first);
        let sums = self.fleet().map(|fleet| {
            include_str!("sql/join_fleet.sql").replace("{fleet}", fleet).replace("{first}", &first)
        });
        rows + &sums.unwrap_or_default()
    }
}
