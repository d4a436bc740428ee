//! The room put together: open the store, hand out its faces, run the writer.

use std::{sync::Arc, thread};

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
    journal::{Journal, Spreader, spread_all},
    read::{KeptMinutes, Past},
    restore::restore,
    store::{Database, explain, one_line},
    writer::{Committer, Writer},
};

/// An opened store with all its faces. [`run`](Self::run) makes it write.
#[derive(Debug)]
pub struct Collector {
    config: Config,
    database: Arc<Database>,
    batcher: Batcher,
    journal: Arc<Journal>,
    past: Arc<Past>,
    registry: Arc<Registry>,
    live: Arc<Live>,
    stats: Arc<Stats>,
    reader: Reader,
    minutes: KeptMinutes,
}

impl Collector {
    /// Opens the database, makes or migrates it, and takes up what it holds.
    /// Days and months are cut in `zone`.
    pub fn open(config: Config, zone: TimeZone) -> Result<Self, OpenError> {
        let database = Database::open(&config.path)?;
        let failed = |error: duckdb::Error| explain(&config.path, &error);
        spread_all(&database.lane(), config.keep()).map_err(|error| OpenError::Journal {
            path: config.path.clone(),
            reason: one_line(&error),
        })?;
        let past: Arc<Past> = Arc::default();
        let registry = Registry::load(database.lane(), Arc::clone(&past)).map_err(failed)?;
        let registry = Arc::new(registry);
        let live = Arc::new(Live::new(Arc::clone(&registry), zone));
        let take_up = |connection: &duckdb::Connection| {
            let minutes = KeptMinutes::load(connection, config.keep_five_minutes)?;
            Ok((minutes, restore(connection, &live, minutes)?))
        };
        let (minutes, batcher) = database.lane().with(take_up).map_err(failed)?;
        let journal: Arc<Journal> = Arc::default();
        let kept = (minutes, config.hours_kept());
        let reader = Reader::new(&database, &journal, &past, &registry, &live, kept);
        let stats = Arc::new(Stats::new(Arc::clone(&journal)));
        Ok(Self {
            config,
            database,
            batcher,
            journal,
            past,
            registry,
            live,
            stats,
            reader,
            minutes,
        })
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
    /// The two halves of the writer have a thread each, and so have who spreads
    /// the journal and the housekeeping.
    pub async fn run(self, deliveries: mpsc::Receiver<Delivery>, stop: CancellationToken) {
        let keep = self.config.keep();
        let notice = Arc::new(Notify::new());
        let lane = self.database.lane();
        let housekeeper = Housekeeper::new(lane, self.config, self.past, Arc::clone(&notice));
        let (filled, to_commit) = mpsc::channel(1);
        let (free, freed) = mpsc::channel(1);
        let spreader = Spreader {
            lane: self.database.lane(),
            log: self.database.log(),
            journal: Arc::clone(&self.journal),
            keep,
            spread: notice,
        };
        let committer = Committer {
            lane: self.database.writing_lane(),
            live: self.live,
            stats: Arc::clone(&self.stats),
            keep,
            journal: self.journal,
            reading: self.database.lane(),
            minutes: self.minutes,
        };
        let writer = Writer {
            lane: self.database.lane(),
            batcher: self.batcher,
            registry: self.registry,
            stats: self.stats,
            filled,
            freed,
        };
        let (writing_over, spreading_over) = (CancellationToken::new(), CancellationToken::new());
        let until = spreading_over.clone();
        let housekeeping = on_thread("housekeeping", async move || housekeeper.run(until).await);
        let until = writing_over.clone();
        let spreading = on_thread("spreader", async move || spreader.run(until).await);
        let told = stop.clone();
        let committing =
            on_thread("committer", async move || committer.run(to_commit, free, told).await);
        on_thread("writer", async move || writer.run(deliveries, stop).await).await;
        committing.await;
        writing_over.cancel();
        spreading.await;
        spreading_over.cancel();
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
        let _told = TellOfPanic(name);
        runtime.block_on(work());
        finished.send(())
    });
    async move {
        if let Err(error) = spawned {
            tracing::error!(%error, "starting a thread of the collector");
        } else {
            // A panic drops the sender unused, and has been told of.
            drop(wait.await);
        }
    }
}

/// Says that a thread has panicked when that happens: some are waited for only at the
/// stop.
struct TellOfPanic(&'static str);

impl Drop for TellOfPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            tracing::error!(thread = self.0, "a thread of the collector panicked");
        }
    }
}
