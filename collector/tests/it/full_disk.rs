//! A disk that is full, at a commit and at a checkpoint: acknowledgements wait,
//! what is in memory is answered, and all goes on when there is room again.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, ensure};
use jiff::Timestamp;
use komandorr_collector::registry::ServiceDetails;
use komandorr_wire::{Outcome, Sample, ServiceId, encode};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{Running, config, sample};

const MIB: u64 = 1024 * 1024;
const PATIENCE: Duration = Duration::from_mins(1);

/// A small disk; unmounted when it goes.
struct Disk(PathBuf);

impl Disk {
    /// `None` where the tests may not mount one.
    fn mount(path: PathBuf) -> anyhow::Result<Option<Self>> {
        fs::create_dir_all(&path)?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"])
            .arg(&path)
            .output()?;
        Ok(mounted.status.success().then_some(Self(path)))
    }

    /// Leaves so much room, however much others write meanwhile.
    fn fill(&self, room: u64) -> anyhow::Result<()> {
        let mut ballast = fs::File::create(self.0.join("ballast"))?;
        while ballast.write_all(&[1; 4096]).is_ok() {}
        let length = ballast.metadata()?.len();
        Ok(ballast.set_len(length.saturating_sub(room))?)
    }

    fn make_room(&self) -> anyhow::Result<()> {
        Ok(fs::remove_file(self.0.join("ballast"))?)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}

/// The n-th sends n bytes; each a minute after the other, so that many make
/// many buckets.
fn numbered(numbers: std::ops::Range<u64>) -> Vec<Sample> {
    let one = |n: u64| {
        let ended = 1_700_000_000_000 + 60_000 * i64::try_from(n).unwrap_or_default();
        sample("a", n, ended, 60_000, n, 1)
    };
    numbers.map(one).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_too_little_room_for_the_log() -> anyhow::Result<()> {
    fill_and_recover(2).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_room_for_the_log_but_not_for_the_checkpoint() -> anyhow::Result<()> {
    // DuckDB gives such a database up until it is opened again.
    fill_and_recover(17).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_does_not_wait_for_a_service_that_cannot_be_registered() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let Some(disk) = Disk::mount(folder.path().join("data"))? else {
        println!("only root may mount a small disk: nothing is tested");
        return Ok(());
    };
    let running = Running::start(config(folder.path()), "UTC")?;
    running.store("web-0", &numbered(1..1001)).await?;
    disk.fill(0)?;
    // What is left of the last page has room for some.
    let fits = |n: i32| {
        let id = ServiceId::new(&format!("fits-{n}"))?;
        anyhow::Ok(running.registry.register(&id, ServiceDetails::default()).is_ok())
    };
    let mut n = 0;
    while fits(n)? {
        n += 1;
    }
    let payload = encode(&numbered(1..2));
    let waiting = running.begin("web-1", vec![payload]).await.context("it has stopped")?;
    let begun = Instant::now();
    while running.stats.failure().is_none() {
        ensure!(begun.elapsed() < PATIENCE, "it does not fail");
        sleep(Duration::from_millis(20)).await;
    }
    timeout(PATIENCE, running.stop()).await.context("it does not stop")??;
    ensure!(waiting.await.is_err(), "it is not stored, so nobody says so");
    Ok(())
}

async fn fill_and_recover(room: u64) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let Some(disk) = Disk::mount(folder.path().join("data"))? else {
        println!("only root may mount a small disk: nothing is tested");
        return Ok(());
    };
    let running = Running::start(config(folder.path()), "UTC")?;
    let id = ServiceId::new("web-1")?;
    running.store("web-1", &numbered(1..1001)).await?;
    disk.fill(room * MIB)?;
    // Stores until the disk is full, and on when it is not.
    let mut next = 1001;
    let (mut begun, mut full) = (Instant::now(), None);
    while full.is_none_or(|at: u64| next < at + 20_000) {
        ensure!(next < 3_000_000, "the disk does not get full");
        let payload = encode(&numbered(next..next + 1000));
        let mut stored = Box::pin(running.deliver("web-1", vec![payload]));
        loop {
            tokio::select! {
                outcome = &mut stored => {
                    ensure!(outcome == Some(vec![Outcome::Stored]), "{outcome:?}");
                    break;
                }
                () = sleep(Duration::from_millis(20)) => {}
            }
            if let (Some(failure), None) = (running.stats.failure(), full) {
                // Not acknowledged while it fails, and answered from memory.
                ensure!(failure.reason.contains("No space left"), "{}", failure.reason);
                let current = running.live.one(&id, Timestamp::now()).context("in memory")?;
                ensure!(current.down_bytes_total == next - 1, "{}", current.down_bytes_total);
                disk.make_room()?;
                (begun, full) = (Instant::now(), Some(next));
            }
            ensure!(begun.elapsed() < PATIENCE, "{:?}", running.stats.failure());
        }
        next += 1000;
    }
    ensure!(running.stats.failure().is_none());
    // Housekeeping and readers have the database again as well.
    let talkers = running.reader.backup().await?;
    drop(talkers);
    running.stop().await?;
    every_number_once(&config(folder.path()).path, next - 1)
}

fn every_number_once(database: &Path, last: u64) -> anyhow::Result<()> {
    let connection = duckdb::Connection::open(database)?;
    let (bytes, samples): (u64, u64) = connection.query_row(
        "SELECT sum(up_bytes)::UBIGINT, sum(samples)::UBIGINT FROM traffic_by_hour",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    ensure!(samples == last, "{samples} of {last}");
    ensure!(bytes == last * (last + 1) / 2, "{bytes}");
    Ok(())
}
