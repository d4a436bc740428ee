//! Who moves most.

use std::collections::HashMap;

use duckdb::arrow::{
    array::RecordBatch,
    datatypes::{Int32Type, UInt64Type},
};

use super::{Pool, Range, ReadError, columns::column, whole_days, within};
use crate::{live::Volume, store::instant};

impl Pool {
    /// The volume of each service in a range of whole hours, the most bytes first.
    /// Added up here: DuckDB counts in 128 bits, which takes it three times as long.
    pub(in crate::read) async fn totals(
        &self,
        range: Range,
    ) -> Result<Vec<(i32, Volume)>, ReadError> {
        let (first_day_ms, last_day_ms) =
            whole_days(range.from.as_millisecond(), range.to.as_millisecond());
        let sql = include_str!("../../sql/totals.sql")
            .replace("{first_day}", &instant(first_day_ms))
            .replace("{last_day}", &instant(last_day_ms));
        let totals = self.run(move |connection| {
            let mut statement = connection.prepare(&within(&sql, range))?;
            let mut totals = HashMap::new();
            for batch in statement.query_arrow([])? {
                add(&batch, &mut totals)?;
            }
            Ok(totals)
        });
        let mut totals: Vec<_> = totals.await?.into_iter().collect();
        let bytes = |volume: Volume| u128::from(volume.up_bytes) + u128::from(volume.down_bytes);
        totals.sort_by_key(|&(number, volume)| (u128::MAX - bytes(volume), number));
        Ok(totals)
    }
}

fn add(batch: &RecordBatch, totals: &mut HashMap<i32, Volume>) -> duckdb::Result<()> {
    let numbers = column::<Int32Type>(batch, 0)?.values();
    let (up, down) = (column::<UInt64Type>(batch, 1)?, column::<UInt64Type>(batch, 2)?);
    for (number, (up, down)) in numbers.iter().zip(up.values().iter().zip(down.values())) {
        totals.entry(*number).or_default().add(*up, *down);
    }
    Ok(())
}
