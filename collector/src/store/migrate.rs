//! Numbered migrations. One that has shipped is never edited.

#[cfg(test)]
mod tests;

use duckdb::Connection;

/// Every migration, in order; the schema's version is how many have run.
const MIGRATIONS: [&str; 12] = [
    include_str!("../migrations/0001_initial.sql"),
    include_str!("../migrations/0002_login.sql"),
    include_str!("../migrations/0003_explained.sql"),
    include_str!("../migrations/0004_fleet.sql"),
    include_str!("../migrations/0005_totals_and_imports.sql"),
    include_str!("../migrations/0006_forgotten.sql"),
    include_str!("../migrations/0007_agents_of_services.sql"),
    include_str!("../migrations/0008_days.sql"),
    include_str!("../migrations/0009_undoubled.sql"),
    include_str!("../migrations/0010_journal.sql"),
    include_str!("../migrations/0011_own_traffic.sql"),
    include_str!("../migrations/0012_lean_samples.sql"),
];

/// How bringing the schema up to date went.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Migrated {
    /// The schema is the one this program knows.
    Current,
    /// There are tables, but none of ours.
    Foreign,
    /// A newer program has written it.
    Newer {
        /// The version found.
        found: i64,
        /// The newest this program knows.
        known: i64,
    },
}

/// Brings the schema up to date. Each migration is one transaction together
/// with its version, so that an interrupted one has not happened.
pub(crate) fn migrate(connection: &Connection) -> duckdb::Result<Migrated> {
    bring_to(connection, &MIGRATIONS)
}

fn bring_to(connection: &Connection, migrations: &[&str]) -> duckdb::Result<Migrated> {
    let version = match current_version(connection)? {
        Some(version) => version,
        None if has_tables(connection)? => return Ok(Migrated::Foreign),
        None => {
            connection.execute_batch(
                "CREATE TABLE komandorr_schema (version INTEGER NOT NULL, applied_at TIMESTAMP NOT NULL)",
            )?;
            0
        }
    };
    let known = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
    if version > known {
        return Ok(Migrated::Newer { found: version, known });
    }
    let now_ms = jiff::Timestamp::now().as_millisecond();
    for (number, sql) in (1_i64..).zip(migrations).filter(|(number, _)| *number > version) {
        let migrated = connection.execute_batch(&format!(
            "BEGIN;\n{sql}\nINSERT INTO komandorr_schema VALUES ({number}, make_timestamp_ms({now_ms}));\nCOMMIT;"
        ));
        if migrated.is_err() {
            // What was done of it goes with the transaction.
            drop(connection.execute_batch("ROLLBACK"));
        }
        migrated?;
    }
    Ok(Migrated::Current)
}

fn current_version(connection: &Connection) -> duckdb::Result<Option<i64>> {
    let ours: bool = connection.query_row(
        "SELECT count(*) > 0 FROM duckdb_tables() WHERE table_name = 'komandorr_schema' AND NOT internal",
        [],
        |row| row.get(0),
    )?;
    if !ours {
        return Ok(None);
    }
    connection
        .query_row("SELECT coalesce(max(version), 0) FROM komandorr_schema", [], |row| row.get(0))
        .map(Some)
}

fn has_tables(connection: &Connection) -> duckdb::Result<bool> {
    connection.query_row("SELECT count(*) > 0 FROM duckdb_tables() WHERE NOT internal", [], |row| {
        row.get(0)
    })
}
