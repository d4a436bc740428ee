//! What is kept, and that the file stays small while everything comes and goes.

use anyhow::Context;
use duckdb::Connection;
use jiff::{SignedDuration, Timestamp};
use komandorr_collector::{
    Config,
    read::{Range, Scope, Step},
};
use komandorr_wire::{Outcome, Sample, ServiceId, encode};

use crate::support::{Running, config, sample};

/// A sample every `length` seconds up to now.
fn up_to_now(agent: &str, count: u64, length: u64) -> Vec<Sample> {
    let now = Timestamp::now().as_millisecond();
    let one = |n: u64| {
        let ended = now - i64::try_from((count - n) * length * 1000).unwrap_or_default();
        sample(agent, n, ended, length * 1000, n * 1_000_003 % 50_000_017, n * 77_003 % 9_000_011)
    };
    (1..=count).map(one).collect()
}

fn count(database: &std::path::Path, sql: &str) -> anyhow::Result<i64> {
    Ok(Connection::open(database)?.query_row(sql, [], |row| row.get(0))?)
}

#[tokio::test]
async fn the_last_thousand_samples_of_each_service_stay() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let settings = config(folder.path());
    let running = Running::start(settings.clone(), "UTC")?;
    for (service, samples) in [("busy", 3000), ("quiet", 700)] {
        running.store(service, &up_to_now(service, samples, 5)).await?;
    }
    assert_eq!(running.live.recent(&ServiceId::new("busy")?).len(), 100, "in memory");
    running.stop().await?;
    let of =
        |service: &str| format!("SELECT count(*) FROM latest_samples WHERE service = '{service}'");
    assert_eq!(count(&settings.path, &of("busy"))?, 1000);
    assert_eq!(count(&settings.path, &of("quiet"))?, 700);
    let newest = "SELECT arg_max(up_bytes, ended_at)::BIGINT FROM latest_samples
                  WHERE service = 'busy'";
    assert_eq!(count(&settings.path, newest)?, 3000 * 1_000_003 % 50_000_017, "the newest stay");
    let length = "SELECT (epoch_ms(max(ended_at)) - epoch_ms(min(ended_at)))::BIGINT
                  FROM latest_samples WHERE service = 'busy'";
    assert_eq!(count(&settings.path, length)?, 999 * 5000);
    // Their volumes stay whole.
    let samples = "SELECT sum(samples)::BIGINT FROM traffic_by_hour WHERE service = 'busy'";
    assert_eq!(count(&settings.path, samples)?, 3000);
    Ok(())
}

#[tokio::test]
async fn volumes_go_when_their_time_is_over() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let day = std::time::Duration::from_hours(24);
    let settings =
        Config { keep_five_minutes: 2 * day, keep_hours: 5 * day, ..config(folder.path()) };
    // Ten days, a sample every ten minutes.
    let running = Running::start(settings.clone(), "UTC")?;
    running.store("web-1", &up_to_now("a", 1440, 600)).await?;
    running.stop().await?;
    // The first round of housekeeping after a start forgets.
    let running = Running::start(settings.clone(), "UTC")?;
    running.store("web-1", &up_to_now("b", 1, 1)).await?;
    running.stop().await?;
    let age = |table: &str| {
        format!("SELECT date_diff('hour', min(bucket), now()::TIMESTAMP) FROM {table}")
    };
    let ages = [
        count(&settings.path, &age("five_minute_volume"))?,
        count(&settings.path, &age("hour_volume"))?,
    ];
    assert!((47..=48).contains(&ages[0]), "{ages:?}");
    // Hours are forgotten by whole days.
    assert!((119..=144).contains(&ages[1]), "{ages:?}");
    // A range that is older than the five minutes is answered from hours.
    let running = Running::start(settings, "UTC")?;
    let now = Timestamp::now();
    let range = Range::new(now - SignedDuration::from_hours(100), now)?;
    let id = ServiceId::new("web-1")?;
    let begins = running.reader.begins(&id).await?.context("it has traffic")?;
    let hours = now.duration_since(begins).as_hours();
    assert!((hours - ages[1]).abs() <= 1, "{hours} h where {ages:?} are kept");
    let scope = Scope::One(id);
    let series = running.reader.history(&scope, range, Step::Hour).await?.remove(0);
    assert!((100..=101).contains(&series.points.len()), "{}", series.points.len());
    assert!(series.summary.coverage > 0.99, "{}", series.summary.coverage);
    assert_eq!(running.reader.finest_step(range), Step::Hour);
    running.stop().await?;
    // What is forgotten stays so when more is kept from now on.
    let settings = Config { keep_five_minutes: 400 * day, ..config(folder.path()) };
    let running = Running::start(settings, "UTC")?;
    let range =
        Range::new(now - SignedDuration::from_hours(100), now - SignedDuration::from_hours(60))?;
    let summary = running.reader.summary(&scope, range).await?;
    assert!(summary.coverage > 0.99, "{}", summary.coverage);
    let range = Range::new(now - SignedDuration::from_hours(40), now)?;
    assert_eq!(running.reader.finest_step(range), Step::FiveMinutes);
    running.stop().await
}

