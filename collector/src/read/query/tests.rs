//! A question about a time reads that time alone, of years that are kept.

use duckdb::Connection;

use super::*;
use crate::store::Database;

/// A row from long ago and one of the day that is asked about, wherever rows
/// have times: of empty tables DuckDB knows the answer without looking.
const ROWS: &str = "
    INSERT INTO recent_volume
    SELECT 1, make_timestamp_ms(1795000000000 - n::BIGINT * 86400000), 1, 1, 1, 1, 1, 1
    FROM unnest([-1, 500]) AS t (n);
    INSERT INTO five_minute_volume FROM recent_volume;
    INSERT INTO hour_volume FROM recent_volume;
    INSERT INTO day_volume FROM recent_volume;
    INSERT INTO fleet_hours SELECT bucket, 1, 1, 1, 1, 1, 1 FROM recent_volume;
    INSERT INTO interface_volume
    SELECT 1, 'eth0', 'physical', true, bucket, 1, 1 FROM recent_volume;
    INSERT INTO sample (service_no, ended_at, interval_ms, up_bytes, down_bytes, gap, clock_corrected)
    SELECT 1, bucket, 1, 1, 1, false, false FROM recent_volume;";

/// What DuckDB would do for a question.
fn plan(connection: &Connection, sql: &str) -> duckdb::Result<String> {
    connection.query_row(&format!("EXPLAIN (FORMAT json) {sql}"), [], |row| row.get(1))
}

#[test]
fn no_question_converts_the_time_of_each_row() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let database = Database::open(&folder.path().join("plan.duckdb"))?;
    let lane = database.lane();
    lane.with(|connection| connection.execute_batch(ROWS))?;
    let (from_ms, to_ms) = (1_795_000_000_000, 1_795_100_000_000);
    let begun = |sql: &str| sql.replace("{first_day}", &instant(to_ms));
    for question in [
        include_str!("../../sql/buckets.sql"),
        include_str!("../../sql/summed.sql"),
        include_str!("../../sql/fleet.sql"),
        include_str!("../../sql/totals.sql"),
        &begun(include_str!("../../sql/totals_at_most.sql")),
        &begun(include_str!("../../sql/totals_at_begin.sql")),
        include_str!("../../sql/interfaces.sql"),
        include_str!("../../sql/first_traffic.sql"),
        include_str!("../../sql/spans.sql"),
        include_str!("../../sql/samples.sql"),
    ] {
        let sql = between(question, from_ms, to_ms)
            .replace("{source}", &Level::Hour.source())
            .replace("{fleet}", "fleet_hours")
            .replace("{begin_day}", &instant(from_ms))
            .replace("{first_day}", &instant(from_ms))
            .replace("{last_day}", &instant(to_ms))
            .replace("{services}", "1, 2")
            .replace("{service}", "1")
            .replace("{before}", &Level::Hour.source())
            .replace("{after}", &Level::Hour.source())
            .replace("{month}", &instant(from_ms))
            .replace("{day}", &instant(from_ms))
            .replace("{next_day}", &instant(to_ms))
            .replace("{next_month}", &instant(to_ms));
        let plan = lane.with(|connection| plan(connection, &sql))?;
        let compared = ["bucket>='2026-11-18", "ended_at>'2026-11-18"];
        assert!(compared.iter().any(|filter| plan.contains(filter)), "{sql}\n{plan}");
    }
    Ok(())
}
