//! The answers against a slow, obvious recomputation.

use std::path::Path;

use jiff::{Timestamp, ToSpan, civil, tz::TimeZone};
use komandorr_collector::{
    read::{Calendar, Range, ReadError, Scope, Step},
    registry::ServiceDetails,
};
use komandorr_wire::{Sample, ServiceId};

use crate::support::{Running, config, sample};

const MINUTE_MS: i64 = 60_000;

fn one(id: &str) -> Scope {
    Scope::One(ServiceId::from_host_name(id))
}

/// A sample each minute from `begin` on; the bytes are given by its number.
fn minutes(begin_ms: i64, count: u64, bytes: impl Fn(u64) -> (u64, u64)) -> Vec<Sample> {
    (1..=count)
        .map(|n| {
            let ended = begin_ms + i64::try_from(n).unwrap_or_default() * MINUTE_MS;
            let (up, down) = bytes(n);
            sample("a", n, ended, 60_000, up, down)
        })
        .collect()
}

fn berlin(year: i16, month: i8, day: i8, hour: i8) -> anyhow::Result<Timestamp> {
    let zone = TimeZone::get("Europe/Berlin")?;
    Ok(civil::date(year, month, day).at(hour, 0, 0, 0).to_zoned_datetime(zone)?.timestamp())
}

#[tokio::test]
async fn five_minute_points_summary_and_percentile() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let running = Running::start(config(folder.path()), "UTC")?;
    let begin_ms = Timestamp::now().as_millisecond() / 3_600_000 * 3_600_000 - 2 * 3_600_000;
    // Twenty buckets of five minutes; the n-th sends n MB a minute.
    running.store("web-1", &minutes(begin_ms, 100, |n| ((n - 1) / 5 * 1_000_000, 6_000))).await?;
    let at = |ms| Timestamp::from_millisecond(ms);
    let range = Range::new(at(begin_ms)?, at(begin_ms + 100 * MINUTE_MS)?)?;
    let series = running.reader.history(&one("web-1"), range, Step::FiveMinutes).await?.remove(0);
    assert_eq!(series.points.len(), 20);
    let point = series.points[7];
    assert_eq!((point.up_bytes, point.down_bytes), (35_000_000, 30_000));
    assert_eq!((point.up_bytes_per_second, point.down_bytes_per_second), (116_667, 100));
    assert_eq!(point.up_peak_bytes_per_second, 116_667);
    assert!((point.coverage - 1.0).abs() < f64::EPSILON);
    let summary = series.summary;
    assert_eq!(summary.up_bytes, (0..20).map(|n| n * 5_000_000).sum::<u64>());
    // Nearest rank of twenty: the nineteenth, which sends 18 MB a minute.
    assert_eq!(summary.up_p95_bytes_per_second, Some(300_000));
    let peak = summary.up_peak.expect("there is data");
    assert_eq!(peak.bytes_per_second, 316_667);
    assert_eq!(peak.at, at(begin_ms + 95 * MINUTE_MS)?);
    assert_eq!(summary.up_mean_bytes_per_second, Some(summary.up_bytes / 6000), "rounded");
    assert!((summary.coverage - 1.0).abs() < f64::EPSILON);
    running.stop().await
}

#[tokio::test]
async fn a_gap_has_no_points_and_lowers_the_coverage() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let running = Running::start(config(folder.path()), "UTC")?;
    let begin_ms = Timestamp::now().as_millisecond() / 3_600_000 * 3_600_000 - 2 * 3_600_000;
    let mut samples = minutes(begin_ms, 60, |_| (600, 600));
    samples.drain(20..40);
    running.store("web-1", &samples).await?;
    let at = |ms| Timestamp::from_millisecond(ms);
    let range = Range::new(at(begin_ms)?, at(begin_ms + 60 * MINUTE_MS)?)?;
    let series = running.reader.history(&one("web-1"), range, Step::FiveMinutes).await?.remove(0);
    assert_eq!(series.points.len(), 8, "four of twelve buckets are empty");
    assert!((series.summary.coverage - 2.0 / 3.0).abs() < 1e-9);
    assert_eq!(series.summary.up_mean_bytes_per_second, Some(10), "over the covered time");
    running.stop().await
}