#[tokio::test]
async fn a_week_is_the_same_however_many_are_asked_for() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let day = std::time::Duration::from_hours(24);
    let settings = Config { keep_five_minutes: 16 * day, ..config(folder.path()) };
    let running = Running::start(settings, "UTC")?;
    // Five days of five minutes that differ within each hour.
    running.store("web-1", &up_to_now("a", 1440, 300)).await?;
    let (scope, now) = (Scope::One(ServiceId::new("web-1")?), Timestamp::now());
    let two = running.reader.weekly(&scope, 2, now).await?;
    let (busy, quiet) = (two.iter().filter(|w| w.summary.up_bytes > 0).count(), two.len());
    assert!(busy > 0 && quiet == 2, "{two:?}");
    // Most of these weeks are kept by the hour only.
    let many = running.reader.weekly(&scope, 30, now).await?;
    assert_eq!(many.len(), 30);
    assert_eq!(many[28].summary, two[0].summary);
    assert_eq!(many[29], two[1]);
    running.stop().await
}

#[tokio::test]
async fn half_an_hour_around_the_oldest_five_minutes_counts_once() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let day = std::time::Duration::from_hours(24);
    let settings = Config { keep_five_minutes: 16 * day, ..config(folder.path()) };
    // Weeks begin half an hour off UTC's hours there.
    let running = Running::start(settings, "Asia/Kolkata")?;
    let samples = up_to_now("a", 28 * 288, 300);
    running.store("web-1", &samples).await?;
    let scope = Scope::One(ServiceId::new("web-1")?);
    let weeks = running.reader.weekly(&scope, 6, Timestamp::now()).await?;
    let told: u64 = weeks.iter().map(|week| week.summary.up_bytes).sum();
    assert_eq!(told, samples.iter().map(|sample| sample.up).sum::<u64>());
    running.stop().await
}

#[tokio::test]
async fn a_bucket_with_more_samples_than_are_counted_keeps_nothing_from_being_joined()
-> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let settings = config(folder.path());
    let yesterday = Timestamp::now().as_millisecond() - 86_400_000;
    // All of it lies in one bucket of each level.
    let ended = yesterday - yesterday % 300_000;
    // A stop joins what came.
    let store_and_stop = async |seq| {
        let running = Running::start(settings.clone(), "UTC")?;
        for service in ["crowded", "quiet"] {
            running.store(service, &[sample(service, seq, ended, 1000, 5, 7)]).await?;
        }
        running.stop().await
    };
    let tables = ["five_minute_volume", "hour_volume", "day_volume"];
    store_and_stop(1).await?;
    for table in tables {
        Connection::open(&settings.path)?.execute_batch(&format!(
            "UPDATE {table} SET samples = {}
             WHERE service_no = (SELECT service_no FROM service WHERE id = 'crowded')",
            u32::MAX
        ))?;
    }
    store_and_stop(2).await?;
    assert_eq!(count(&settings.path, "SELECT count(*) FROM recent_volume")?, 0);
    for table in tables {
        let of = |what: &str| count(&settings.path, &format!("SELECT {what}::BIGINT FROM {table}"));
        assert_eq!((of("count(*)")?, of("sum(up_bytes)")?), (2, 20), "{table}");
        assert_eq!((of("min(samples)")?, of("max(samples)")?), (2, u32::MAX.into()), "{table}");
    }
    Ok(())
}

#[tokio::test]
async fn a_week_of_fifty_services_leaves_a_file_of_the_size_of_what_is_kept() -> anyhow::Result<()>
{
    let folder = tempfile::tempdir()?;
    let settings = config(folder.path());
    let mut running = Running::start(settings.clone(), "UTC")?;
    // A week at a minute, an hour at a time, all services in turn: the raw
    // samples are replaced ten times over.
    let all: Vec<(String, Vec<Sample>)> = (0..50)
        .map(|n| (format!("service-{n:02}"), up_to_now(&format!("agent-{n}"), 7 * 1440, 60)))
        .collect();
    for hour in 0..7 * 24 {
        let mut waiting = Vec::new();
        for (service, samples) in &all {
            let payload = encode(&samples[hour * 60..(hour + 1) * 60]);
            waiting.push(running.begin(service, vec![payload]).await.context("stopped")?);
        }
        for stored in waiting {
            assert_eq!(stored.await?, [Outcome::Stored]);
        }
        // Housekeeping's half minutes are not simulated: a stop tidies once.
        if hour % 12 == 11 {
            running.stop().await?;
            running = Running::start(settings.clone(), "UTC")?;
        }
    }
    let size = |path: &std::path::Path| std::fs::metadata(path).map(|file| file.len());
    let live = running.reader.backup().await?.length();
    running.stop().await?;
    let file = size(&settings.path)?;
    assert!(file * 2 <= live * 3, "the file has {file} bytes, what is kept {live}");
    Ok(())
}
