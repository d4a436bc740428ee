//! How far imports of history have come.

use duckdb::OptionalExt;
use jiff::Timestamp;

use super::{ReadError, Reader};

/// Where an import stands: its last sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportProgress {
    /// The sample's number.
    pub seq: u64,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Bytes sent that the source had counted by then.
    pub up_total: Option<u64>,
    /// Bytes received that the source had counted by then.
    pub down_total: Option<u64>,
}

impl Reader {
    /// The last sample of an import; `None` where nothing of it is stored. What is
    /// sent next is numbered after it, so an older one would not do.
    pub async fn import_progress(
        &self,
        identity: &str,
    ) -> Result<Option<ImportProgress>, ReadError> {
        let identity = identity.to_owned();
        let last = self.pool.run_on_all(move |connection| {
            let sql = include_str!("../sql/import_progress.sql");
            let last = connection.query_row(sql, [identity], |row| {
                Ok(ImportProgress {
                    seq: row.get(0)?,
                    ended_at: Timestamp::from_millisecond(row.get(1)?).unwrap_or_default(),
                    up_total: row.get(2)?,
                    down_total: row.get(3)?,
                })
            });
            last.optional()
        });
        last.await
    }
}
