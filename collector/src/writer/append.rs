//! A batch as Arrow columns, appended in one transaction.

use std::sync::Arc;

use duckdb::{
    Connection,
    arrow::{
        array::{
            ArrayRef, BooleanArray, Float32Array, Int32Array, RecordBatch, StringArray,
            TimestampMillisecondArray, UInt32Array, UInt64Array,
        },
        datatypes::{DataType, Field, Schema},
    },
};

use super::latest::latest;
use crate::{
    batch::{Batch, Row},
    store::list,
};

/// Writes a batch and commits it; on an error nothing of it is there.
/// Of the samples as they came only the last `keep` of each service.
pub(super) fn commit(connection: &Connection, batch: &Batch, keep: usize) -> duckdb::Result<()> {
    connection.execute_batch("BEGIN")?;
    let written = append(connection, batch, keep).and_then(|()| connection.execute_batch("COMMIT"));
    if written.is_err()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        // DuckDB has often rolled back by itself; then there is nothing to do.
        tracing::debug!(%error, "rolling back a failed commit");
    }
    written
}

/// Whether a batch of which nobody knows is in the database: all of it is, or
/// nothing.
pub(super) fn is_there(
    connection: &Connection,
    batch: &Batch,
    keep: usize,
) -> duckdb::Result<bool> {
    let stays = |range: &&(i32, u64, u64)| !batch.forgotten.contains(&range.0);
    if let Some((agent, first, last)) = batch.ranges.iter().find(stays) {
        // These numbers were new, so nobody else has stored them.
        return connection.query_row(
            "SELECT count(*) > 0 FROM stored_range
             WHERE agent_no = ? AND first_seq <= ? AND last_seq >= ?",
            duckdb::params![agent, first, last],
            |row| row.get(0),
        );
    }
    let rows = latest(&batch.rows, keep);
    let Some(row) = rows.first() else { return Ok(false) };
    connection.query_row(
        "SELECT count(*) > 0 FROM sample
         WHERE service_no = ? AND ended_at = make_timestamp_ms(?)::TIMESTAMP_MS AND interval_ms = ?
             AND up_bytes = ? AND down_bytes = ?",
        duckdb::params![
            row.service_no,
            row.ended_ms,
            row.sample.interval_ms,
            row.sample.up,
            row.sample.down
        ],
        |row| row.get(0),
    )
}

fn append(connection: &Connection, batch: &Batch, keep: usize) -> duckdb::Result<()> {
    if !batch.agents.is_empty() {
        let mut appender = connection.appender("agent")?;
        for (number, identity, service_no) in &batch.agents {
            appender.append_row(duckdb::params![number, &**identity, service_no])?;
        }
        appender.flush()?;
    }
    put(connection, "sample", samples(&latest(&batch.rows, keep)))?;
    put(connection, "recent_volume", volumes(batch))?;
    put(connection, "stored_range", ranges(batch))?;
    put(connection, "import_mark", import_marks(batch))?;
    if !batch.interfaces.is_empty() {
        put(connection, "interface_volume", interfaces(batch))?;
    }
    if batch.forgotten.is_empty() {
        return Ok(());
    }
    // Last: some may be new in this very batch.
    let forgotten = list(&batch.forgotten);
    connection.execute_batch(&format!(
        "DELETE FROM stored_range WHERE agent_no IN ({forgotten});
         DELETE FROM agent WHERE agent_no IN ({forgotten});"
    ))
}

fn put(connection: &Connection, table: &str, columns: Columns) -> duckdb::Result<()> {
    let rows = columns.record_batch()?;
    if rows.num_rows() == 0 {
        return Ok(());
    }
    let mut appender = connection.appender(table)?;
    appender.append_record_batch(rows)?;
    appender.flush()
}

/// The columns of a table in its order.
#[derive(Default)]
struct Columns(Vec<(DataType, ArrayRef)>);

impl Columns {
    fn with(mut self, array: impl duckdb::arrow::array::Array + 'static) -> Self {
        self.0.push((array.data_type().clone(), Arc::new(array)));
        self
    }

    fn times(self, values: impl Iterator<Item = i64>) -> Self {
        self.with(TimestampMillisecondArray::from_iter_values(values))
    }

