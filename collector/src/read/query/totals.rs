//! What each service moved in a range.

use std::collections::HashMap;

use duckdb::{
    Connection,
    arrow::{
        array::RecordBatch,
        datatypes::{Int32Type, UInt64Type},
    },
};

use super::{Pool, Range, ReadError, columns::column, whole_days, within};
use crate::{
    bucket::{DAY_MS, bucket_of},
    live::Volume,
    store::instant,
};

/// Volumes by the service's number.
pub(in crate::read) type Totals = HashMap<i32, Volume>;

impl Pool {
    /// What each service moved in a range of whole hours, at least and at most: of the day
    /// that it begins in, all or nothing is counted.
    pub(in crate::read) async fn totals(
        &self,
        range: Range,
    ) -> Result<(Totals, Totals), ReadError> {
        let least = filled(include_str!("../../sql/totals.sql"), range);
        let more = filled(include_str!("../../sql/totals_at_most.sql"), range);
        self.view(move |connection| {
            let least = volumes(connection, &least, Totals::new())?;
            let most = volumes(connection, &more, least.clone())?;
            Ok((least, most))
        })
        .await
    }

    /// What each moved at least becomes what it moved: with the hours before the first
    /// whole day, of which a block of every service is read.
    pub(in crate::read) async fn with_begin(
        &self,
        least: Totals,
        range: Range,
    ) -> Result<Totals, ReadError> {
        let begin = filled(include_str!("../../sql/totals_at_begin.sql"), range);
        self.run(move |connection| volumes(connection, &begin, least)).await
    }
}

fn filled(sql: &str, range: Range) -> String {
    let (from_ms, to_ms) = (range.from.as_millisecond(), range.to.as_millisecond());
    let (first_day_ms, last_day_ms) = whole_days(from_ms, to_ms);
    within(sql, range)
        .replace("{begin_day}", &instant(bucket_of(from_ms, DAY_MS)))
        .replace("{first_day}", &instant(first_day_ms))
        .replace("{last_day}", &instant(last_day_ms))
}

/// Adds what a question finds. Here: DuckDB counts in 128 bits, which takes it three times
/// as long.
fn volumes(connection: &Connection, sql: &str, mut totals: Totals) -> duckdb::Result<Totals> {
    for batch in connection.prepare(sql)?.query_arrow([])? {
        add(&batch, &mut totals)?;
    }
    Ok(totals)
}

fn add(batch: &RecordBatch, totals: &mut Totals) -> duckdb::Result<()> {
    let numbers = column::<Int32Type>(batch, 0)?.values();
    let (up, down) = (column::<UInt64Type>(batch, 1)?, column::<UInt64Type>(batch, 2)?);
    for (number, (up, down)) in numbers.iter().zip(up.values().iter().zip(down.values())) {
        totals.entry(*number).or_default().add(*up, *down);
    }
    Ok(())
}
