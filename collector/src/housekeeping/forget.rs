//! What is older than the settings say goes, and what removed services left.

use std::time::Duration;

use duckdb::Connection;
use jiff::Timestamp;

use super::transact;
use crate::{Config, level::Level, store::instant};

/// Samples above the setting that may gather before they are removed, in
/// percent: removing rewrites, so not for every row.
const SLACK_PERCENT: u64 = 25;

/// How many samples are stored.
pub(super) fn count(connection: &Connection) -> duckdb::Result<i64> {
    connection.query_row("SELECT count(*) FROM sample", [], |row| row.get(0))
}

/// Keeps the last samples of each service.
pub(super) fn samples(connection: &Connection, keep: u64) -> duckdb::Result<()> {
    let allowed = keep + keep * SLACK_PERCENT / 100;
    connection
        .execute(include_str!("../sql/forget_samples.sql"), [allowed, keep])
        .map(|removed| tracing::debug!(removed, "old samples"))
}

/// Forgets volumes whose time is over.
pub(super) fn volumes(connection: &Connection, config: &Config) -> duckdb::Result<()> {
    let kept: [(&[&str], Duration); 2] = [
        (&["five_minute_volume", "fleet_five_minutes"], config.keep_five_minutes),
        (&["hour_volume", "fleet_hours", "interface_volume"], config.keep_hours),
    ];
    for (tables, keep) in kept {
        let until = Timestamp::now().checked_sub(keep).unwrap_or(Timestamp::MIN);
        let until = instant(until.as_millisecond());
        let delete = |table| format!("DELETE FROM {table} WHERE bucket < {until}");
        let deletes: Vec<String> = tables.iter().map(delete).collect();
        transact(connection, &format!("BEGIN; {}; COMMIT;", deletes.join("; ")))?;
    }
    removed_services(connection)
}

/// What came in for services while they were removed.
fn removed_services(connection: &Connection) -> duckdb::Result<()> {
    let gone = "service_no NOT IN (SELECT service_no FROM service)";
    for level in Level::ALL {
        let left: bool = connection.query_row(
            &format!("SELECT EXISTS (FROM {} WHERE {gone})", level.table()),
            [],
            |row| row.get(0),
        )?;
        if left {
            transact(connection, &format!("BEGIN; {} COMMIT;", level.without(gone)))?;
        }
    }
    connection.execute_batch(&format!(
        "DELETE FROM sample WHERE {gone};
         DELETE FROM interface_volume WHERE {gone};
         DELETE FROM import_mark WHERE {gone};"
    ))
}
