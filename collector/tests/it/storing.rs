//! Stored, acknowledged, remembered: what a delivery leads to.

use anyhow::Context;
use jiff::Timestamp;
use komandorr_collector::{
    State, Volume,
    registry::{Revoked, ServiceDetails},
};
use komandorr_wire::{Outcome, Sample, ServiceId, encode_one};
use tokio_util::sync::CancellationToken;

use crate::support::{Running, config, sample};

fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

#[tokio::test]
async fn a_sample_is_live_and_stored_before_it_is_settled() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let running = Running::start(config(folder.path()), "UTC")?;
    let id = ServiceId::new("web-1")?;
    let mut one = sample("a", 1, now_ms(), 5000, 50_000, 100_000);
    one.capacity = Some(125_000);
    one.cpu_percent = Some(12.5);
    running.store("web-1", &[one]).await?;
    let current = running.live.one(&id, Timestamp::now()).expect("registered by its first sample");
    assert_eq!(current.state, State::Live);
    assert_eq!(current.up_bytes_per_second, Some(10_000));
    assert_eq!(current.down_bytes_per_second, Some(20_000));
    assert_eq!(current.utilisation_percent, Some(16.0), "the busier direction");
    assert_eq!(current.interval_seconds, Some(5.0));
    assert_eq!((current.up_bytes_total, current.down_bytes_total), (50_000, 100_000));
    assert_eq!(current.today, Volume { up_bytes: 50_000, down_bytes: 100_000 });
    running.stop().await
}

#[tokio::test]
async fn bad_payloads_are_refused_and_counted_and_hold_nothing_up() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let running = Running::start(config(folder.path()), "UTC")?;
    let good = encode_one(&sample("a", 1, now_ms(), 1000, 1, 2));
    let outcomes = running.deliver("web-1", vec![good, b"{}".to_vec(), Vec::new()]).await;
    let outcomes = outcomes.expect("settled");
    assert_eq!(outcomes[0], Outcome::Stored);
    assert!(matches!(&outcomes[1], Outcome::Refused(error) if error.reason() == "not_a_sample"));
    assert!(matches!(&outcomes[2], Outcome::Refused(error) if error.reason() == "empty"));
    let figures = running.stats.snapshot();
    assert_eq!((figures.samples, figures.refused.iter().map(|r| r.1).sum::<u64>()), (1, 2));
    assert_eq!(figures.refusals[1].first_bytes, b"{}");
    assert_eq!(figures.refusals[1].service, "web-1");
    // A service whose only payloads were bad is not registered.
    running.deliver("other", vec![b"x".to_vec()]).await;
    assert!(running.registry.get("other").is_none());
    running.stop().await
}

#[tokio::test]
async fn a_fleet_that_is_switched_on_is_registered_together() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let settings = config(folder.path());
    let running = Running::start(settings.clone(), "UTC")?;
    running.store("host-7", &[sample("agent-7", 1, now_ms(), 1000, 1, 2)]).await?;
    let before = *running.registry.subscribe().borrow();
    let mut sent = Vec::new();
    for n in 0..500 {
        let payload = match n {
            13 => b"not a sample".to_vec(),
            _ => encode_one(&sample(&format!("agent-{n}"), 2, now_ms(), 1000, 1, 2)),
        };
        sent.push((format!("host-{n}"), payload));
    }
    let outcomes = running.deliver_of(sent).await.context("settled")?;
    let refused = |outcome: &Outcome| matches!(outcome, Outcome::Refused(_));
    assert_eq!(outcomes.iter().position(refused), Some(13));
    assert_eq!(outcomes.iter().filter(|outcome| refused(outcome)).count(), 1);
    assert_eq!(running.registry.len(), 499);
    assert!(running.registry.get("host-13").is_none());
    assert_eq!(*running.registry.subscribe().borrow(), before + 1, "one change for all");
    running.stop().await?;
    let again = Running::start(settings, "UTC")?;
    assert_eq!(again.registry.len(), 499);
    again.stop().await
}

#[tokio::test]
async fn a_restart_remembers_everything_and_stores_nothing_twice() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let id = ServiceId::new("web-1")?;
    let samples: Vec<Sample> = (1..=250_u16)
        .map(|seq| {
            let ended = now_ms() - 1000 * i64::from(250 - seq);
            sample("a", seq.into(), ended, 1000, u64::from(seq), 10)
        })
        .collect();
    let running = Running::start(config(folder.path()), "Europe/Berlin")?;
    running.store("web-1", &samples).await?;
    let before = running.live.one(&id, Timestamp::now()).expect("registered");
    running.stop().await?;
    let running = Running::start(config(folder.path()), "Europe/Berlin")?;
    let after = running.live.one(&id, Timestamp::now()).expect("still registered");
    assert_eq!(after.up_bytes_total, (1..=250).sum::<u64>());
    assert_eq!(
        (after.up_bytes_total, after.today, after.month),
        (before.up_bytes_total, before.today, before.month)
    );
    assert_eq!(running.live.recent(&id).len(), 100);
    assert_eq!(running.live.recent(&id).last().map(|last| last.up_bytes), Some(250));
    running.store("web-1", &samples).await?;
    assert_eq!(running.stats.snapshot().repeated, 250);
    let again = running.live.one(&id, Timestamp::now()).expect("registered");
    assert_eq!(again.up_bytes_total, after.up_bytes_total);
    running.stop().await
}

