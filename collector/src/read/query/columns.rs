//! Buckets as they come out of DuckDB: Arrow columns, of which a year has
//! a hundred thousand rows.

use duckdb::arrow::{
    array::{Array, ArrowPrimitiveType, AsArray, PrimitiveArray, RecordBatch},
    datatypes::{Int32Type, TimestampMillisecondType, UInt64Type},
};

use super::BucketRow;

/// Adds a batch's rows.
pub(super) fn append(batch: &RecordBatch, rows: &mut Vec<BucketRow>) -> duckdb::Result<()> {
    let service_no = column::<Int32Type>(batch, 0)?.values();
    let start_ms = column::<TimestampMillisecondType>(batch, 1)?.values();
    let numbers: Vec<&[u64]> = (2..7)
        .map(|at| Ok(&column::<UInt64Type>(batch, at)?.values()[..]))
        .collect::<duckdb::Result<_>>()?;
    let [up, down, covered_ms, up_peak, down_peak] = numbers[..] else {
        return Err(duckdb::Error::InvalidColumnIndex(2));
    };
    let number = |of: &[u64], at: usize| of.get(at).copied().unwrap_or_default();
    let row = |(at, (service, start)): (usize, (&i32, &i64))| BucketRow {
        service_no: *service,
        start_ms: *start,
        up: number(up, at),
        down: number(down, at),
        covered_ms: number(covered_ms, at),
        up_peak: number(up_peak, at),
        down_peak: number(down_peak, at),
    };
    rows.extend(service_no.iter().zip(start_ms).enumerate().map(row));
    Ok(())
}

pub(super) fn column<T: ArrowPrimitiveType>(
    batch: &RecordBatch,
    at: usize,
) -> duckdb::Result<&PrimitiveArray<T>> {
    let column = batch.columns().get(at).and_then(|column| column.as_primitive_opt::<T>());
    column.filter(|column| column.null_count() == 0).ok_or(duckdb::Error::InvalidColumnIndex(at))
}

/// Rows in the order of service and time, one a bucket: what is joined and what
/// came since add up.
pub(super) fn joined(rows: Vec<BucketRow>) -> Vec<BucketRow> {
    one_a_bucket(rows, BucketRow::add)
}

/// The same of sums of several services, each of other ones.
pub(super) fn added(rows: Vec<BucketRow>) -> Vec<BucketRow> {
    one_a_bucket(rows, BucketRow::add_sum)
}

fn one_a_bucket(
    mut rows: Vec<BucketRow>,
    add: impl Fn(&mut BucketRow, &BucketRow),
) -> Vec<BucketRow> {
    rows.sort_by_key(|row| (row.service_no, row.start_ms));
    rows.dedup_by(|more, row| {
        let same = (more.service_no, more.start_ms) == (row.service_no, row.start_ms);
        if same {
            add(row, more);
        }
        same
    });
    rows
}
