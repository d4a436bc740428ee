//! The SQL behind the questions, run off the async threads.

mod buckets;
mod columns;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, path::Path, sync::Arc};

use duckdb::{Connection, OptionalExt as _};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::{sync::Semaphore, task::spawn_blocking};

pub(super) use buckets::{Grouping, Which};

use super::{Point, Range, ReadError};
use crate::{
    bucket::{DAY_MS, bucket_of},
    journal::Journal,
    level::Level,
    live::Volume,
    store::{Database, Lane, instant},
};

/// Queries that run at once: more would only share the same processors.
const AT_ONCE: usize = 4;

/// Stands for the service in rows of several together; numbers begin at 1.
pub(super) const SUM: i32 = 0;

/// One bucket of a service, or of several together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct BucketRow {
    pub(super) service_no: i32,
    pub(super) start_ms: i64,
    pub(super) up: u64,
    pub(super) down: u64,
    pub(super) covered_ms: u64,
    /// Highest speed of a sample; of several services, the sum of their means.
    pub(super) up_peak: u64,
    pub(super) down_peak: u64,
}

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

impl BucketRow {
    /// Whether it is of several services together.
    pub(super) fn is_sum(&self) -> bool {
        self.service_no == SUM
    }

    /// Mean speed of sending over the covered time, summed over services.
    pub(super) fn up_mean(&self) -> u64 {
        self.mean(self.up, self.up_peak)
    }

    /// Mean speed of receiving over the covered time, summed over services.
    pub(super) fn down_mean(&self) -> u64 {
        self.mean(self.down, self.down_peak)
    }

    /// Bytes per second, rounded down. Of several services the highest is the
    /// sum of their means already. Worked out here: DuckDB would take several
    /// times as long for numbers of 128 bits.
    fn mean(&self, bytes: u64, peak: u64) -> u64 {
        if self.is_sum() {
            return peak;
        }
        let covered_ms = self.covered_ms.max(1);
        if let Some(thousandfold) = bytes.checked_mul(1000) {
            return thousandfold / covered_ms;
        }
        let mean = u128::from(bytes) * 1000 / u128::from(covered_ms);
        u64::try_from(mean).unwrap_or(u64::MAX)
    }
}

/// Connections to one database, handed out for one query each.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    path: Arc<Path>,
    journal: Arc<Journal>,
    idle: Arc<Mutex<Vec<Lane>>>,
    permits: Arc<Semaphore>,
}

impl Pool {
    pub(super) fn new(database: &Arc<Database>, journal: &Arc<Journal>) -> Self {
        let lanes = (0..AT_ONCE).map(|_| database.lane()).collect();
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        Self {
            path: database.path().into(),
            journal: Arc::clone(journal),
            idle: Arc::new(Mutex::new(lanes)),
            permits,
        }
    }

    /// Runs a query that must not miss anything that is acknowledged.
    pub(super) async fn run_on_all<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> duckdb::Result<T> + Send + 'static,
    ) -> Result<T, ReadError> {
        if !self.journal.caught_up().await {
            return Err(ReadError::Store(
                "the newest samples are not in its tables yet".to_owned(),
            ));
        }
        self.run(query).await
    }

    /// Runs a query where it may block; on all that is acknowledged by now, unless
    /// that takes too long.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> duckdb::Result<T> + Send + 'static,
    ) -> Result<T, ReadError> {
        self.journal.caught_up().await;
        let stopped = |_| ReadError::Store("it is being closed".to_owned());
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(stopped)?;
        let idle = Arc::clone(&self.idle);
        let answer = spawn_blocking(move || {
            let _permit = permit;
            // There are as many as permits.
            let lane = idle.lock().pop().ok_or(duckdb::Error::InvalidQuery)?;
            let answer = lane.with(query);
            idle.lock().push(lane);
            answer
        });
        let answer = answer.await.map_err(|error| ReadError::Store(error.to_string()))?;
        answer.map_err(|error| ReadError::of(&error, &self.path))
    }

    /// Runs questions that see the same store, whatever housekeeping joins
    /// meanwhile.
    pub(super) async fn view<T: Send + 'static>(
        &self,
        questions: impl FnOnce(&Connection) -> duckdb::Result<T> + Send + 'static,
    ) -> Result<T, ReadError> {
        self.run(|connection| {
            let view = connection.unchecked_transaction()?;
            let answer = questions(&view)?;
            view.commit()?;
            Ok(answer)
        })
        .await
    }

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

    /// The services with the most bytes in a range of whole hours.
    pub(super) async fn totals(
        &self,
        range: Range,
        limit: usize,
    ) -> Result<Vec<(i32, Volume)>, ReadError> {
        let (first_day_ms, last_day_ms) =
            whole_days(range.from.as_millisecond(), range.to.as_millisecond());
        let sql = include_str!("../sql/totals.sql")
            .replace("{first_day}", &instant(first_day_ms))
            .replace("{last_day}", &instant(last_day_ms));
        self.run(move |connection| {
            let mut statement = connection.prepare(&within(&sql, range))?;
            let rows = statement.query_map([limit as u64], |row| {
                Ok((row.get(0)?, Volume { up_bytes: row.get(1)?, down_bytes: row.get(2)? }))
            })?;
            rows.collect()
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
