//! The SQL behind the questions, run off the async threads.

mod adder;
mod buckets;
mod columns;
mod known;
mod pool;
mod row;
mod sums;
#[cfg(test)]
mod tests;
mod totals;

use std::collections::HashMap;

use duckdb::OptionalExt as _;
use jiff::Timestamp;

pub(super) use buckets::{FEW, Grouping, Which};
pub(super) use pool::Pool;
pub(super) use row::{BucketRow, SUM};
pub(super) use totals::Totals;

use super::{Point, Range, ReadError};
use crate::{
    bucket::{DAY_MS, bucket_of},
    level::Level,
    live::Volume,
    store::instant,
};

/// Rows of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// How many.
    pub rows: u64,
    /// Time of the oldest; `None` without any.
    pub oldest: Option<Timestamp>,
}

/// What the store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holdings {
    /// Size of the database file without its log.
    pub bytes: u64,
    /// Samples as they came.
    pub samples: Kept,
    /// Volumes of five minutes.
    pub five_minutes: Kept,
    /// Volumes of an hour.
    pub hours: Kept,
}

/// What an interface carried in a range.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct InterfaceVolume {
    /// Its name.
    pub name: String,
    /// What it is.
    pub role: String,
    /// Whether it is part of the service's sums.
    pub counted: bool,
    /// Its bytes.
    #[serde(flatten)]
    pub volume: Volume,
}

/// Fills a range into a question. Written out: DuckDB leaves out blocks of other
/// times only where it knows the times before it begins.
fn within(sql: &str, range: Range) -> String {
    between(sql, range.from.as_millisecond(), range.to.as_millisecond())
}

fn between(sql: &str, from_ms: i64, to_ms: i64) -> String {
    sql.replace("{from}", &instant(from_ms)).replace("{to}", &instant(to_ms))
}

/// Between which moments a range has whole days of UTC. Without any, all of it lies
/// before the first moment, and the second is the same.
pub(super) fn whole_days(from_ms: i64, to_ms: i64) -> (i64, i64) {
    let first_ms = bucket_of(from_ms.saturating_add(DAY_MS - 1), DAY_MS).min(to_ms);
    (first_ms, bucket_of(to_ms, DAY_MS).max(first_ms))
}

impl Pool {
    /// The stored samples of some services in a range, as points.
    pub(super) async fn samples(
        &self,
        services: Which,
        range: Range,
    ) -> Result<HashMap<i32, Vec<Point>>, ReadError> {
        if services.is_empty() {
            return Ok(HashMap::new());
        }
        let sql = include_str!("../sql/samples.sql").replace("{services}", &services.list());
        self.run(move |connection| {
            let mut statement = connection.prepare(&within(&sql, range))?;
            let mut rows = statement.query([])?;
            let mut points: HashMap<i32, Vec<Point>> = HashMap::new();
            while let Some(row) = rows.next()? {
                let start = Timestamp::from_millisecond(row.get(1)?).unwrap_or_default();
                let point = Point::of_sample(start, row.get(2)?, row.get(3)?, row.get(4)?);
                points.entry(row.get(0)?).or_default().push(point);
            }
            Ok(points)
        })
        .await
    }

    /// What the store holds, which takes a look at every row.
    pub(super) async fn holdings(&self) -> Result<Holdings, ReadError> {
        self.run(|connection| {
            connection.query_row(include_str!("../sql/holdings.sql"), [], |row| {
                let kept = |at| -> duckdb::Result<Kept> {
                    let oldest_ms: Option<i64> = row.get(at + 1)?;
                    let oldest = oldest_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
                    Ok(Kept { rows: row.get(at)?, oldest })
                };
                Ok(Holdings {
                    bytes: row.get(0)?,
                    samples: kept(1)?,
                    five_minutes: kept(3)?,
                    hours: kept(5)?,
                })
            })
        })
        .await
    }

    /// The first day with traffic of a service that is still kept, Unix
    /// milliseconds; `None` without any.
    pub(super) async fn first_day(&self, service_no: i32) -> Result<Option<i64>, ReadError> {
        let sql = include_str!("../sql/first_days.sql")
            .replace("{which}", &format!("WHERE service_no = {service_no}"));
        let first_ms: Option<i64> = self
            .run(move |connection| connection.query_row(&sql, [], |row| row.get(1)).optional())
            .await?;
        Ok(first_ms.map(|first_ms| bucket_of(first_ms, DAY_MS)))
    }

    /// When on a day a service's traffic begins, Unix milliseconds: with its first
    /// bucket of a level, or its first sample; `None` without any.
    pub(super) async fn first_traffic(
        &self,
        service_no: i32,
        day_ms: i64,
        level: Level,
    ) -> Result<Option<i64>, ReadError> {
        let sql = include_str!("../sql/first_traffic.sql")
            .replace("{source}", &level.source())
            .replace("{service}", &service_no.to_string());
        let sql = between(&sql, day_ms, day_ms.saturating_add(DAY_MS));
        self.run(move |connection| connection.query_row(&sql, [], |row| row.get(0))).await
    }

    pub(super) async fn interfaces(
        &self,
        service_no: i32,
        range: Range,
    ) -> Result<Vec<InterfaceVolume>, ReadError> {
        let sql =
            include_str!("../sql/interfaces.sql").replace("{service}", &service_no.to_string());
        self.run(move |connection| {
            let mut statement = connection.prepare(&within(&sql, range))?;
            let rows = statement.query_map([], |row| {
                let volume = Volume { up_bytes: row.get(3)?, down_bytes: row.get(4)? };
                Ok(InterfaceVolume {
                    name: row.get(0)?,
                    role: row.get(1)?,
                    counted: row.get(2)?,
                    volume,
                })
            })?;
            rows.collect()
        })
        .await
    }
}
