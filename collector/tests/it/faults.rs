//! What is wrong with a database is said in one line, and nothing is lost.

use std::io::{Seek, SeekFrom, Write};

use duckdb::Connection;
use jiff::{Timestamp, tz::TimeZone};
use komandorr_collector::{
    Collector, Config, OpenError,
    read::{Range, ReadError, Scope, Step},
};
use komandorr_wire::ServiceId;

use crate::support::{Running, config, sample};

fn open(config: Config) -> Result<(), OpenError> {
    Collector::open(config, TimeZone::UTC).map(drop)
}

/// The message is one line and names the file.
fn assert_helpful(error: &OpenError, config: &Config) {
    let text = error.to_string();
    assert_eq!(text.lines().count(), 1, "{text}");
    let folder = config.path.parent().map(|path| path.display().to_string()).unwrap_or_default();
    assert!(text.contains(&folder), "{text}");
}

#[test]
fn a_file_that_is_no_database_is_left_as_it_is() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let config = config(folder.path());
    std::fs::create_dir_all(folder.path().join("data"))?;
    let letter = "Dear database, ".repeat(2000);
    std::fs::write(&config.path, &letter)?;
    let error = open(config.clone()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert_helpful(&error, &config);
    assert_eq!(std::fs::read_to_string(&config.path)?, letter);
    Ok(())
}

#[test]
fn a_damaged_database_is_never_overwritten() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let config = config(folder.path());
    open(config.clone())?;
    let mut bytes = std::fs::read(&config.path)?;
    let length = bytes.len();
    bytes[8..length.min(20_000)].fill(0xa5);
    std::fs::write(&config.path, &bytes)?;
    let error = open(config.clone()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. } | OpenError::Failed { .. }), "{error}");
    assert_helpful(&error, &config);
    assert_eq!(std::fs::read(&config.path)?, bytes);
    Ok(())
}

#[test]
fn a_database_of_another_program_is_refused() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let config = config(folder.path());
    std::fs::create_dir_all(folder.path().join("data"))?;
    Connection::open(&config.path)?.execute_batch("CREATE TABLE customers (name VARCHAR)")?;
    let error = open(config.clone()).unwrap_err();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    assert_helpful(&error, &config);
    Ok(())
}

#[test]
fn a_database_of_a_newer_version_is_refused() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let config = config(folder.path());
    open(config.clone())?;
    Connection::open(&config.path)?
        .execute_batch("INSERT INTO komandorr_schema VALUES (999, TIMESTAMP '2030-01-01')")?;
    let error = open(config.clone()).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 999, .. }), "{error}");
    assert_helpful(&error, &config);
    Ok(())
}

#[test]
fn a_folder_that_cannot_be_made_is_named() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("data"), "a file where the folder should be")?;
    let config = config(folder.path());
    let error = open(config.clone()).unwrap_err();
    assert!(matches!(error, OpenError::Folder { .. }), "{error}");
    assert!(error.to_string().contains("storage.path"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_second_server_on_the_same_file_is_told_so() -> anyhow::Result<()> {
    // DuckDB knows of connections within one process, so the second server
    // has to be one: this test runs itself again.
    let folder = tempfile::tempdir()?;
    let running = Running::start(config(folder.path()), "UTC")?;
    let again = std::process::Command::new(std::env::current_exe()?)
        .args(["--exact", "faults::the_second_server", "--ignored", "--nocapture"])
        .env("KOMANDORR_TEST_DATABASE", config(folder.path()).path)
        .output()?;
    let said = String::from_utf8_lossy(&again.stdout).into_owned();
    assert!(said.contains("is in use by another process"), "{said}");
    running.stop().await
}

#[test]
#[ignore = "the other half of the test above"]
fn the_second_server() {
    if let Some(path) = std::env::var_os("KOMANDORR_TEST_DATABASE") {
        let error = open(Config { path: path.into(), ..Config::default() }).unwrap_err();
        println!("{error}");
    }
}

#[test]
fn a_damaged_log_is_named_and_nothing_is_overwritten() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (running, config) = (config(folder.path()), config(&folder.path().join("killed")));
    open(running.clone())?;
    let connection = Connection::open(&running.path)?;
    for _ in 0..3 {
        connection.execute_batch(
            "INSERT INTO agent SELECT range, 'agent ' || range, 1 FROM range(10000)",
        )?;
    }
    // What a killed process leaves: the file, and the log of what came since.
    std::fs::create_dir_all(folder.path().join("killed/data"))?;
    std::fs::copy(&running.path, &config.path)?;
    let log = folder.path().join("killed/data/test.duckdb.wal");
    let mut bytes = std::fs::read(folder.path().join("data/test.duckdb.wal"))?;
    drop(connection);
    let middle = bytes.len() / 2;
    bytes[middle..middle + 30].fill(0xa5);
    std::fs::write(&log, &bytes)?;
    let database = std::fs::read(&config.path)?;
    let error = open(config.clone()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("test.duckdb.wal"), "{error}");
    assert_helpful(&error, &config);
    assert_eq!(std::fs::read(&config.path)?, database);
    assert_eq!(std::fs::read(&log)?, bytes);
    Ok(())
}

#[tokio::test]
async fn a_query_that_fails_harms_no_other() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let config = config(folder.path());
    open(config.clone())?;
    // A column that queries ask for is gone; the writer goes by place.
    Connection::open(&config.path)?.execute_batch(
        "DROP VIEW traffic_by_interface;
         ALTER TABLE interface_volume RENAME COLUMN up_bytes TO sent;",
    )?;
    let running = Running::start(config, "UTC")?;
    let now = Timestamp::now();
    let id = ServiceId::new("web-1")?;
    let one = sample("a", 1, now.as_millisecond(), 1000, 7, 7);
    running.store("web-1", &[one]).await?;
    let range = Range::new(now - jiff::SignedDuration::from_hours(1), now)?;
    for _ in 0..10 {
        // More often than there are connections: none is spoilt.
        let failed = running.reader.interfaces(&id, range).await;
        assert!(matches!(&failed, Err(ReadError::Store(reason)) if reason.contains("up_bytes")));
        let summary = running.reader.summary(&Scope::One(id.clone()), range).await?;
        assert_eq!(summary.up_bytes, 7);
    }
    assert_eq!(running.live.one(&id, now).map(|current| current.up_bytes_total), Some(7));
    running.stop().await
}

