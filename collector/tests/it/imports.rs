//! Imported history: counted once, and nothing about it is live.

use std::time::Duration;

use jiff::Timestamp;
use komandorr_collector::{
    Config, State,
    read::{Range, Scope},
};
use komandorr_wire::{IMPORT_AGENT, Sample, ServiceId};

use crate::support::{Running, config, sample};

const HOUR_MS: i64 = 3_600_000;

fn identity() -> String {
    format!("{IMPORT_AGENT}test")
}

/// Hours of a day long ago, of a source that had counted 1000 bytes before.
fn hours(begin_ms: i64) -> Vec<Sample> {
    let hour = |n: u64| {
        let ended_ms = begin_ms + HOUR_MS * i64::try_from(n).unwrap_or_default();
        let mut sample = sample(&identity(), n, ended_ms, 3_600_000, n, 10 * n);
        sample.up_total = Some(1000 + (1..=n).sum::<u64>());
        sample.down_total = Some((1..=n).sum::<u64>() * 10);
        sample
    };
    (1..=24).map(hour).collect()
}

#[tokio::test]
async fn history_counts_once_and_leaves_what_is_live_alone() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let now = Timestamp::now();
    let begin_ms = "2012-05-01T00:00:00Z".parse::<Timestamp>()?.as_millisecond();
    let own = sample("own", 1, now.as_millisecond(), 5000, 5000, 0);
    let id = ServiceId::new("web-1")?;
    let years = 40 * 366 * 24;
    let config = Config { keep_hours: Duration::from_hours(years), ..config(folder.path()) };
    let total = 1000 + (1..=24).sum::<u64>() + 5000;
    for life in 0..2 {
        let running = Running::start(config.clone(), "UTC")?;
        if life == 0 {
            running.store("web-1", std::slice::from_ref(&own)).await?;
        }
        let samples = hours(begin_ms);
        running.store("web-1", samples.get(..10).unwrap_or_default()).await?;
        running.store("web-1", &samples).await?;
        let current = running.live.one(&id, Timestamp::now()).expect("registered");
        assert_eq!(current.up_bytes_total, total, "life {life}");
        assert_eq!(current.up_bytes_per_second, Some(1000));
        assert_eq!((current.state, current.interval_seconds), (State::Live, Some(5.0)));
        assert!(running.live.agents(&id, Timestamp::now()).len() <= 1, "an import is no agent");
        let fleet = running.live.fleet_last_hour(Timestamp::now());
        assert!(fleet.iter().all(|slot| slot.up_bytes_per_second <= 1000));
        let day = Range::new(
            Timestamp::from_millisecond(begin_ms)?,
            Timestamp::from_millisecond(begin_ms + 24 * HOUR_MS)?,
        )?;
        let summary = running.reader.summary(&Scope::One(id.clone()), day).await?;
        assert_eq!(summary.up_bytes, (1..=24).sum::<u64>(), "the day of the import, life {life}");
        let last = running.reader.import_progress(&identity()).await?.expect("begun");
        assert_eq!((last.seq, last.up_total), (24, Some(1300)));
        assert_eq!(last.ended_at.as_millisecond(), begin_ms + 24 * HOUR_MS);
        assert_eq!(running.reader.import_progress("import:other").await?, None);
        running.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn history_alone_is_silent_and_goes_with_its_service() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let running = Running::start(config(folder.path()), "UTC")?;
    let begin_ms = "2025-05-01T00:00:00Z".parse::<Timestamp>()?.as_millisecond();
    running.store("old", &hours(begin_ms)).await?;
    let id = ServiceId::new("old")?;
    let current = running.live.one(&id, Timestamp::now()).expect("registered");
    assert_eq!((current.state, current.up_bytes_per_second), (State::Silent, Some(0)));
    running.registry.remove(&id)?;
    assert_eq!(running.reader.import_progress(&identity()).await?, None);
    running.stop().await
}

/// Samples of a second each, as many as push all others out of memory.
fn many(agent: &str, until_ms: i64) -> Vec<Sample> {
    let one = |n: u64| {
        let ended_ms = until_ms - 1000 * (150 - i64::try_from(n).unwrap_or_default());
        sample(agent, n, ended_ms, 1000, 1, 1)
    };
    (1..=150).map(one).collect()
}

#[tokio::test]
async fn from_when_a_service_reports_is_known_however_much_came_since() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let config = Config { samples_per_service: 100, ..config(folder.path()) };
    let id = ServiceId::new("web-1")?;
    let now_ms = Timestamp::now().as_millisecond();
    let gap_end_ms = now_ms - 1_000_000;
    let since = |ms: i64| Timestamp::from_millisecond(ms).ok();
    let running = Running::start(config.clone(), "UTC")?;
    running.store("web-1", &hours(now_ms - 48 * HOUR_MS)).await?;
    assert_eq!(running.live.own_since(&id), None, "an import is not its own");
    running.store("web-1", &[sample("own", 1, gap_end_ms, 28_800_000, 1, 1)]).await?;
    running.store("web-1", &many("later", now_ms)).await?;
    assert_eq!(running.live.own_since(&id), since(gap_end_ms - 28_800_000));
    running.stop().await?;
    // What is known survives a restart, and what was kept back by an agent counts.
    let running = Running::start(config.clone(), "UTC")?;
    assert_eq!(running.live.own_since(&id), since(gap_end_ms - 28_800_000));
    let early_ms = now_ms - 12 * HOUR_MS;
    running.store("web-1", &[sample("own", 2, early_ms, 5000, 1, 1)]).await?;
    running.store("web-1", &[sample("own", 3, early_ms + 5000, 5000, 1, 1)]).await?;
    assert_eq!(running.live.own_since(&id), since(early_ms - 5000));
    running.stop().await?;
    let rows = "SELECT count(*) FROM own_traffic";
    let count =
        |path| duckdb::Connection::open(path)?.query_row(rows, [], |row| row.get::<_, i64>(0));
    assert_eq!(count(&config.path)?, 2, "one for each time that an earlier one came");
    let running = Running::start(config.clone(), "UTC")?;
    assert_eq!(running.live.own_since(&id), since(early_ms - 5000));
    running.registry.remove(&id)?;
    assert_eq!(running.live.own_since(&id), None);
    running.stop().await?;
    assert_eq!(count(&config.path)?, 0);
    Ok(())
}
