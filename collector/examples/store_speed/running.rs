//! A collector fed as a broker feeds it.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use bytes::Bytes;
use jiff::{Timestamp, tz::TimeZone};
use komandorr_collector::{Collector, Config, Reader, Registry, Stats};
use komandorr_wire::{AgentSeq, Delivery, Message, Outcome, Sample, ServiceId, Settle, encode};
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

pub(crate) struct Running {
    pub(crate) reader: Reader,
    pub(crate) registry: Arc<Registry>,
    pub(crate) stats: Arc<Stats>,
    sender: mpsc::Sender<Delivery>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

struct Answer(Mutex<Option<oneshot::Sender<bool>>>);

impl Settle for Answer {
    fn settle(&self, outcomes: &[Outcome]) {
        if let Some(sender) = self.0.lock().take() {
            let stored = outcomes.iter().all(|outcome| *outcome == Outcome::Stored);
            if sender.send(stored).is_err() {
                println!("nobody waits for an answer any more");
            }
        }
    }
}

impl Running {
    pub(crate) fn open(database: &Path) -> anyhow::Result<Self> {
        let config = Config { path: database.to_owned(), ..Config::default() };
        let collector = Collector::open(config, TimeZone::get("Europe/Berlin")?)?;
        let (reader, registry) = (collector.reader(), collector.registry());
        let stats = collector.stats();
        let (sender, deliveries) = mpsc::channel(4096);
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(collector.run(deliveries, stop.clone()));
        Ok(Self { reader, registry, stats, sender, stop, tasks })
    }

    /// Hands payloads over; the answer comes when they are stored.
    pub(crate) async fn send(
        &self,
        service: &ServiceId,
        payloads: Vec<Vec<u8>>,
    ) -> anyhow::Result<oneshot::Receiver<bool>> {
        let arrived_ms = Timestamp::now().as_millisecond();
        let message = |payload: Vec<u8>| Message {
            service: service.clone(),
            payload: Bytes::from(payload),
            arrived_ms,
        };
        let (sender, answer) = oneshot::channel();
        let settle = Arc::new(Answer(Mutex::new(Some(sender))));
        let messages = payloads.into_iter().map(message).collect();
        self.sender.send(Delivery { messages, settle }).await.ok().context("it has stopped")?;
        Ok(answer)
    }

    /// Hands one payload over and waits until it is stored; how long its commit
    /// took.
    pub(crate) async fn commit(
        &self,
        service: &ServiceId,
        payload: Vec<u8>,
    ) -> anyhow::Result<Duration> {
        let before = self.stats.snapshot();
        let stored = self.send(service, vec![payload]).await?.await?;
        ensure!(stored, "it was refused");
        let after = self.stats.snapshot();
        ensure!(after.commits == before.commits + 1, "more than one commit");
        Ok(after.commit_time.saturating_sub(before.commit_time))
    }

    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// An array of samples with consecutive numbers, each `interval_ms` long, the
/// last of which ends at an instant.
pub(crate) fn payload(
    agent: &str,
    numbers: std::ops::Range<u64>,
    interval_ms: u64,
    last_ms: i64,
) -> Vec<u8> {
    encode(&samples(agent, numbers, interval_ms, last_ms))
}

/// The samples of such an array.
pub(crate) fn samples(
    agent: &str,
    numbers: std::ops::Range<u64>,
    interval_ms: u64,
    last_ms: i64,
) -> Vec<Sample> {
    let last = numbers.end - 1;
    let one = |n: u64| Sample {
        up: (mixed(agent, n) >> 20) % 1_000_000,
        down: (mixed(agent, n) >> 7) % 3_000_000,
        interval_ms,
        ended_ms: Some(last_ms - i64::try_from((last - n) * interval_ms).unwrap_or_default()),
        agent: Some(AgentSeq { agent: agent.into(), seq: Some(n) }),
        ..Sample::default()
    };
    numbers.map(one).collect()
}

/// A number without any pattern: what one agent counts says nothing of what another
/// does.
pub(crate) fn mixed(agent: &str, n: u64) -> u64 {
    let own = agent.bytes().fold(0_u64, |own, byte| own.wrapping_mul(31) + u64::from(byte));
    (n ^ own.wrapping_mul(0x9e37_79b9)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Half of them are shorter, 99 of 100, and the longest.
pub(crate) fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let rank = |percent: usize| {
        let at = (times.len() * percent).div_ceil(100).saturating_sub(1);
        times.get(at).copied().unwrap_or_default()
    };
    format!(
        "median {:.1?}, 95 % {:.1?}, 99 % {:.1?}, longest {:.1?} of {}",
        rank(50),
        rank(95),
        rank(99),
        rank(100),
        times.len()
    )
}
