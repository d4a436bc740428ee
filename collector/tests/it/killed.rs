//! `kill -9` in the middle of commits: what was acknowledged is there, once,
//! and a commit is there whole or not at all.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::Context;
use duckdb::Connection;
use jiff::{Timestamp, tz::TimeZone};
use komandorr_collector::{Collector, Config};
use komandorr_wire::{Outcome, Sample, ServiceId, encode};
use rand::RngExt;

use crate::support::{Running, config, sample};

/// Samples of a payload, and payloads of a delivery: a commit has all of them.
const ARRAY: u64 = 1000;
const ARRAYS: u64 = 10;
const ROUNDS: u32 = 6;
/// Numbers begin here in time, a second each.
const BEGIN_MS: i64 = 1_790_000_000_000;

#[test]
#[allow(clippy::disallowed_methods, reason = "a random moment is the point here")]
fn what_was_acknowledged_before_a_kill_is_stored_once_and_commits_are_whole() -> anyhow::Result<()>
{
    let folder = tempfile::tempdir()?;
    let database = config(folder.path()).path;
    let mut random = rand::rng();
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let mut writer = Writer::start(&database, acknowledged)?;
        // Its first acknowledgement: from now on it is always committing.
        let first = writer.next()?.context("the writer ended")?;
        assert!(first > acknowledged, "{first} after {acknowledged}");
        std::thread::sleep(Duration::from_millis(random.random_range(0..400)));
        writer.child.kill()?;
        writer.child.wait()?;
        acknowledged = first;
        while let Some(next) = writer.next()? {
            acknowledged = next;
        }
        let stored = whole(&database)?;
        assert!(
            stored >= acknowledged,
            "round {round}: {acknowledged} acknowledged, {stored} stored"
        );
        // Its sender would repeat what was not acknowledged; so does the next
        // round, and all of it must count once.
        assert!(stored <= acknowledged + 2 * ARRAY * ARRAYS, "round {round}: {stored}");
    }
    assert!(acknowledged > 0);
    Ok(())
}

/// Opens the database as the next start does and counts in all tables; how many
/// samples it holds.
fn whole(database: &std::path::Path) -> anyhow::Result<u64> {
    let settings = Config { path: database.to_owned(), ..Config::default() };
    drop(Collector::open(settings, TimeZone::UTC)?);
    let connection = Connection::open(database)?;
    let one = |sql: &str| -> duckdb::Result<u64> {
        connection.query_row(&format!("SELECT coalesce(({sql}), 0)::UBIGINT"), [], |row| row.get(0))
    };
    let stored = one("SELECT max(last_seq) FROM stored_range")?;
    assert_eq!(stored % ARRAY, 0, "a payload is stored whole or not at all");
    let ranges = one("SELECT sum(last_seq - first_seq + 1) FROM stored_range")?;
    assert_eq!(ranges, stored, "no number is missing and none is there twice");
    // The n-th sample sends n bytes.
    let newest = one("SELECT max(up_bytes) FROM sample")?;
    assert_eq!(newest, stored);
    let sum = stored * (stored + 1) / 2;
    for view in ["traffic_by_five_minutes", "traffic_by_hour"] {
        assert_eq!(one(&format!("SELECT sum(up_bytes) FROM {view}"))?, sum, "{view}");
        assert_eq!(one(&format!("SELECT sum(samples) FROM {view}"))?, stored, "{view}");
    }
    Ok(stored)
}

/// Another process that stores without end and says what was acknowledged.
struct Writer {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Writer {
    fn start(database: &std::path::Path, after: u64) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--exact", "killed::stores_until_it_is_killed", "--ignored", "--nocapture"])
            .env("KOMANDORR_TEST_DATABASE", database)
            .env("KOMANDORR_TEST_AFTER", after.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let said = BufReader::new(child.stdout.take().context("no output")?);
        Ok(Self { child, said })
    }

    /// The next number up to which all is acknowledged; `None` at its end.
    fn next(&mut self) -> anyhow::Result<Option<u64>> {
        let mut line = String::new();
        while self.said.read_line(&mut line)? > 0 {
            // A line that was cut by the kill has no end.
            if let Some(number) = line.strip_prefix("acknowledged ").filter(|n| n.ends_with('\n')) {
                return Ok(Some(number.trim().parse()?));
            }
            line.clear();
        }
        Ok(None)
    }
}

#[tokio::test]
#[ignore = "the other half of the test above"]
#[allow(clippy::disallowed_methods, reason = "what the other half says")]
async fn stores_until_it_is_killed() -> anyhow::Result<()> {
    let Some(path) = std::env::var_os("KOMANDORR_TEST_DATABASE") else { return Ok(()) };
    let mut from: u64 = std::env::var("KOMANDORR_TEST_AFTER")?.parse()?;
    let running = Running::start(Config { path: path.into(), ..Config::default() }, "UTC")?;
    println!();
    loop {
        let payload = |array: u64| {
            let first = from + array * ARRAY;
            let one = |n: u64| {
                let ended = BEGIN_MS + 1000 * i64::try_from(n).unwrap_or_default();
                sample("a", n, ended, 1000, n, 1)
            };
            encode(&(first + 1..=first + ARRAY).map(one).collect::<Vec<Sample>>())
        };
        let outcomes = running.deliver("web-1", (0..ARRAYS).map(payload).collect()).await;
        assert!(outcomes.context("dropped")?.iter().all(|outcome| *outcome == Outcome::Stored));
        from += ARRAY * ARRAYS;
        println!("acknowledged {from}");
        std::io::stdout().flush()?;
        assert!(running.live.one(&ServiceId::new("web-1")?, Timestamp::now()).is_some());
    }
}
