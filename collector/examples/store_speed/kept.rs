//! What a sample takes on disk: the last thousand of a thousand services, stored
//! through the writer as one agent of each would send them.

use std::path::Path;

use anyhow::ensure;
use duckdb::Connection;
use jiff::Timestamp;
use komandorr_wire::{Sample, ServiceId, encode};

use crate::{
    fill::size,
    running::{Running, mixed, samples},
};

const SERVICES: u64 = 1000;
const SAMPLES: u64 = 1000;
/// Samples of a payload: services take turns, as they do when they live.
const ARRAY: u64 = 10;
const INTERVAL_MS: u64 = 5000;

pub(crate) async fn measure(folder: &Path) -> anyhow::Result<()> {
    println!("two numbers of bytes in each:");
    stored(&folder.join("bytes.duckdb"), |_| {}).await?;
    println!("with all that our agent tells:");
    stored(&folder.join("all.duckdb"), complete).await
}

/// Adds what our agent tells beside bytes.
fn complete(sample: &mut Sample) {
    let Some(id) = &sample.agent else { return };
    let (own, now) = (mixed(&id.agent, 0), mixed(&id.agent, id.seq.unwrap_or_default()));
    #[allow(clippy::cast_precision_loss, reason = "a percentage")]
    let share = |number: u64, of: f32| (number % 10_000) as f32 / 10_000.0 * of;
    sample.capacity = Some(if own % 4 == 0 { 1_250_000_000 } else { 125_000_000 });
    sample.cpu_percent = Some(share(own >> 8, 60.0) + share(now >> 8, 20.0));
    sample.memory_percent = Some(share(own >> 24, 90.0) + share(now >> 24, 1.0));
    let total = own % (1 << 40) + id.seq.unwrap_or_default() * 500_000;
    (sample.up_total, sample.down_total) = (Some(total), Some(3 * total));
}

async fn stored(database: &Path, add: impl Fn(&mut Sample)) -> anyhow::Result<()> {
    let running = Running::open(database)?;
    let ago = |samples: u64| i64::try_from(samples * INTERVAL_MS).unwrap_or_default();
    let begin_ms = Timestamp::now().as_millisecond() - ago(SAMPLES);
    for first in (1..=SAMPLES).step_by(usize::try_from(ARRAY)?) {
        let mut answers = Vec::new();
        for service in 0..SERVICES {
            let id = ServiceId::new(&format!("host-{service}"))?;
            // Their clocks do not tick together.
            let last_ms = begin_ms + ago(first + ARRAY) + i64::try_from(service * 5)?;
            // Nor did they begin to count together.
            let number = first + service * 977;
            let mut samples = samples(id.as_str(), number..number + ARRAY, INTERVAL_MS, last_ms);
            samples.iter_mut().for_each(&add);
            answers.push(running.send(&id, vec![encode(&samples)]).await?);
        }
        for answer in answers {
            ensure!(answer.await?, "refused");
        }
    }
    running.stop().await;
    let connection = Connection::open(database)?;
    connection.execute_batch("CHECKPOINT")?;
    for table in ["sample", "five_minute_volume", "hour_volume"] {
        size(&connection, table, database)?;
    }
    Ok(())
}
