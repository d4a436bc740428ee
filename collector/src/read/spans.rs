//! Of all services at once: volumes of today, this month, of all time; when they begin.

use std::collections::HashMap;

use duckdb::Connection;
use jiff::Timestamp;
use komandorr_wire::ServiceId;
use serde::Serialize;

use super::query::whole_days;
use super::{KeptMinutes, ReadError, Reader};
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
    // minutes; where these are gone, an hour counts where it begins.
    let hours = ends.iter().all(|end| end % HOUR_MS == 0);
    let month = Timestamp::from_millisecond(spans.month_ms).unwrap_or_default();
    let level = if hours || !minutes.since(month) { Level::Hour } else { Level::FiveMinutes };
    let (first_day_ms, last_day_ms) = whole_days(spans.month_ms, spans.day_ms);
    let [day, next_day, month, next_month] = ends.map(instant);
    let sql = include_str!("../sql/spans.sql")
        .replace("{table}", level.table())
        .replace("{recent}", &level.recent())
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
