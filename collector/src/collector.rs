//! The room put together: open the store, hand out its faces, run the writer.

use std::{sync::Arc, thread};

use duckdb::Connection;
use jiff::tz::TimeZone;
use komandorr_wire::Delivery;
use tokio::{
    runtime::Handle,
    sync::{Notify, mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Config, Live, OpenError, Reader, Registry, Stats,
    batch::Batcher,
    housekeeping::Housekeeper,
    restore::restore,
    store::{self, one_line},
    writer::Writer,
};

/// An opened store with all its faces. [`run`](Self::run) makes it write.
#[derive(Debug)]
pub struct Collector {
    config: Config,
    connection: Connection,
    batcher: Batcher,
    registry: Arc<Registry>,
    live: Arc<Live>,
    stats: Arc<Stats>,
    reader: Reader,
}

impl Collector {
    /// Opens the database, makes or migrates it, and takes up what it holds.
    /// Days and months are cut in `zone`.
    pub fn open(config: Config, zone: TimeZone) -> Result<Self, OpenError> {
        let connection = store::open(&config.path)?;
        let failed = |error: duckdb::Error| OpenError::Failed {
            path: config.path.clone(),
            reason: one_line(&error),
        };
        let registry = Registry::load(connection.try_clone().map_err(failed)?).map_err(failed)?;
        let registry = Arc::new(registry);
        let live = Arc::new(Live::new(Arc::clone(&registry), zone.clone()));
        let batcher = restore(&connection, &live).map_err(failed)?;
        let own = connection.try_clone().map_err(failed)?;
        let reader = Reader::new(own, &registry, zone, config.keep_five_minutes);
        let stats = Arc::default();
        Ok(Self { config, connection, batcher, registry, live, stats, reader })
    }

    /// What is going on now.
    pub fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live)
    }

    /// Services and credentials.
    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry)
    }

    /// What is stored.
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// The pipeline's own figures.
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.stats)
    }

    /// Writes what is delivered, until `stop` or until all senders are gone.
    /// What was delivered before is still stored and settled, unless the store
    /// takes nothing; what is not stored is not settled.
    ///
    /// The writer has a thread of its own, and so has the housekeeping.
    pub async fn run(self, deliveries: mpsc::Receiver<Delivery>, stop: CancellationToken) {
        let committed = Arc::new(Notify::new());
        let done = CancellationToken::new();
        let housekeeper = self.connection.try_clone().map(|connection| Housekeeper {
            connection,
            config: self.config.clone(),
            committed: Arc::clone(&committed),
        });
        let writer = Writer {
            connection: self.connection,
            batcher: self.batcher,
            registry: self.registry,
            live: self.live,
            stats: self.stats,
            committed,
        };
        let until = done.clone();
        let housekeeping = on_thread("housekeeping", async move || match housekeeper {
            Ok(housekeeper) => housekeeper.run(until).await,
            Err(error) => {
                tracing::error!(%error, "no connection for housekeeping: the database will grow");
            }
        });
        on_thread("writer", async move || writer.run(deliveries, stop).await).await;
        done.cancel();
        housekeeping.await;
    }
}

/// Drives a future on a thread of its own: what it does blocks on a disk, and
/// its connection stays on one thread.
fn on_thread(
    name: &'static str,
    work: impl AsyncFnOnce() + Send + 'static,
) -> impl Future<Output = ()> {
    let runtime = Handle::current();
    let (finished, wait) = oneshot::channel::<()>();
    let spawned = thread::Builder::new().name(format!("komandorr-{name}")).spawn(move || {
        runtime.block_on(work());
        finished.send(())
    });
    async move {
        if let Err(error) = spawned {
            tracing::error!(%error, "starting a thread of the collector");
        } else if wait.await.is_err() {
            // Only a panic drops the sender unused.
            tracing::error!(thread = name, "a thread of the collector panicked");
        }
    }
}
