//! A copy made while samples come in opens and holds one moment exactly.

use jiff::Timestamp;
use komandorr_collector::{
    BackupError, Config, OpenError,
    read::{Range, Scope},
};
use komandorr_wire::{Sample, ServiceId};

use crate::support::{Running, config, sample};

/// Two interval's worth of samples of a service, the n-th of which sends n bytes.
fn samples(agent: &str, numbers: std::ops::RangeInclusive<u64>) -> Vec<Sample> {
    let begin_ms = Timestamp::now().as_millisecond() / 3_600_000 * 3_600_000 - 20_000_000;
    let one = |n: u64| {
        let ended = begin_ms + 1000 * i64::try_from(n).unwrap_or_default();
        sample(agent, n, ended, 1000, n, 1)
    };
    numbers.map(one).collect()
}

async fn taken(running: &Running) -> anyhow::Result<Vec<u8>> {
    let mut backup = running.reader.backup().await?;
    let length = backup.length();
    let mut bytes = Vec::new();
    while let Some(piece) = backup.next().await {
        bytes.extend_from_slice(&piece?);
    }
    assert_eq!(bytes.len() as u64, length);
    Ok(bytes)
}

/// All that was ever sent as a service, asked of the database.
async fn stored(running: &Running, service: &str) -> anyhow::Result<u64> {
    let now = Timestamp::now();
    let range = Range::new(now - jiff::SignedDuration::from_hours(48), now)?;
    Ok(running.reader.summary(&Scope::One(ServiceId::new(service)?), range).await?.up_bytes)
}

#[tokio::test]
async fn a_copy_made_under_load_opens_and_dedupes_like_the_original() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let running = Running::start(config(&folder.path().join("one")), "UTC")?;
    let all = samples("a", 1..=15_000);
    running.store("web-1", &all[..5000]).await?;
    // The copy is made while the rest comes in.
    let (bytes, rest) = tokio::join!(taken(&running), running.store("web-1", &all[5000..]));
    rest?;
    let leftovers: Vec<_> = std::fs::read_dir(folder.path().join("one/data"))?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .filter(|name| name.as_ref().is_ok_and(|n| n.to_string_lossy().contains("backup")))
        .collect();
    assert!(leftovers.is_empty(), "{leftovers:?}");
    running.stop().await?;

    let restored = config(&folder.path().join("two"));
    std::fs::create_dir_all(folder.path().join("two/data"))?;
    std::fs::write(&restored.path, bytes?)?;
    let running = Running::start(restored, "UTC")?;
    let in_copy = stored(&running, "web-1").await?;
    // Arrays of a thousand were committed whole or not at all.
    let count = running.live.one(&ServiceId::new("web-1")?, Timestamp::now());
    let count = count.expect("registered").down_bytes_total;
    assert!(count >= 5000 && count % 1000 == 0, "{count}");
    assert_eq!(in_copy, count * (count + 1) / 2, "one moment, whole");
    // What the copy holds is not stored again, what it lacks is.
    running.store("web-1", &all).await?;
    assert_eq!(stored(&running, "web-1").await?, 15_000 * 15_001 / 2);
    assert_eq!(running.stats.snapshot().repeated, count);
    // Numbers of services go on where they were.
    running.store("web-2", &samples("b", 1..=1)).await?;
    let numbers: Vec<i32> = running.registry.services().iter().map(|s| s.number).collect();
    assert_eq!(numbers, [1, 2]);
    running.stop().await
}

#[tokio::test]
async fn one_copy_at_a_time_and_none_that_was_not_ended_stays() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let config = config(folder.path());
    std::fs::create_dir_all(folder.path().join("data"))?;
    let unfinished = folder.path().join("data/test.duckdb.backup-00000000000000ff");
    std::fs::write(&unfinished, "half a copy")?;
    let running = Running::start(config, "UTC")?;
    assert!(!unfinished.exists(), "removed at the start");
    let first = running.reader.backup().await?;
    let second = running.reader.backup().await;
    assert!(matches!(second, Err(BackupError::Busy)), "{second:?}");
    drop(first);
    running.reader.backup().await?;
    running.stop().await
}

#[tokio::test]
async fn a_copy_that_cannot_be_written_says_so_and_harms_nothing() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let running = Running::start(config(folder.path()), "UTC")?;
    running.store("web-1", &samples("a", 1..=10)).await?;
    // Its folder goes away under it, as an unmounted disk does.
    let (data, away) = (folder.path().join("data"), folder.path().join("away"));
    std::fs::rename(&data, &away)?;
    let failed = running.reader.backup().await;
    let text = failed.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(text.starts_with("cannot copy the database to"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    std::fs::rename(&away, &data)?;
    running.reader.backup().await?;
    running.store("web-1", &samples("a", 11..=20)).await?;
    running.stop().await
}

/// The log of changes that a killed server left belongs to its own file.
#[test]
fn a_log_of_another_database_is_not_taken_up() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let settings: Config = config(folder.path());
    let open = |path: &std::path::Path| {
        komandorr_collector::Collector::open(
            Config { path: path.to_owned(), ..Config::default() },
            jiff::tz::TimeZone::UTC,
        )
        .map(drop)
    };
    let other = folder.path().join("other.duckdb");
    open(&settings.path)?;
    open(&other)?;
    // A log that its database had no time to take up.
    let writer = duckdb::Connection::open(&other)?;
    writer.execute_batch(
        "SET wal_autocheckpoint = '1GB'; INSERT INTO agent VALUES (7, 'seven', 1);",
    )?;
    let log = std::fs::read(folder.path().join("other.duckdb.wal"))?;
    drop(writer);
    assert!(!log.is_empty());
    std::fs::write(folder.path().join("data/test.duckdb.wal"), &log)?;
    let before = std::fs::read(&settings.path)?;
    let error = open(&settings.path).expect_err("it is another's");
    assert!(matches!(error, OpenError::OtherLog { .. }), "{error}");
    assert!(error.to_string().contains("test.duckdb.wal"), "{error}");
    assert_eq!(std::fs::read(&settings.path)?, before, "left as it is");
    std::fs::remove_file(folder.path().join("data/test.duckdb.wal"))?;
    open(&settings.path)?;
    Ok(())
}
