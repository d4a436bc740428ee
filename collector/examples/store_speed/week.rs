//! Fifty services at a second over a simulated week: what the file has in the
//! end, and what of it is kept data.

use std::path::Path;

use anyhow::ensure;
use jiff::Timestamp;
use komandorr_wire::ServiceId;
use tokio::time::Instant;

use crate::running::{Running, payload};

const SERVICES: u64 = 50;
const WEEK: u64 = 7 * 24 * 3600;
const ARRAY: u64 = 600;

pub(crate) async fn measure(database: &Path) -> anyhow::Result<()> {
    let running = Running::open(database)?;
    let begin_ms = Timestamp::now().as_millisecond() - i64::try_from(WEEK * 1000)?;
    let (begun, mut largest, mut largest_log) = (Instant::now(), 0, 0);
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    let log = database.with_extension("duckdb.wal");
    for first in (1..=WEEK).step_by(usize::try_from(ARRAY)?) {
        let mut answers = Vec::new();
        for service in 0..SERVICES {
            let id = ServiceId::new(&format!("service-{service}"))?;
            let last_ms = begin_ms + i64::try_from((first + ARRAY) * 1000)?;
            let payload = payload(id.as_str(), first..first + ARRAY, 1000, last_ms);
            answers.push(running.send(&id, vec![payload]).await?);
        }
        for answer in answers {
            ensure!(answer.await?, "refused");
        }
        largest = largest.max(size(database));
        largest_log = largest_log.max(size(&log));
    }
    println!("{} samples in {:.1?}", SERVICES * WEEK, begun.elapsed());
    running.stop().await;
    let ended = size(database);
    // A copy holds what is kept and nothing else.
    let running = Running::open(database)?;
    let live = running.reader.backup().await?.length();
    running.stop().await;
    println!("largest file {largest} bytes, largest log {largest_log} bytes");
    println!("file at the end {ended} bytes, kept data {live} bytes");
    Ok(())
}