#[tokio::test]
async fn a_service_that_is_quiet_for_long_is_silent() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let running = Running::start(config(folder.path()), "UTC")?;
    let id = ServiceId::new("slow")?;
    running.store("slow", &[sample("a", 1, now_ms(), 10_000, 1, 1)]).await?;
    let state = |seconds: i64| {
        let at = Timestamp::from_millisecond(now_ms() + seconds * 1000).unwrap_or_default();
        running.live.one(&id, at).map(|current| current.state)
    };
    assert_eq!(state(0), Some(State::Idle), "under 1 KB/s both ways");
    assert_eq!(state(28), Some(State::Idle), "three intervals of ten seconds");
    assert_eq!(state(32), Some(State::Silent));
    running.stop().await
}

#[tokio::test]
async fn credentials_work_rotate_and_survive_a_restart() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let id = ServiceId::new("web-1")?;
    let running = Running::start(config(folder.path()), "UTC")?;
    let (_, first) = running.registry.create(&id, ServiceDetails::default())?;
    let hour = std::time::Duration::from_hours(1);
    let second = running.registry.rotate_token(&id, hour)?;
    let reader = running.registry.create_reader("ha", Some(&id))?;
    assert!(running.registry.create_reader("ha", None).is_err(), "a name is taken once");
    running.stop().await?;
    let running = Running::start(config(folder.path()), "UTC")?;
    assert!(running.registry.agent_may("web-1", first.expose()), "within its grace");
    assert!(running.registry.agent_may("web-1", second.expose()));
    assert!(!running.registry.agent_may("web-2", second.expose()));
    assert!(!running.registry.agent_may("web-1", "kmd_guess"));
    assert!(running.registry.named("ha", reader.expose()).is_some());
    let third = running.registry.rotate_token(&id, std::time::Duration::ZERO)?;
    assert!(!running.registry.agent_may("web-1", second.expose()), "without grace it ends at once");
    assert!(running.registry.agent_may("web-1", third.expose()));
    running.registry.remove(&id)?;
    assert!(!running.registry.agent_may("web-1", third.expose()));
    assert!(running.registry.is_empty());
    running.stop().await
}

#[tokio::test(start_paused = true)]
async fn who_came_with_an_old_token_is_told_of_when_its_grace_is_over() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let id = ServiceId::new("web-1")?;
    let running = Running::start(config(folder.path()), "UTC")?;
    let (told, mut revoked) = tokio::sync::mpsc::unbounded_channel();
    running.registry.when_revoked(move |revoked| {
        if let Revoked::Credential(credential) = revoked {
            drop(told.send(credential.hash.clone()));
        }
    });
    running.registry.create(&id, ServiceDetails::default())?;
    running.registry.rotate_token(&id, std::time::Duration::from_millis(1))?;
    let watch = running.registry.watch_expiry(CancellationToken::new());
    tokio::select! {
        () = watch => anyhow::bail!("it was not told to stop"),
        old = revoked.recv() => assert!(old.is_some()),
    }
    assert!(revoked.try_recv().is_err(), "the new one stays");
    running.stop().await
}

#[cfg(unix)]
#[tokio::test]
async fn the_folder_of_the_database_is_for_its_user_alone() -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir()?;
    Running::start(config(folder.path()), "UTC")?.stop().await?;
    let mode = std::fs::metadata(folder.path().join("data"))?.permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    Ok(())
}

#[tokio::test]
async fn samples_of_months_are_stored_in_several_commits_and_settled_together() -> anyhow::Result<()>
{
    let folder = tempfile::tempdir()?;
    let running = Running::start(config(folder.path()), "UTC")?;
    let month_ms = 31 * 86_400_000;
    let payload = |n: i64| {
        let ended_ms = now_ms() - (n % 80) * month_ms;
        let seq = u64::try_from(n).unwrap_or_default() + 1;
        encode_one(&sample("a", seq, ended_ms, month_ms.unsigned_abs(), 1_000_000, 1))
    };
    let outcomes = running.deliver("web-1", (0..80).map(payload).collect()).await;
    assert_eq!(outcomes, Some(vec![Outcome::Stored; 80]));
    let figures = running.stats.snapshot();
    assert!(figures.commits > 2, "{} commits", figures.commits);
    let current = running.live.one(&ServiceId::new("web-1")?, Timestamp::now());
    assert_eq!(current.context("live")?.up_bytes_total, 80_000_000);
    running.stop().await
}

