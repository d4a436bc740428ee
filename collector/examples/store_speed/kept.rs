//! What a sample takes on disk: the last thousand of a thousand services, stored
//! through the writer as one agent of each would send them.

use std::path::Path;

use anyhow::ensure;
use duckdb::Connection;
use jiff::Timestamp;
use komandorr_wire::ServiceId;

use crate::{
    fill::size,
    running::{Running, payload},
};

const SERVICES: u64 = 1000;
const SAMPLES: u64 = 1000;
/// Samples of a payload: services take turns, as they do when they live.
const ARRAY: u64 = 10;
const INTERVAL_MS: u64 = 5000;

pub(crate) async fn measure(database: &Path) -> anyhow::Result<()> {
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
            let payload = payload(id.as_str(), number..number + ARRAY, INTERVAL_MS, last_ms);
            answers.push(running.send(&id, vec![payload]).await?);
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
