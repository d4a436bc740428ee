//! A store without a collector, whose housekeeping a test does.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use komandorr_wire::ServiceId;

use super::{forget, join};
use crate::{
    Config, Live, Reader, Registry,
    bucket::{FIVE_MINUTES_MS, bucket_of},
    journal::Journal,
    level::Level,
    read::{KeptMinutes, Past, Range, Scope},
    store::{Database, Lane, instant, list},
};

/// A store with some services, and a reader that remembers.
pub(super) struct Store {
    _folder: tempfile::TempDir,
    pub(super) database: Arc<Database>,
    pub(super) lane: Lane,
    pub(super) past: Arc<Past>,
    pub(super) registry: Arc<Registry>,
    pub(super) reader: Reader,
    pub(super) now: Timestamp,
}

impl Store {
    /// With so many services.
    pub(super) fn of(services: i32) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let database = Database::open(&folder.path().join("past.duckdb"))?;
        let lane = database.lane();
        lane.with(|connection| {
            connection.execute_batch(&format!(
                "INSERT INTO service (service_no, id, name, created_at)
                 SELECT nextval('service_no'), 'host-' || n, '', now()::TIMESTAMP
                 FROM range(1, {services} + 1) AS t (n)"
            ))
        })?;
        let past: Arc<Past> = Arc::default();
        let registry = Arc::new(Registry::load(database.lane(), Arc::clone(&past))?);
        let reader = reader(&database, &registry, &past)?;
        Ok(Self { _folder: folder, database, lane, past, registry, reader, now: Timestamp::now() })
    }

    /// A part of so many bytes, five minutes that many times ago.
    pub(super) fn part(&self, service: i32, ago: i64, bytes: u32) -> duckdb::Result<()> {
        let ms = bucket_of(self.now.as_millisecond(), FIVE_MINUTES_MS) - ago * FIVE_MINUTES_MS;
        let sql = format!(
            "INSERT INTO recent_volume
             SELECT {service}, {}, {bytes}, 1, 300000, {bytes}, 1, 1",
            instant(ms)
        );
        self.lane.with(|connection| connection.execute_batch(&sql))
    }

    pub(super) fn join(&self) -> duckdb::Result<()> {
        self.lane.with(|connection| join::volumes(connection, &self.past))
    }

    pub(super) fn forget(&self, hours: u64) -> duckdb::Result<()> {
        let keep = Duration::from_hours(hours);
        let config = Config { keep_five_minutes: keep, keep_hours: keep, ..Config::default() };
        self.lane.with(|connection| forget::volumes(connection, &self.past, &config, self.now))
    }

    /// Those of some services that are not removed.
    pub(super) fn named(&self, services: &[i32]) -> Scope {
        let ids = services.iter().filter_map(|number| id(*number));
        Scope::Several(ids.filter(|id| self.registry.get(id.as_str()).is_some()).collect())
    }

    /// What services that are not removed sent in a range, asked without a reader.
    pub(super) fn sent(&self, services: &[i32], range: Range) -> duckdb::Result<u64> {
        let sql = format!(
            "SELECT coalesce(sum(up_bytes), 0)::UBIGINT FROM ({}) SEMI JOIN service USING (service_no)
             WHERE service_no IN ({}) AND bucket >= {} AND bucket < {}",
            Level::FiveMinutes.source(),
            list(services),
            instant(range.from.as_millisecond()),
            instant(range.to.as_millisecond()),
        );
        self.lane.with(|connection| connection.query_row(&sql, [], |row| row.get(0)))
    }

    /// Those of some services that moved anything in a range, most bytes first, asked
    /// without a reader.
    pub(super) fn busiest(&self, services: &[i32], range: Range) -> duckdb::Result<Vec<ServiceId>> {
        let sql = format!(
            "SELECT service_no FROM ({}) WHERE service_no IN ({}) AND bucket >= {} AND bucket < {}
             GROUP BY service_no ORDER BY sum(up_bytes) + sum(down_bytes) DESC, service_no",
            Level::FiveMinutes.source(),
            list(services),
            instant(range.from.as_millisecond()),
            instant(range.to.as_millisecond()),
        );
        let numbers: Vec<i32> = self.lane.with(|connection| {
            connection.prepare(&sql)?.query_map([], |row| row.get(0))?.collect()
        })?;
        Ok(numbers.into_iter().filter_map(id).collect())
    }

    /// From so many times five minutes ago, so many of them.
    pub(super) fn range(&self, ago: i64, length: i64) -> Range {
        let at = |ago: i64| self.now - SignedDuration::from_mins(5 * ago);
        Range { from: at(ago), to: at(ago - length) }.widened(FIVE_MINUTES_MS)
    }
}

pub(super) fn reader(
    database: &Arc<Database>,
    registry: &Arc<Registry>,
    past: &Arc<Past>,
) -> anyhow::Result<Reader> {
    let live = Arc::new(Live::new(Arc::clone(registry), TimeZone::UTC));
    let long = Duration::from_hours(24 * 400);
    let minutes = database.lane().with(|connection| KeptMinutes::load(connection, long))?;
    Ok(Reader::new(database, &Arc::new(Journal::default()), past, registry, &live, (minutes, long)))
}

pub(super) fn id(number: i32) -> Option<ServiceId> {
    ServiceId::new(&format!("host-{number}")).ok()
}
