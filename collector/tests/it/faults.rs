//! What is wrong with a database is said in one line, and nothing is lost.

use duckdb::Connection;
use jiff::tz::TimeZone;
use komandorr_collector::{Collector, Config, OpenError};

use crate::support::{Running, config};

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
