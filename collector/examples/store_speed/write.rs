//! The writer alone: everything that a sample goes through from its payload to
//! the acknowledgement.

use std::{collections::VecDeque, path::Path, time::Duration};

use anyhow::ensure;
use jiff::Timestamp;
use komandorr_wire::ServiceId;
use tokio::time::{Instant, sleep};

use crate::running::{Running, payload, spread};

const SERVICES: u64 = 50;
/// Samples of a payload, and payloads of a delivery.
const ARRAY: u64 = 1000;
const ARRAYS: u64 = 20;
/// Deliveries that are under way.
const WINDOW: usize = 8;
const DELIVERIES: u64 = 500;

pub(crate) async fn measure(database: &Path) -> anyhow::Result<()> {
    let running = Running::open(database)?;
    let services: Vec<ServiceId> =
        (0..SERVICES).map(|n| ServiceId::new(&format!("service-{n}"))).collect::<Result<_, _>>()?;
    flat_out(&running, &services).await?;
    small_commits(&running, &services).await?;
    running.stop().await;
    Ok(())
}

async fn flat_out(running: &Running, services: &[ServiceId]) -> anyhow::Result<()> {
    // Made before, so that only storing is measured.
    let begin_ms = Timestamp::now().as_millisecond() - 40_000_000;
    let run = rand::random::<u64>();
    let mut made = Vec::new();
    for (delivery, service) in (0..DELIVERIES).zip(services.iter().cycle()) {
        let round = delivery / SERVICES;
        let agent = format!("{service}-{run:x}");
        let array = |at: u64| {
            let first = (round * ARRAYS + at) * ARRAY + 1;
            let last_ms = begin_ms + 100 * i64::try_from(first + ARRAY).unwrap_or_default();
            payload(&agent, first..first + ARRAY, 100, last_ms)
        };
        made.push((service, (0..ARRAYS).map(array).collect::<Vec<_>>()));
    }
    let begun = Instant::now();
    let (mut waiting, mut stalls) = (VecDeque::new(), Vec::new());
    let mut stored = Instant::now();
    for (service, payloads) in made {
        waiting.push_back(running.send(service, payloads).await?);
        if waiting.len() == WINDOW
            && let Some(answer) = waiting.pop_front()
        {
            ensure!(answer.await?, "refused");
            stalls.push(stored.elapsed());
            stored = Instant::now();
        }
    }
    for answer in waiting {
        ensure!(answer.await?, "refused");
    }
    let took = begun.elapsed();
    let samples = DELIVERIES * ARRAYS * ARRAY;
    #[allow(clippy::cast_precision_loss, reason = "a rate")]
    let rate = samples as f64 / took.as_secs_f64();
    let figures = running.stats.snapshot();
    println!("{samples} samples in arrays of {ARRAY}: {took:.1?}, {rate:.0} samples/s");
    println!("  commits: {}, time in them {:.1?}", figures.commits, figures.commit_time);
    println!(
        "  from one acknowledged delivery of {} to the next: {}",
        ARRAY * ARRAYS,
        spread(stalls)
    );
    Ok(())
}

async fn small_commits(running: &Running, services: &[ServiceId]) -> anyhow::Result<()> {
    for size in [100, 1000] {
        let run = rand::random::<u64>();
        let mut times = Vec::new();
        for round in 0..2000_u64 {
            let service = services.get(usize::try_from(round % SERVICES)?);
            let Some(service) = service else { continue };
            let first = round / SERVICES * size + 1;
            let agent = format!("{service}-{run:x}");
            let now = Timestamp::now().as_millisecond();
            let payload = payload(&agent, first..first + size, 1000, now);
            times.push(running.commit(service, payload).await?);
            // Longer than the writer lingers: each is a commit of its own.
            sleep(Duration::from_millis(5)).await;
        }
        println!("commits of {size} samples: {}", spread(times));
    }
    Ok(())
}