/// A block that a disk has lost shows only when it is read.
#[tokio::test]
async fn a_damaged_block_keeps_nothing_else_from_being_read_or_stored() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let config = config(folder.path());
    let now = Timestamp::now();
    let ids = ["lost", "kept"];
    let running = Running::start(config.clone(), "UTC")?;
    for id in ids {
        running.store(id, &[sample(id, 1, now.as_millisecond(), 1000, 1, 1)]).await?;
    }
    running.stop().await?;
    spoil(&config.path)?;
    let running = Running::start(config.clone(), "UTC")?;
    let lost = ServiceId::new("lost")?;
    let total = |running: &Running| running.live.one(&lost, now).map(|now| now.up_bytes_total);
    let before = total(&running);
    let year = Range::new(now - jiff::SignedDuration::from_hours(24 * 365), now)?;
    let asked = |id| running.reader.history(id, year, Step::Day);
    let of_lost = Scope::One(lost.clone());
    let failed = asked(&of_lost).await.map(|series| series.len());
    let Err(error @ ReadError::Damaged { .. }) = failed else { panic!("{failed:?}") };
    let text = error.to_string();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("test.duckdb") && text.contains("restore a backup"), "{text}");
    let kept = Scope::One(ServiceId::new("kept")?);
    assert!(asked(&kept).await.is_ok());
    running.store("lost", &[sample("lost", 2, now.as_millisecond(), 1000, 2, 2)]).await?;
    assert_eq!(total(&running), before.map(|bytes| bytes + 2));
    running.stop().await?;
    // Nor does it keep the next start from going on.
    let running = Running::start(config, "UTC")?;
    running.store("lost", &[sample("lost", 2, now.as_millisecond(), 1000, 2, 2)]).await?;
    assert_eq!(running.stats.snapshot().repeated, 1);
    running.stop().await
}

/// Fills some days of the past for both services, each in blocks of its own,
/// and overwrites a piece of the last one's volumes.
fn spoil(database: &std::path::Path) -> anyhow::Result<()> {
    let connection = Connection::open(database)?;
    connection.execute_batch(
        "INSERT INTO five_minute_volume
         SELECT service_no, now()::TIMESTAMP - INTERVAL 300 DAY + INTERVAL 1 HOUR * (i % 5000),
                7, 7, 3600000, (random() * 1e9)::UBIGINT, 7, 7
         FROM service, range(150000) AS t (i) ORDER BY id;
         CHECKPOINT;",
    )?;
    let (block, length): (u64, u64) = connection.query_row(
        "SELECT max(block_id), any_value(block_size)
         FROM pragma_storage_info('five_minute_volume'), pragma_database_size()
         WHERE column_name = 'up_peak' AND row_group_id =
             (SELECT max(row_group_id) FROM pragma_storage_info('five_minute_volume'))",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    drop(connection);
    let mut file = std::fs::OpenOptions::new().write(true).open(database)?;
    // Three headers of 4096 bytes stand before the blocks.
    file.seek(SeekFrom::Start(3 * 4096 + block * length + length / 4))?;
    file.write_all(&[0xa5; 64])?;
    Ok(())
}