#[tokio::test]
async fn days_of_23_and_25_hours_are_cut_in_the_zone() -> anyhow::Result<()> {
    for (day, hours) in [((2026, 3, 29), 23), ((2026, 10, 25), 25)] {
        let folder = tempfile::tempdir()?;
        let running = Running::start(config(folder.path()), "Europe/Berlin")?;
        let midnight = berlin(day.0, day.1, day.2, 0)?;
        // An hour before that day, the day, and two hours after it: 1 byte a minute.
        let begin_ms = midnight.as_millisecond() - 60 * MINUTE_MS;
        running.store("web-1", &minutes(begin_ms, 60 * (hours + 3), |_| (1, 0))).await?;
        let range =
            Range::new(midnight, midnight.checked_add((i64::try_from(hours)? + 1).hours())?)?;
        let days = running.reader.volumes(&one("web-1"), range, Calendar::Day).await?;
        assert_eq!(days.len(), 2);
        assert_eq!(days[0].volume.up_bytes, 60 * hours);
        assert_eq!(days[0].covered_ms, hours * 3_600_000);
        assert_eq!(days[1].volume.up_bytes, 120);
        let points =
            running.reader.history(&one("web-1"), range, Step::Day).await?.remove(0).points;
        assert_eq!(points[0].up_bytes, 60 * hours);
        running.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn weeks_are_compared_and_hours_of_the_week_profiled() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let running = Running::start(config(folder.path()), "Europe/Berlin")?;
    // Two weeks from Monday on: each Monday's tenth hour is busy, the second
    // week doubly so.
    let monday = berlin(2026, 11, 2, 0)?.as_millisecond();
    let samples: Vec<Sample> = (0..14 * 24_u16)
        .map(|hour| {
            let busy = hour % 168 == 9;
            let up = if busy { 7200 } else { 36 } * (u64::from(hour) / 168 + 1);
            let ended = monday + (i64::from(hour) + 1) * 60 * MINUTE_MS;
            sample("a", u64::from(hour) + 1, ended, 3_600_000, up, 0)
        })
        .collect();
    running.store("web-1", &samples).await?;
    let now = Timestamp::from_millisecond(monday + 14 * 24 * 60 * MINUTE_MS - 1)?;
    let weeks = running.reader.weekly(&one("web-1"), 2, now).await?;
    let names: Vec<_> = weeks.iter().map(|week| week.week.as_str()).collect();
    assert_eq!(names, ["2026-W45", "2026-W46"]);
    assert_eq!(weeks[0].summary.up_bytes, 7200 + 167 * 36);
    assert_eq!(weeks[0].change_percent, None);
    assert_eq!(weeks[1].change_percent, Some(100.0));
    assert!((weeks[1].summary.coverage - 1.0).abs() < 1e-6);
    let profile = running.reader.hour_profile(&one("web-1"), 2, now).await?;
    assert_eq!(profile.cells.len(), 168);
    let busiest = profile.busiest.expect("there is data");
    assert_eq!((busiest.weekday, busiest.hour, busiest.hours_seen), (1, 9, 2));
    assert_eq!(busiest.up_bytes_per_second, Some(3), "7200 and 14400 bytes in two hours");
    running.stop().await
}

#[tokio::test]
async fn a_sum_of_services_adds_their_means() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let running = Running::start(config(folder.path()), "UTC")?;
    let begin_ms = Timestamp::now().as_millisecond() / 3_600_000 * 3_600_000 - 3_600_000;
    running.store("web-1", &minutes(begin_ms, 30, |_| (6_000, 60))).await?;
    let other: Vec<_> = minutes(begin_ms, 30, |_| (12_000, 0))
        .into_iter()
        .map(|mut sample| {
            sample.agent.as_mut().expect("numbered").agent = "b".into();
            sample
        })
        .collect();
    running.store("web-2", &other).await?;
    let at = |ms| Timestamp::from_millisecond(ms);
    let range = Range::new(at(begin_ms)?, at(begin_ms + 30 * MINUTE_MS)?)?;
    let sum = running.reader.history_sum(&Scope::All, range, Step::FiveMinutes).await?;
    assert_eq!(sum.points.len(), 6);
    assert!(sum.points.iter().all(|point| point.up_bytes_per_second == 300), "100 + 200");
    assert_eq!(sum.summary.up_mean_bytes_per_second, Some(300));
    assert_eq!(sum.summary.up_p95_bytes_per_second, Some(300));
    // Folded into an hour, and over hours of the week, it stays the sum.
    let hours = running.reader.history_sum(&Scope::All, range, Step::Hour).await?;
    assert_eq!(hours.points[0].up_bytes_per_second, 300);
    let profile = running.reader.hour_profile(&Scope::All, 1, range.to).await?;
    assert_eq!(profile.busiest.and_then(|cell| cell.up_bytes_per_second), Some(300));
    let talkers = running.reader.top_talkers(&Scope::All, range, 1).await?;
    assert_eq!((talkers.with_traffic, talkers.busiest.len()), (2, 1));
    let first = &talkers.busiest[0];
    assert_eq!((first.service.as_str(), first.summary.up_bytes), ("web-2", 360_000));
    running.stop().await
}

