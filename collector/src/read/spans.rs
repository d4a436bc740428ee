//! Of all services at once: volumes of today, this month, of all time; when they begin.

use std::collections::HashMap;

use duckdb::Connection;
use jiff::Timestamp;
use komandorr_wire::ServiceId;
use serde::Serialize;

use super::{KeptMinutes, ReadError, Reader, query::whole_days};
use crate::{
    bucket::HOUR_MS,
    level::Level,
    live::{Spans, Volume},
    store::instant,
};

/// What a service moved today and this month, in the site's time zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunningVolumes {
    /// The service.
    pub service: ServiceId,
    /// Since midnight.
    pub today: Volume,
    /// Since the first of the month.
    pub month: Volume,
}

impl Reader {
    /// The volumes of today and this month, of every service.
    pub async fn running_volumes(&self, now: Timestamp) -> Result<Vec<RunningVolumes>, ReadError> {
        let spans = Spans::around(now, self.zone());
        let minutes = self.minutes;
        let known = self.pool.run(move |connection| in_spans(connection, spans, minutes)).await?;
        let volumes = |service: &crate::registry::Service| {
            let (today, month) = known.get(&service.number).copied().unwrap_or_default();
            RunningVolumes { service: service.id.clone(), today, month }
        };
        Ok(self.registry.services().iter().map(|service| volumes(service)).collect())
    }
}

/// Today's and this month's volumes by the service's number.
pub(crate) fn in_spans(
    connection: &Connection,
    spans: Spans,
    minutes: KeptMinutes,
) -> duckdb::Result<HashMap<i32, (Volume, Volume)>> {
    let ends = [spans.day_ms, spans.next_day_ms, spans.month_ms, spans.next_month_ms];
    // Midnight is not the full hour of UTC everywhere, but always one of five
    // minutes; where these are gone, an hour counts where it begins. At the begin of
    // the month they may be, when those of today are not.
    let hours = ends.iter().all(|end| end % HOUR_MS == 0);
    let level = |from_ms| {
        let from = Timestamp::from_millisecond(from_ms).unwrap_or_default();
        if hours || !minutes.since(from) { Level::Hour } else { Level::FiveMinutes }
    };
    let (first_day_ms, last_day_ms) = whole_days(spans.month_ms, spans.day_ms);
    let [day, next_day, month, next_month] = ends.map(instant);
    let sql = include_str!("../sql/spans.sql")
        .replace("{before}", &level(spans.month_ms).source())
        .replace("{after}", &level(last_day_ms).source())
        .replace("{day}", &day)
        .replace("{next_day}", &next_day)
        .replace("{month}", &month)
        .replace("{next_month}", &next_month)
        .replace("{first_day}", &instant(first_day_ms))
        .replace("{last_day}", &instant(last_day_ms));
    let mut statement = connection.prepare(&sql)?;
    let rows =
        statement.query_map([], |row| Ok((row.get(0)?, (volume(row, 1)?, volume(row, 3)?))))?;
    rows.collect()
}

/// All that each service ever moved, by its number.
pub(crate) fn of_all_time(connection: &Connection) -> duckdb::Result<HashMap<i32, Volume>> {
    let mut statement = connection.prepare(include_str!("../sql/all_time.sql"))?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, volume(row, 1)?)))?;
    rows.collect()
}

/// When each service's traffic begins, to the day, Unix milliseconds; by its number.
pub(crate) fn first_days(connection: &Connection) -> duckdb::Result<HashMap<i32, i64>> {
    let sql = include_str!("../sql/first_days.sql").replace("{which}", "");
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

fn volume(row: &duckdb::Row<'_>, at: usize) -> duckdb::Result<Volume> {
    Ok(Volume { up_bytes: row.get(at)?, down_bytes: row.get(at + 1)? })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        bucket::{DAY_MS, bucket_of},
        store::Database,
    };

    /// A byte every five minutes of thirty days, the last two of them not joined;
    /// five minutes are kept of a week.
    const ROWS: &str = "
        CREATE TEMP TABLE every AS
        SELECT 1 AS service_no, (make_timestamp_ms({end}) - INTERVAL 5 MINUTE * n)::TIMESTAMP_MS AS bucket,
               1::UBIGINT, 0::UBIGINT, 300000::UBIGINT, 1::UBIGINT, 0::UBIGINT, 1::UINTEGER
        FROM range(1, 30 * 288) AS t (n);
        INSERT INTO recent_volume FROM every
        WHERE bucket >= make_timestamp_ms({end}) - INTERVAL 10 MINUTE;
        DELETE FROM every WHERE bucket >= make_timestamp_ms({end}) - INTERVAL 10 MINUTE;
        INSERT INTO five_minute_volume FROM every
        WHERE bucket >= make_timestamp_ms({end}) - INTERVAL 6 DAY;
        INSERT INTO hour_volume
        SELECT service_no, date_trunc('hour', bucket) AS hour, count(*), 0, 1, 1, 0, 1
        FROM every GROUP BY service_no, hour;
        INSERT INTO day_volume
        SELECT service_no, date_trunc('day', bucket) AS day, count(*), 0, 1, 1, 0, 1
        FROM every GROUP BY service_no, day;";

    #[test]
    fn today_is_whole_though_the_begin_of_the_month_has_hours_only() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let lane = Database::open(&folder.path().join("spans.duckdb"))?.lane();
        let connection = lane.lock()?;
        let today_ms = bucket_of(Timestamp::now().as_millisecond(), DAY_MS);
        // Midnight half an hour before a full hour of UTC, and three hours of that day.
        let day_ms = today_ms - 5 * HOUR_MS - HOUR_MS / 2;
        let end_ms = day_ms + 3 * HOUR_MS;
        connection.execute_batch(&ROWS.replace("{end}", &end_ms.to_string()))?;
        let spans = Spans {
            day_ms,
            next_day_ms: day_ms + DAY_MS,
            month_ms: day_ms - 20 * DAY_MS,
            next_month_ms: day_ms + 10 * DAY_MS,
        };
        let kept = KeptMinutes::load(&connection, Duration::from_hours(7 * 24))?;
        let found = in_spans(&connection, spans, kept)?.remove(&1).unwrap_or_default();
        // The hour in which the month begins is of the one before.
        let (today, month) = (3 * 12, 20 * 288 - 6 + 3 * 12);
        assert_eq!((found.0.up_bytes, found.1.up_bytes), (today, month));
        Ok(())
    }
}
