//! Apache Parquet: row groups are written out as they fill.

use std::sync::Arc;

use duckdb::arrow::{
    array::{
        ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray, UInt64Array,
    },
    datatypes::{DataType, Field, Schema, TimeUnit},
};
use komandorr_wire::ServiceId;
use parquet::{arrow::ArrowWriter, basic::Compression, file::properties::WriterProperties};

use super::{Encode, Point, ReadError, broken};

/// Rows of a group: what is kept in memory, and what a reader can skip.
const GROUP_ROWS: usize = 64 * 1024;

pub(super) struct Parquet {
    schema: Arc<Schema>,
    /// `None` when it is closed.
    writer: Option<ArrowWriter<Vec<u8>>>,
}

impl Parquet {
    pub(super) fn new() -> Result<Self, ReadError> {
        let number = |name| Field::new(name, DataType::UInt64, false);
        let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
        let schema = Arc::new(Schema::new(vec![
            Field::new("service", DataType::Utf8, false),
            Field::new("t", time, false),
            number("up_bytes"),
            number("down_bytes"),
            number("up_bytes_per_second"),
            number("down_bytes_per_second"),
            number("up_peak_bytes_per_second"),
            number("down_peak_bytes_per_second"),
            Field::new("coverage", DataType::Float64, false),
        ]));
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties));
        Ok(Self { schema, writer: Some(writer.map_err(broken)?) })
    }

    fn columns(&self, service: &str, points: &[Point]) -> Result<RecordBatch, ReadError> {
        let numbers = |of: fn(&Point) -> u64| -> ArrayRef {
            Arc::new(UInt64Array::from_iter_values(points.iter().map(of)))
        };
        let times = points.iter().map(|point| point.t.as_millisecond());
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(points.iter().map(|_| service))),
            Arc::new(TimestampMillisecondArray::from_iter_values(times).with_timezone("UTC")),
            numbers(|p| p.up_bytes),
            numbers(|p| p.down_bytes),
            numbers(|p| p.up_bytes_per_second),
            numbers(|p| p.down_bytes_per_second),
            numbers(|p| p.up_peak_bytes_per_second),
            numbers(|p| p.down_peak_bytes_per_second),
            Arc::new(Float64Array::from_iter_values(points.iter().map(|p| p.coverage))),
        ];
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(broken)
    }
}

impl Encode for Parquet {
    /// The writer writes its beginning by itself.
    fn begin(&mut self, _: &mut Vec<u8>) -> Result<(), ReadError> {
        Ok(())
    }

    fn points(
        &mut self,
        service: &ServiceId,
        points: &[Point],
        out: &mut Vec<u8>,
    ) -> Result<(), ReadError> {
        let rows = self.columns(service.as_str(), points)?;
        if let Some(writer) = &mut self.writer {
            writer.write(&rows).map_err(broken)?;
            // What it has written so far; it counts its offsets itself.
            out.append(writer.inner_mut());
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), ReadError> {
        if let Some(writer) = self.writer.take() {
            out.append(&mut writer.into_inner().map_err(broken)?);
        }
        Ok(())
    }
}