#[tokio::test]
async fn what_had_come_before_its_service_was_removed_does_not_bring_it_back() -> anyhow::Result<()>
{
    let folder = tempfile::tempdir()?;
    let running = Running::start(config(folder.path()), "UTC")?;
    let id = ServiceId::new("web-1")?;
    running.store("web-1", &[sample("a", 1, now_ms(), 1000, 1, 1)]).await?;
    let arrived = Timestamp::now();
    running.registry.remove(&id)?;
    let late = vec![("web-1".to_owned(), encode_one(&sample("a", 2, now_ms(), 1000, 1, 1)))];
    let outcomes = running.begin_at(arrived, late).await.context("closed")?.await?;
    assert_eq!(outcomes, [Outcome::Stored], "its agent need not send it again");
    assert!(running.registry.get("web-1").is_none());
    // What comes later is somebody's who means it.
    let later = Timestamp::now() + jiff::SignedDuration::from_millis(10);
    let new = vec![("web-1".to_owned(), encode_one(&sample("a", 3, now_ms(), 1000, 1, 1)))];
    running.begin_at(later, new).await.context("closed")?.await?;
    assert!(running.registry.get("web-1").is_some());
    running.stop().await
}

#[tokio::test]
async fn an_identity_counts_once_for_each_service() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let running = Running::start(config(folder.path()), "UTC")?;
    let now = Timestamp::now().as_millisecond();
    // A copied machine with another name sends what the original sends.
    let same = [sample("a", 1, now - 1000, 1000, 5, 7), sample("a", 2, now, 1000, 5, 7)];
    for service in ["original", "copy", "original", "copy"] {
        running.store(service, &same).await?;
    }
    for service in ["original", "copy"] {
        let current = running.live.one(&ServiceId::new(service)?, Timestamp::now());
        assert_eq!(current.map(|current| current.up_bytes_total), Some(10), "{service}");
    }
    assert_eq!(running.stats.snapshot().repeated, 4);
    running.stop().await
}

#[tokio::test]
async fn however_many_agents_come_few_are_remembered() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let settings = config(folder.path());
    let running = Running::start(settings.clone(), "UTC")?;
    let now = Timestamp::now().as_millisecond();
    let steady = |seq| [sample("steady", seq, now, 1000, 1, 1)];
    running.store("web-1", &steady(1)).await?;
    for thousand in 0..5 {
        let of = |n| sample(&format!("agent-{thousand}-{n}"), 1, now, 1000, 1, 1);
        running.store("web-1", &(0..1000).map(of).collect::<Vec<_>>()).await?;
        // Odd numbers alone: a gap for each.
        let gaps = |n| sample("gaps", 2 * (1000 * thousand + n) + 1, now, 1000, 1, 1);
        running.store("web-2", &(0..1000).map(gaps).collect::<Vec<_>>()).await?;
        running.store("web-1", &steady(2 + thousand)).await?;
    }
    running.stop().await?;
    let connection = duckdb::Connection::open(&settings.path)?;
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    assert!(count("SELECT count(*) FROM agent")? <= 1001);
    assert_eq!(count("SELECT count(*) FROM agent WHERE identity = 'steady'")?, 1);
    assert!(count("SELECT count(*) FROM stored_range")? <= 2001);
    assert_eq!(count("SELECT sum(samples)::BIGINT FROM traffic_by_hour")?, 10_006);
    drop(connection);
    // Who spoke all the time is known after a restart as well.
    let running = Running::start(settings, "UTC")?;
    running.store("web-1", &steady(6)).await?;
    assert_eq!(running.stats.snapshot().repeated, 1);
    running.stop().await
}

#[tokio::test]
async fn a_new_agent_inherits_nothing_of_one_that_is_gone() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let settings = config(folder.path());
    let now = Timestamp::now().as_millisecond();
    let one = |agent| [sample(agent, 1, now, 1000, 1, 1)];
    let running = Running::start(settings.clone(), "UTC")?;
    running.store("web-1", &one("gone")).await?;
    running.registry.remove(&ServiceId::new("web-1")?)?;
    running.stop().await?;
    let connection = duckdb::Connection::open(&settings.path)?;
    let ranges = "SELECT count(*) FROM stored_range";
    assert_eq!(connection.query_row(ranges, [], |row| row.get::<_, i64>(0))?, 0);
    // What a commit brought that was under way when its service was removed.
    connection.execute_batch("INSERT INTO stored_range VALUES (0, 1, 900), (1, 1, 900)")?;
    drop(connection);
    let running = Running::start(settings.clone(), "UTC")?;
    running.store("web-2", &one("new")).await?;
    running.stop().await?;
    let connection = duckdb::Connection::open(&settings.path)?;
    let number = "SELECT agent_no FROM agent WHERE identity = 'new'";
    assert_eq!(connection.query_row(number, [], |row| row.get::<_, i32>(0))?, 2);
    Ok(())
}
