//! Today and this month, whatever the clock does: with a real database.

use std::time::Duration;

use jiff::tz::TimeZone;
use komandorr_wire::{Sample, ServiceId};
use tempfile::TempDir;

use super::*;
use crate::{
    batch::Batcher,
    live::Volume,
    registry::{Registry, ServiceDetails},
    store::Database,
};

/// A committer with what it commits into, and one service.
struct Bench {
    committer: Committer,
    batcher: Batcher,
    id: ServiceId,
    number: i32,
    _folder: TempDir,
}

impl Bench {
    fn open() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let database = Database::open(&folder.path().join("today.duckdb"))?;
        let registry = Arc::new(Registry::load(database.lane(), Arc::default())?);
        let id = ServiceId::new("web-1")?;
        let number = registry.register(&id, ServiceDetails::default())?.number;
        let reading = database.lane();
        let minutes = reading.with(|c| KeptMinutes::load(c, Duration::from_hours(24 * 400)))?;
        let committer = Committer {
            lane: database.writing_lane(),
            live: Arc::new(Live::new(registry, TimeZone::UTC)),
            stats: Arc::default(),
            keep: 1000,
            journal: Arc::default(),
            reading,
            minutes,
        };
        Ok(Self { committer, batcher: Batcher::default(), id, number, _folder: folder })
    }

    /// Commits a sample that is measured, and arrives, at an instant of our clock.
    async fn commit(&mut self, now: &str, up: u64) -> anyhow::Result<(u64, u64)> {
        let now: Timestamp = now.parse()?;
        let mut batch = Batch::default();
        let sample = Sample { up, interval_ms: 1000, ..Sample::default() };
        self.batcher.add(&mut batch, self.number, [sample], now.as_millisecond());
        assert!(self.committer.commit(&batch, &CancellationToken::new()).await);
        self.committer.show(&batch, now);
        let current = self.committer.live.one(&self.id, now).expect("registered");
        let bytes = |volume: Volume| volume.up_bytes;
        Ok((bytes(current.today), bytes(current.month)))
    }

    fn spread(&self) -> anyhow::Result<()> {
        Ok(journal::spread_all(&self.committer.reading, 1000)?)
    }
}

#[tokio::test]
async fn what_was_today_is_so_again_when_the_clock_is_set_right() -> anyhow::Result<()> {
    let mut bench = Bench::open()?;
    assert_eq!(bench.commit("2026-11-23T11:00:00Z", 1).await?, (1, 1));
    assert_eq!(bench.commit("2026-11-24T11:00:00Z", 10).await?, (10, 11));
    // Some of it lies in the tables, some waits in the journal.
    bench.spread()?;
    assert_eq!(bench.commit("2026-11-24T12:00:00Z", 100).await?, (110, 111));
    assert_eq!(bench.commit("2031-01-01T00:00:10Z", 1000).await?, (1000, 1000));
    assert_eq!(bench.commit("2026-11-24T12:00:10Z", 10_000).await?, (10_110, 10_111));
    // A day too early, and then that of before.
    assert_eq!(bench.commit("2026-11-23T12:00:00Z", 20_000).await?, (20_001, 30_111));
    assert_eq!(bench.commit("2026-11-24T12:01:00Z", 30_000).await?, (40_110, 60_111));
    assert_eq!(bench.commit("2026-12-01T00:00:10Z", 7).await?, (7, 7));
    Ok(())
}
