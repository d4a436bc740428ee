//! The SQL behind the questions, run off the async threads.

use std::{collections::HashMap, sync::Arc};

use duckdb::{Connection, params};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::{sync::Semaphore, task::spawn_blocking};

use super::{Point, Range, ReadError};
use crate::{
    bucket::{FIVE_MINUTES_MS, HOUR_MS},
    live::Volume,
};

/// Queries that run at once: more would only share the same processors.
const AT_ONCE: usize = 4;

/// Stands for the service in rows of several together; numbers begin at 1.
pub(super) const SUM: i32 = 0;

/// A level of roll-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    FiveMinutes,
    Hour,
}

/// Whether rows of several services are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grouping {
    Services,
    /// One row a bucket, whose service is [`SUM`].
    Sum,
}

impl Grouping {
    /// One service keeps its own row; several are summed.
    pub(super) fn of(services: &[i32]) -> Self {
        if services.len() == 1 { Self::Services } else { Self::Sum }
    }
}

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
    /// Mean over the covered time, summed over services.
    pub(super) up_mean: u64,
    pub(super) down_mean: u64,
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

impl BucketRow {
    /// Whether it is of several services together.
    pub(super) fn is_sum(&self) -> bool {
        self.service_no == SUM
    }
}

impl Level {
    pub(super) fn length_ms(self) -> i64 {
        match self {
            Self::FiveMinutes => FIVE_MINUTES_MS,
            Self::Hour => HOUR_MS,
        }
    }

    /// Where the rows of a level come from; recent parts belong to both.
    fn source(self) -> &'static str {
        match self {
            Self::FiveMinutes => "FROM five_minute_volume UNION ALL FROM recent_volume",
            Self::Hour => {
                "FROM hour_volume UNION ALL
                 SELECT * REPLACE (date_trunc('hour', bucket)::TIMESTAMP_MS AS bucket)
                 FROM recent_volume"
            }
        }
    }
}

/// Connections to one database, handed out for one query each.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Pool {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            idle: Arc::new(Mutex::new(vec![connection])),
            permits: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> duckdb::Result<T> + Send + 'static,
    ) -> Result<T, ReadError> {
        let stopped = |_| ReadError::Store("it is being closed".to_owned());
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(stopped)?;
        let idle = Arc::clone(&self.idle);
        let answer = spawn_blocking(move || {
            let _permit = permit;
            let connection = take(&idle)?;
            let answer = query(&connection);
            idle.lock().push(connection);
            answer
        });
        let answer = answer.await.map_err(|error| ReadError::Store(error.to_string()))?;
        Ok(answer?)
    }

    /// The buckets of some services in a range, by service and time.
    pub(super) async fn buckets(
        &self,
        services: Vec<i32>,
        range: Range,
        level: Level,
        grouping: Grouping,
    ) -> Result<Vec<BucketRow>, ReadError> {
        if services.is_empty() {
            return Ok(Vec::new());
        }
        let sql = include_str!("../sql/buckets.sql")
            .replace("{source}", level.source())
            .replace("{services}", &list(&services))
            .replace("{grouped}", if grouping == Grouping::Sum { "summed" } else { "joined" });
        self.run(move |connection| {
            let mut statement = connection.prepare(&sql)?;
            let (from, to) = (range.from.as_millisecond(), range.to.as_millisecond());
            let rows = statement.query_map(params![from, to], |row| {
                Ok(BucketRow {
                    service_no: row.get(0)?,
                    start_ms: row.get(1)?,
                    up: row.get(2)?,
                    down: row.get(3)?,
                    covered_ms: row.get(4)?,
                    up_peak: row.get(5)?,
                    down_peak: row.get(6)?,
                    up_mean: row.get(7)?,
                    down_mean: row.get(8)?,
                })
            })?;
            rows.collect()
        })
        .await
    }

    /// The stored samples of some services in a range, as points.
    pub(super) async fn samples(
        &self,
        services: Vec<i32>,
        range: Range,
    ) -> Result<HashMap<i32, Vec<Point>>, ReadError> {
        if services.is_empty() {
            return Ok(HashMap::new());
        }
        let sql = include_str!("../sql/samples.sql").replace("{services}", &list(&services));
        self.run(move |connection| {
            let mut statement = connection.prepare(&sql)?;
            let mut rows =
                statement.query(params![range.from.as_millisecond(), range.to.as_millisecond()])?;
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

    /// The services with the most bytes in a range.
    pub(super) async fn totals(
        &self,
        range: Range,
        level: Level,
        limit: usize,
    ) -> Result<Vec<(i32, Volume)>, ReadError> {
        let sql = include_str!("../sql/totals.sql").replace("{source}", level.source());
        self.run(move |connection| {
            let mut statement = connection.prepare(&sql)?;
            let (from, to) = (range.from.as_millisecond(), range.to.as_millisecond());
            let rows = statement.query_map(params![from, to, limit as u64], |row| {
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

    /// When a service's traffic begins, Unix milliseconds; `None` without any.
    pub(super) async fn first_traffic(&self, service_no: i32) -> Result<Option<i64>, ReadError> {
        let sql = include_str!("../sql/first_traffic.sql");
        self.run(move |connection| connection.query_row(sql, params![service_no], |row| row.get(0)))
            .await
    }

    pub(super) async fn interfaces(
        &self,
        service_no: i32,
        range: Range,
    ) -> Result<Vec<InterfaceVolume>, ReadError> {
        self.run(move |connection| {
            let mut statement = connection.prepare(include_str!("../sql/interfaces.sql"))?;
            let (from, to) = (range.from.as_millisecond(), range.to.as_millisecond());
            let rows = statement.query_map(params![service_no, from, to], |row| {
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

/// One of the idle connections, or a new one made from any of them. The first
/// is never taken away for good: a clone is made while it is there.
fn take(idle: &Mutex<Vec<Connection>>) -> duckdb::Result<Connection> {
    let mut idle = idle.lock();
    match idle.last() {
        Some(last) if idle.len() == 1 => last.try_clone(),
        _ => idle.pop().ok_or(duckdb::Error::InvalidQuery),
    }
}

/// Numbers as the inside of an SQL list.
fn list(numbers: &[i32]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
