//! A real collector on a real DuckDB file, fed as the broker feeds it.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use jiff::{Timestamp, tz::TimeZone};
use komandorr_collector::{Collector, Config, Live, Reader, Registry, Stats};
use komandorr_wire::{AgentSeq, Delivery, Message, Outcome, Sample, ServiceId, Settle, encode};
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// A collector that runs.
pub(crate) struct Running {
    pub(crate) live: Arc<Live>,
    pub(crate) reader: Reader,
    pub(crate) registry: Arc<Registry>,
    pub(crate) stats: Arc<Stats>,
    sender: mpsc::Sender<Delivery>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Settles into a channel that the test awaits.
struct Answer(Mutex<Option<oneshot::Sender<Vec<Outcome>>>>);

impl Settle for Answer {
    fn settle(&self, outcomes: &[Outcome]) {
        if let Some(sender) = self.0.lock().take() {
            drop(sender.send(outcomes.to_vec()));
        }
    }
}

pub(crate) fn config(folder: &Path) -> Config {
    Config { path: folder.join("data/test.duckdb"), ..Config::default() }
}

impl Running {
    pub(crate) fn start(config: Config, zone: &str) -> anyhow::Result<Self> {
        let collector = Collector::open(config, TimeZone::get(zone)?)?;
        let (live, reader) = (collector.live(), collector.reader());
        let (registry, stats) = (collector.registry(), collector.stats());
        let (sender, deliveries) = mpsc::channel(64);
        let stop = CancellationToken::new();
        #[allow(clippy::disallowed_methods, reason = "joined in `stop`")]
        let task = tokio::spawn(collector.run(deliveries, stop.clone()));
        Ok(Self { live, reader, registry, stats, sender, stop, task })
    }

    /// Delivers payloads as one connection would; the outcomes, or `None` when
    /// they were dropped unsettled.
    pub(crate) async fn deliver(
        &self,
        service: &str,
        payloads: Vec<Vec<u8>>,
    ) -> Option<Vec<Outcome>> {
        self.begin(service, payloads).await?.await.ok()
    }

    /// The same for payloads of several services.
    pub(crate) async fn deliver_of(
        &self,
        payloads: Vec<(String, Vec<u8>)>,
    ) -> Option<Vec<Outcome>> {
        self.begin_of(payloads).await?.await.ok()
    }

    /// Delivers without waiting: the outcomes come later.
    pub(crate) async fn begin(
        &self,
        service: &str,
        payloads: Vec<Vec<u8>>,
    ) -> Option<oneshot::Receiver<Vec<Outcome>>> {
        self.begin_of(payloads.into_iter().map(|payload| (service.to_owned(), payload)).collect())
            .await
    }

    async fn begin_of(
        &self,
        payloads: Vec<(String, Vec<u8>)>,
    ) -> Option<oneshot::Receiver<Vec<Outcome>>> {
        self.begin_at(Timestamp::now(), payloads).await
    }

    /// Delivers what had arrived at an instant.
    pub(crate) async fn begin_at(
        &self,
        arrived: Timestamp,
        payloads: Vec<(String, Vec<u8>)>,
    ) -> Option<oneshot::Receiver<Vec<Outcome>>> {
        let arrived_ms = arrived.as_millisecond();
        let message = |(service, payload): (String, Vec<u8>)| {
            let service = ServiceId::new(&service).ok()?;
            Some(Message { service, payload: Bytes::from(payload), arrived_ms })
        };
        let (sender, answer) = oneshot::channel();
        let delivery = Delivery {
            messages: payloads.into_iter().map(message).collect::<Option<_>>()?,
            settle: Arc::new(Answer(Mutex::new(Some(sender)))),
        };
        self.sender.send(delivery).await.ok()?;
        Some(answer)
    }

    /// Delivers samples in arrays as large as a payload may be; all are stored.
    pub(crate) async fn store(&self, service: &str, samples: &[Sample]) -> anyhow::Result<()> {
        for part in samples.chunks(1000) {
            let outcomes = self.deliver(service, vec![encode(part)]).await;
            anyhow::ensure!(outcomes == Some(vec![Outcome::Stored]), "{outcomes:?}");
        }
        Ok(())
    }

    /// Stops as the server does; everything delivered is stored then.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        Ok(self.task.await?)
    }
}

/// A numbered sample that ended at an instant.
pub(crate) fn sample(
    agent: &str,
    seq: u64,
    ended_ms: i64,
    interval_ms: u64,
    up: u64,
    down: u64,
) -> Sample {
    Sample {
        up,
        down,
        interval_ms,
        ended_ms: Some(ended_ms),
        agent: Some(AgentSeq { agent: agent.into(), seq: Some(seq) }),
        ..Sample::default()
    }
}