    fn record_batch(self) -> duckdb::Result<RecordBatch> {
        let fields: Vec<_> = (self.0.iter().enumerate())
            .map(|(at, (kind, _))| Field::new(at.to_string(), kind.clone(), true))
            .collect();
        let arrays = self.0.into_iter().map(|(_, array)| array).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
            .map_err(|error| duckdb::Error::ToSqlConversionFailure(Box::new(error)))
    }
}

fn samples(rows: &[&Row]) -> Columns {
    let rows = || rows.iter();
    let samples = || rows().map(|row| &row.sample);
    Columns::default()
        .with(Int32Array::from_iter_values(rows().map(|row| row.service_no)))
        .with(rows().map(|row| row.agent_no).collect::<Int32Array>())
        .with(samples().map(|s| s.agent.as_ref().and_then(|a| a.seq)).collect::<UInt64Array>())
        .times(rows().map(|row| row.ended_ms))
        .with(UInt32Array::from_iter_values(
            samples().map(|s| u32::try_from(s.interval_ms).unwrap_or(u32::MAX)),
        ))
        .with(UInt64Array::from_iter_values(samples().map(|s| s.up)))
        .with(UInt64Array::from_iter_values(samples().map(|s| s.down)))
        .with(samples().map(|s| s.capacity).collect::<UInt64Array>())
        .with(samples().map(|s| s.cpu_percent).collect::<Float32Array>())
        .with(samples().map(|s| s.memory_percent).collect::<Float32Array>())
        .with(samples().map(|s| Some(s.gap)).collect::<BooleanArray>())
        .with(rows().map(|row| Some(row.clock_corrected)).collect::<BooleanArray>())
        .with(samples().map(|s| s.up_total).collect::<UInt64Array>())
        .with(samples().map(|s| s.down_total).collect::<UInt64Array>())
}

fn volumes(batch: &Batch) -> Columns {
    let keys = || batch.volumes.keys();
    let parts = || batch.volumes.values();
    Columns::default()
        .with(Int32Array::from_iter_values(keys().map(|key| key.0)))
        .times(keys().map(|key| key.1))
        .with(UInt64Array::from_iter_values(parts().map(|part| part.up)))
        .with(UInt64Array::from_iter_values(parts().map(|part| part.down)))
        .with(UInt64Array::from_iter_values(parts().map(|part| part.covered_ms)))
        .with(UInt64Array::from_iter_values(parts().map(|part| part.up_peak)))
        .with(UInt64Array::from_iter_values(parts().map(|part| part.down_peak)))
        .with(UInt32Array::from_iter_values(parts().map(|part| part.samples)))
}

fn ranges(batch: &Batch) -> Columns {
    let ranges = || batch.ranges.iter();
    Columns::default()
        .with(Int32Array::from_iter_values(ranges().map(|range| range.0)))
        .with(UInt64Array::from_iter_values(ranges().map(|range| range.1)))
        .with(UInt64Array::from_iter_values(ranges().map(|range| range.2)))
}

fn import_marks(batch: &Batch) -> Columns {
    let marks = || batch.import_marks.iter();
    Columns::default()
        .with(Int32Array::from_iter_values(marks().map(|mark| mark.agent_no)))
        .with(Int32Array::from_iter_values(marks().map(|mark| mark.service_no)))
        .with(UInt64Array::from_iter_values(marks().map(|mark| mark.seq)))
        .times(marks().map(|mark| mark.ended_ms))
        .with(UInt64Array::from_iter_values(marks().map(|mark| mark.up)))
        .with(UInt64Array::from_iter_values(marks().map(|mark| mark.down)))
        .with(marks().map(|mark| mark.up_total).collect::<UInt64Array>())
        .with(marks().map(|mark| mark.down_total).collect::<UInt64Array>())
}

fn interfaces(batch: &Batch) -> Columns {
    let keys = || batch.interfaces.keys();
    let parts = || batch.interfaces.values();
    Columns::default()
        .with(Int32Array::from_iter_values(keys().map(|key| key.0)))
        .with(StringArray::from_iter_values(keys().map(|key| &key.2)))
        .with(StringArray::from_iter_values(parts().map(|part| &part.role)))
        .with(parts().map(|part| Some(part.counted)).collect::<BooleanArray>())
        .times(keys().map(|key| key.1))
        .with(UInt64Array::from_iter_values(parts().map(|part| part.up)))
        .with(UInt64Array::from_iter_values(parts().map(|part| part.down)))
}
