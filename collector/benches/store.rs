//! What the store's parts cost. With our own code as in a release, and DuckDB
//! not compiled again:
//!
//! ```text
//! CARGO_PROFILE_DEV_OPT_LEVEL=3 cargo bench --profile dev -p komandorr-collector --bench store
//! ```
#![allow(clippy::panic, clippy::print_stdout, reason = "a benchmark that cannot be set up ends")]

#[path = "../examples/store_speed/fill.rs"]
mod fill;
#[path = "../examples/store_speed/running.rs"]
#[allow(dead_code, reason = "shared with the example, which uses more of it")]
mod running;

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use divan::{Bencher, counter::ItemsCount};
use jiff::{SignedDuration, Timestamp};
use komandorr_collector::read::{Calendar, Range, Scope, Step};
use komandorr_wire::ServiceId;
use running::{Running, payload};
use tempfile::TempDir;
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

/// A thousand services with a month of history.
struct Store {
    running: Running,
    runtime: Runtime,
    _folder: TempDir,
}

static STORE: LazyLock<Store> = LazyLock::new(|| match Store::open() {
    Ok(store) => store,
    Err(error) => panic!("no store: {error:#}"),
});

/// Numbers of samples that were never sent.
static NEXT: AtomicU64 = AtomicU64::new(1);

impl Store {
    fn open() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let database = folder.path().join("bench.duckdb");
        fill::fill(&database, 1, 1)?;
        let runtime = Runtime::new()?;
        let running = runtime.block_on(async { Running::open(&database) })?;
        Ok(Self { running, runtime, _folder: folder })
    }

    /// Sends a payload and waits until it is stored.
    fn store(&self, payload: Vec<u8>) -> bool {
        let stored = async {
            let answer = self.running.send(&service(), vec![payload]).await.ok()?;
            answer.await.ok()
        };
        self.runtime.block_on(stored).unwrap_or_default()
    }
}

fn service() -> ServiceId {
    ServiceId::new("host-7").unwrap_or_else(|error| panic!("{error}"))
}

fn fresh(samples: u64) -> Vec<u8> {
    let first = NEXT.fetch_add(samples, Ordering::Relaxed);
    payload("bench", first..first + samples, 100, Timestamp::now().as_millisecond())
}

fn last(days: i64) -> Range {
    let now = Timestamp::now();
    let range = Range::new(now - SignedDuration::from_hours(24 * days), now);
    range.unwrap_or_else(|error| panic!("{error}"))
}

/// After a pause: the writer lingers between two deliveries, and takes the
/// first one after a while at once.
#[allow(clippy::disallowed_methods, reason = "the writer's own pause is over then")]
fn rested(payload: Vec<u8>) -> Vec<u8> {
    std::thread::sleep(Duration::from_millis(40));
    payload
}

/// Decoding, and finding that all of it is stored already.
#[divan::bench(sample_size = 1)]
fn repeated_array_of_500(bencher: Bencher<'_, '_>) {
    let array = fresh(500);
    assert!(STORE.store(array.clone()), "refused");
    bencher
        .counter(ItemsCount::new(500_u32))
        .with_inputs(|| rested(array.clone()))
        .bench_values(|array| assert!(STORE.store(array), "refused"));
}

/// Decoding, sharing out, appending, commit with its fsync, acknowledgement.
#[divan::bench(args = [1, 100, 1000], sample_size = 1)]
fn commit(bencher: Bencher<'_, '_>, samples: u64) {
    bencher
        .counter(ItemsCount::new(samples))
        .with_inputs(|| rested(fresh(samples)))
        .bench_values(|array| assert!(STORE.store(array), "refused"));
}

#[divan::bench(args = [1, 7, 30])]
fn days_of_a_service_by_five_minutes_or_hours(days: i64) -> usize {
    let step = if days == 1 { Step::FiveMinutes } else { Step::Hour };
    let scope = Scope::One(service());
    let series = STORE.running.reader.history(&scope, last(days), step);
    STORE.runtime.block_on(series).map_or(0, |series| series.len())
}

#[divan::bench]
fn day_of_the_fleet() -> usize {
    let reader = &STORE.running.reader;
    let sum = reader.history_sum(&Scope::All, last(1), Step::FiveMinutes);
    STORE.runtime.block_on(sum).map_or(0, |series| series.points.len())
}

#[divan::bench]
fn hours_of_the_fleet_s_week() -> usize {
    let reader = &STORE.running.reader;
    let profile = reader.hour_profile(&Scope::All, 4, Timestamp::now());
    STORE.runtime.block_on(profile).map_or(0, |profile| profile.cells.len())
}

#[divan::bench]
fn days_of_a_service_s_month() -> usize {
    let scope = Scope::One(service());
    let volumes = STORE.running.reader.volumes(&scope, last(30), Calendar::Day);
    STORE.runtime.block_on(volumes).map_or(0, |volumes| volumes.len())
}

#[divan::bench]
fn top_talkers_of_four_weeks() -> usize {
    let talkers = STORE.running.reader.top_talkers(&Scope::All, last(28), 8);
    STORE.runtime.block_on(talkers).map_or(0, |talkers| talkers.busiest.len())
}
