//! Batches as Arrow columns, appended to the tables.

use std::sync::Arc;

use duckdb::{
    Connection,
    arrow::{
        array::{
            ArrayRef, BooleanArray, Decimal128Array, Int32Array, RecordBatch, StringArray,
            TimestampMillisecondArray, UInt32Array, UInt64Array,
        },
        datatypes::{DataType, Field, Schema},
    },
};

use super::entry::{Entry, StoredSample};
use crate::store::list;

/// Appends to the tables what some batches add to them.
pub(super) fn append(connection: &Connection, entry: &Entry<'_>) -> duckdb::Result<()> {
    if !entry.agents.is_empty() {
        let mut appender = connection.appender("agent")?;
        for (number, identity, service_no) in entry.agents.iter() {
            appender.append_row(duckdb::params![number, &**identity, service_no])?;
        }
        appender.flush()?;
    }
    put(connection, "sample", samples(&entry.samples))?;
    put(connection, "recent_volume", volumes(entry))?;
    put(connection, "stored_range", ranges(entry))?;
    put(connection, "import_mark", import_marks(entry))?;
    put(connection, "interface_volume", interfaces(entry))?;
    put(connection, "own_traffic", own_traffic(entry))?;
    if entry.forgotten.is_empty() {
        return Ok(());
    }
    // Last: some may be new in these very batches.
    let forgotten = list(&entry.forgotten);
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

    /// With one decimal: DuckDB packs these, and floating numbers not at all.
    #[allow(clippy::cast_possible_truncation, reason = "0 to 1000")]
    fn percentages(self, values: impl Iterator<Item = Option<f32>>) -> Self {
        let tenths = |percent: f32| (percent * 10.0).round().clamp(0.0, 1000.0) as i128;
        let tenths: Decimal128Array = values.map(|percent| percent.map(tenths)).collect();
        // As the table's columns; nothing in it is without its type.
        self.with(tenths.with_data_type(DataType::Decimal128(4, 1)))
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

fn samples(samples: &[StoredSample]) -> Columns {
    let samples = || samples.iter();
    Columns::default()
        .with(Int32Array::from_iter_values(samples().map(|s| s.service_no)))
        .with(samples().map(|s| s.agent_no).collect::<Int32Array>())
        .times(samples().map(|s| s.ended_ms))
        .with(UInt32Array::from_iter_values(samples().map(|s| s.interval_ms)))
        .with(UInt64Array::from_iter_values(samples().map(|s| s.up)))
        .with(UInt64Array::from_iter_values(samples().map(|s| s.down)))
        .with(samples().map(|s| s.capacity).collect::<UInt64Array>())
        .percentages(samples().map(|s| s.cpu_percent))
        .percentages(samples().map(|s| s.memory_percent))
        .with(samples().map(|s| Some(s.gap)).collect::<BooleanArray>())
        .with(samples().map(|s| Some(s.clock_corrected)).collect::<BooleanArray>())
        .with(samples().map(|s| s.up_total).collect::<UInt64Array>())
        .with(samples().map(|s| s.down_total).collect::<UInt64Array>())
}

fn volumes(entry: &Entry<'_>) -> Columns {
    let keys = || entry.volumes.keys();
    let parts = || entry.volumes.values();
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

fn ranges(entry: &Entry<'_>) -> Columns {
    let ranges = || entry.ranges.iter();
    Columns::default()
        .with(Int32Array::from_iter_values(ranges().map(|range| range.0)))
        .with(UInt64Array::from_iter_values(ranges().map(|range| range.1)))
        .with(UInt64Array::from_iter_values(ranges().map(|range| range.2)))
}

fn import_marks(entry: &Entry<'_>) -> Columns {
    let marks = || entry.import_marks.iter();
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

fn own_traffic(entry: &Entry<'_>) -> Columns {
    Columns::default()
        .with(Int32Array::from_iter_values(entry.own.iter().map(|own| own.0)))
        .times(entry.own.iter().map(|own| own.1))
}

fn interfaces(entry: &Entry<'_>) -> Columns {
    let keys = || entry.interfaces.keys();
    let parts = || entry.interfaces.values();
    Columns::default()
        .with(Int32Array::from_iter_values(keys().map(|key| key.0)))
        .with(StringArray::from_iter_values(keys().map(|key| &key.2)))
        .with(StringArray::from_iter_values(parts().map(|part| &part.role)))
        .with(parts().map(|part| Some(part.counted)).collect::<BooleanArray>())
        .times(keys().map(|key| key.1))
        .with(UInt64Array::from_iter_values(parts().map(|part| part.up)))
        .with(UInt64Array::from_iter_values(parts().map(|part| part.down)))
}
