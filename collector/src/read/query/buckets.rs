//! Buckets of some services in a range, each for itself or all together.

use duckdb::Connection;

use super::{BucketRow, Pool, Range, ReadError, columns, within};
use crate::{
    level::Level,
    store::{instant, list},
};

/// So many services are asked for one by one.
const FEW: usize = 16;

/// Whether rows of several services are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::read) enum Grouping {
    Services,
    /// One row a bucket, whose service is [`super::SUM`].
    Sum,
}

impl Grouping {
    /// One service keeps its own row; several are summed.
    pub(in crate::read) fn of<T>(services: &[T]) -> Self {
        if services.len() == 1 { Self::Services } else { Self::Sum }
    }
}

/// Services by their numbers.
#[derive(Debug, Clone)]
pub(in crate::read) enum Which {
    /// All that are registered, of which the fleet's sums are kept.
    All(Vec<i32>),
    Some(Vec<i32>),
}

impl Which {
    pub(super) fn is_empty(&self) -> bool {
        self.numbers().is_empty()
    }

    /// As the inside of an SQL list.
    pub(super) fn list(&self) -> String {
        list(self.numbers())
    }

    /// The same as several lists, none of which makes DuckDB read more than it
    /// holds where that is worth a question of its own.
    fn lists(&self) -> Vec<String> {
        let numbers = self.numbers();
        if numbers.len() > FEW {
            return vec![self.list()];
        }
        numbers.iter().map(ToString::to_string).collect()
    }

    fn numbers(&self) -> &[i32] {
        match self {
            Self::All(numbers) | Self::Some(numbers) => numbers,
        }
    }
}

impl Pool {
    /// The buckets of some services in a range, by service and time.
    pub(in crate::read) async fn buckets(
        &self,
        services: Which,
        range: Range,
        level: Level,
        grouping: Grouping,
    ) -> Result<Vec<BucketRow>, ReadError> {
        if services.is_empty() {
            return Ok(Vec::new());
        }
        self.view(move |connection| {
            let rows = match (&services, grouping) {
                (Which::All(_), Grouping::Sum) => fleet(connection, range, level)?,
                (_, Grouping::Sum) => summed(connection, range, &level.source(), &services.list())?,
                (_, Grouping::Services) => each(connection, range, level, &services)?,
            };
            Ok(columns::joined(rows))
        })
        .await
    }
}

/// The buckets of each service. Of a few they are asked for one by one: where a
/// list is longer than some numbers DuckDB reads the blocks of all services and
/// joins the list to them.
fn each(
    connection: &Connection,
    range: Range,
    level: Level,
    services: &Which,
) -> duckdb::Result<Vec<BucketRow>> {
    let sql = include_str!("../../sql/buckets.sql").replace("{source}", &level.source());
    let mut rows = Vec::new();
    for list in services.lists() {
        rows.append(&mut select(connection, &sql.replace("{services}", &list), range)?);
    }
    Ok(rows)
}

/// The sums of all services: those that are kept, but for buckets to which
/// parts came since; these are summed anew.
fn fleet(connection: &Connection, range: Range, level: Level) -> duckdb::Result<Vec<BucketRow>> {
    let touched = touched(connection, range, level)?;
    let sql = include_str!("../../sql/fleet.sql").replace("{fleet}", level.fleet());
    let mut rows = select(connection, &sql, range)?;
    if !touched.is_empty() {
        rows.retain(|row| touched.binary_search(&row.start_ms).is_err());
        // By name: a condition that DuckDB must work out first reads every block.
        let buckets = list(&touched.iter().map(|&ms| instant(ms)).collect::<Vec<_>>());
        let source = format!("FROM ({}) WHERE bucket IN ({buckets})", level.source());
        rows.extend(summed(connection, range, &source, "SELECT service_no FROM service")?);
    }
    Ok(rows)
}

/// Starts of the buckets to which parts came that are not joined, in order.
fn touched(connection: &Connection, range: Range, level: Level) -> duckdb::Result<Vec<i64>> {
    let sql = include_str!("../../sql/touched.sql").replace("{recent}", &level.recent());
    let mut statement = connection.prepare(&within(&sql, range))?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// Some services together, from rows of each.
fn summed(
    connection: &Connection,
    range: Range,
    source: &str,
    services: &str,
) -> duckdb::Result<Vec<BucketRow>> {
    let sql = include_str!("../../sql/summed.sql")
        .replace("{source}", source)
        .replace("{services}", services);
    select(connection, &sql, range)
}

fn select(connection: &Connection, sql: &str, range: Range) -> duckdb::Result<Vec<BucketRow>> {
    let mut statement = connection.prepare(&within(sql, range))?;
    let mut rows = Vec::new();
    for batch in statement.query_arrow([])? {
        columns::append(&batch, &mut rows)?;
    }
    Ok(rows)
}