#[tokio::test]
async fn questions_without_an_answer_say_why() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let running = Running::start(config(folder.path()), "UTC")?;
    let now = Timestamp::now();
    assert_eq!(Range::new(now, now), Err(ReadError::EmptyRange));
    let month = Range::new(now.checked_sub((30 * 24).hours())?, now)?;
    let many = running.reader.history(&Scope::All, month, Step::FiveMinutes).await;
    assert!(matches!(many, Err(ReadError::TooManyPoints(8640))), "{many:?}");
    assert_eq!(Step::for_range(month), Step::Hour);
    let unknown = running.reader.summary(&one("nobody"), month).await;
    assert_eq!(unknown, Err(ReadError::Unknown("nobody".to_owned())));
    let empty = running.reader.summary(&Scope::All, month).await?;
    assert_eq!((empty.up_bytes, empty.up_peak, empty.up_p95_bytes_per_second), (0, None, None));
    running.registry.register(&ServiceId::new("quiet")?, ServiceDetails::default())?;
    let quiet = running.reader.history(&one("quiet"), month, Step::Day).await?;
    assert!(quiet[0].points.is_empty());
    assert!(quiet[0].summary.coverage.abs() < f64::EPSILON);
    running.stop().await
}

/// A store with so many hours of web-1 from 2021 on, 5 bytes up and 7 down in each, as
/// they stay when their five minutes have gone.
async fn with_hours_alone(folder: &Path, hours: u32, zone: &str) -> anyhow::Result<Running> {
    let config = config(folder);
    let running = Running::start(config.clone(), "UTC")?;
    running.registry.register(&ServiceId::new("web-1")?, ServiceDetails::default())?;
    running.stop().await?;
    duckdb::Connection::open(&config.path)?.execute_batch(&format!(
        "INSERT INTO hour_volume
         SELECT 1, TIMESTAMP '2021-01-01 00:00:00' + INTERVAL 1 HOUR * i, 5, 7, 3600000, 1, 1, 1
         FROM range({hours}) AS t (i)",
    ))?;
    Running::start(config, zone)
}

#[tokio::test]
async fn hours_answer_where_five_minutes_are_gone_in_every_zone() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    // Three years; half an hour off UTC's hours.
    let running = with_hours_alone(folder.path(), 3 * 365 * 24, "Asia/Kolkata").await?;
    let range = Range::new("2021-12-31T18:30:00Z".parse()?, "2022-12-31T18:30:00Z".parse()?)?;
    let months = running.reader.volumes(&one("web-1"), range, Calendar::Month).await?;
    let bytes: Vec<u64> = months.iter().map(|month| month.volume.up_bytes).collect();
    assert_eq!(bytes.len(), 12);
    assert_eq!(bytes.iter().sum::<u64>(), 5 * 365 * 24);
    assert!(bytes.iter().all(|bytes| (5 * 27 * 24..=5 * 31 * 24).contains(bytes)), "{bytes:?}");
    running.stop().await
}

#[tokio::test]
async fn five_minutes_that_are_gone_have_the_sums_of_their_hours() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let running = with_hours_alone(folder.path(), 48, "UTC").await?;
    let range = Range::new("2021-01-01T06:10:00Z".parse()?, "2021-01-01T08:00:00Z".parse()?)?;
    let series = running.reader.history(&one("web-1"), range, Step::FiveMinutes).await?.remove(0);
    assert!(series.points.is_empty());
    let summary = running.reader.summary(&one("web-1"), range).await?;
    assert_eq!((summary.up_bytes, summary.down_bytes), (10, 14));
    assert_eq!(series.summary, summary);
    let sum = running.reader.history_sum(&Scope::All, range, Step::FiveMinutes).await?;
    assert_eq!(sum.summary.up_bytes, 10);
    running.stop().await
}

#[tokio::test]
async fn a_service_that_is_named_twice_is_told_once() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let running = Running::start(config(folder.path()), "UTC")?;
    let begin_ms = Timestamp::now().as_millisecond() / 3_600_000 * 3_600_000 - 3_600_000;
    let ids = ["web-1", "web-2"].map(ServiceId::new);
    let [first, second] = ids.map(Result::unwrap);
    running.store("web-1", &minutes(begin_ms, 30, |_| (6_000, 60))).await?;
    running.store("web-2", &minutes(begin_ms, 10, |_| (1_000, 10))).await?;
    let at = |ms| Timestamp::from_millisecond(ms);
    let range = Range::new(at(begin_ms)?, at(begin_ms + 30 * MINUTE_MS)?)?;
    let scope = Scope::Several(vec![first.clone(), second, first]);
    let told = running.reader.summaries(&scope, range).await?;
    let told: Vec<_> = told.iter().map(|(id, sums)| (id.as_str(), sums.up_bytes)).collect();
    assert_eq!(told, [("web-1", 180_000), ("web-2", 10_000)]);
    let history = running.reader.history(&scope, range, Step::FiveMinutes).await?;
    let points: Vec<_> = history.iter().map(|series| series.points.len()).collect();
    assert_eq!(points, [6, 2]);
    running.stop().await
}
