//! The composition: listeners, store, broker, site, and their end in order.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use komandorr_broker::Tls;
use komandorr_collector::{Collector, Registry, Stats};
use komandorr_web::{Access, App, Part, Readiness, TlsDoor};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    task::{JoinSet, spawn_blocking},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    credentials,
    home_assistant::Announcer,
    listen::bind,
    settings::Settings,
    signals::Signals,
    source::{Mqtt, Source},
    tls_door::SiteTls,
};

/// Reads of connections that may wait for the writer; their bytes are bounded
/// by the broker.
const WAITING_DELIVERIES: usize = 4096;
/// A stop takes no longer, whatever a client or the disk does: 5 s are
/// promised, and the process has to end as well.
const STOP_WITHIN: Duration = Duration::from_millis(4500);

/// The bound listeners.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(crate) http: TcpListener,
    /// The certificate of the site's port, where it speaks TLS.
    pub(crate) http_tls: Option<Tls>,
    pub(crate) mqtt: Mqtt,
}

impl Listeners {
    async fn bind(settings: &Settings) -> anyhow::Result<Self> {
        let http_tls = settings.site_tls()?;
        let http = bind(settings.http.listen, "http.listen").await?;
        Ok(Self { http, http_tls, mqtt: Mqtt::bind(settings).await? })
    }
}

/// Runs the server until a signal.
pub(crate) async fn serve(settings: Settings) -> anyhow::Result<()> {
    let manager = komandorr_agent::Notify::from_environment();
    until_signalled(async |stop| {
        let listeners = Listeners::bind(&settings).await?;
        let starting = Server::start(&settings, listeners);
        let Some(server) = stop.run_until_cancelled(starting).await else { return Ok(()) };
        let server = server?;
        let scheme = if settings.site_certificate().is_some() { "https" } else { "http" };
        tracing::info!("the site is at {scheme}://{}", server.http);
        manager.ready();
        server.run(stop).await
    })
    .await
}

/// Runs a program until a signal stops it in order, or a second one at once.
pub(crate) async fn until_signalled(
    program: impl AsyncFnOnce(CancellationToken) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    // Before the program: what comes while it starts would end it out of order.
    let signals = Signals::new().context("cannot listen for signals")?;
    tokio::select! {
        biased;
        () = signals.watch(stop.clone()) => {
            anyhow::bail!("stopped at once by a second signal");
        }
        ended = program(stop.clone()) => ended,
    }
}

/// What runs, each under its name.
pub(crate) type Roles = JoinSet<(&'static str, anyhow::Result<()>)>;

/// Everything of a server, started.
pub(crate) struct Server {
    /// Where the site is.
    pub(crate) http: SocketAddr,
    registry: Arc<Registry>,
    source: Source,
    roles: Roles,
    stops: Stops,
}

/// One after the other: no request, no sample, no connection any more.
#[derive(Debug, Default)]
struct Stops {
    site: CancellationToken,
    collector: CancellationToken,
    source: CancellationToken,
}

impl Server {
    /// Starts all roles on bound listeners.
    pub(crate) async fn start(settings: &Settings, listeners: Listeners) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let http = listeners.http.local_addr()?;
        let collector = open(settings).await?;
        let (registry, stats) = (collector.registry(), collector.stats());
        credentials::prepare(settings, &registry)?;
        let (deliveries, delivered) = mpsc::channel(WAITING_DELIVERIES);
        let (stops, mut roles) = (Stops::default(), JoinSet::new());
        let stop = stops.source.clone();
        let source =
            Source::start(settings, listeners.mqtt, &registry, deliveries, stop, &mut roles)?;
        let app = App {
            reader: collector.reader(),
            live: collector.live(),
            registry: Arc::clone(&registry),
            stats: Arc::clone(&stats),
            zone: settings.zone()?,
            access: Access { trusted: settings.trusts(http) },
            metrics: settings.metrics.clone(),
            ready: readiness(&source, &stats, &stops.collector),
            publish: Arc::new(source.clone()),
            mqtt: source.door(settings),
            tls: listeners.http_tls.clone().map(|tls| Arc::new(SiteTls(tls)) as Arc<dyn TlsDoor>),
            figures: {
                let source = source.clone();
                Arc::new(move || source.figures())
            },
            agent_doors: source.agent_doors(),
        };
        if let Some(tls) = listeners.http_tls {
            let stop = stops.site.clone();
            roles.spawn(role("certificate", async move {
                stop.run_until_cancelled(tls.follow_files()).await;
                Ok(())
            }));
        }
        if let Some(announcer) = Announcer::new(&settings.home_assistant, &app, &source) {
            let stop = stops.site.clone();
            roles.spawn(role("Home Assistant", async move {
                announcer.run(stop).await;
                Ok(())
            }));
        }
        let (credentials, stop) = (Arc::clone(&registry), stops.site.clone());
        roles.spawn(role("credentials", async move {
            credentials.watch_expiry(stop).await;
            Ok(())
        }));
        let stop = stops.collector.clone();
        roles.spawn(role("collector", async move {
            collector.run(delivered, stop).await;
            Ok(())
        }));
        let (config, stop) = (settings.http.clone(), stops.site.clone());
        roles.spawn(role("site", async move {
            komandorr_web::run(config, listeners.http, app, stop).await.context("the site failed")
        }));
        tracing::info!(database = %settings.storage.path.display(), mqtt = source.place(), took = ?begun.elapsed(), "ready");
        Ok(Self { http, registry, source, roles, stops })
    }

    /// The registered services.
    pub(crate) fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry)
    }

    /// Runs until `stop`, or until a role ends, which takes the others along.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let ended = tokio::select! {
            () = stop.cancelled() => Ok(()),
            Some(ended) = self.roles.join_next() => unexpected(ended),
        };
        if timeout(STOP_WITHIN, self.stop()).await.is_err() {
            tracing::warn!(
                "not everything stopped in time; what was not acknowledged will come again"
            );
        }
        ended
    }

    /// First the site, then the intake with its last commit and its last
    /// acknowledgements, then the connections.
    async fn stop(&mut self) {
        self.stops.site.cancel();
        self.wait_for("site").await;
        self.source.drain();
        self.stops.collector.cancel();
        self.wait_for("collector").await;
        self.stops.source.cancel();
        self.source.closed().await;
        while self.roles.join_next().await.is_some() {}
    }

    /// Waits for one role, noting the others that end meanwhile.
    async fn wait_for(&mut self, name: &str) {
        while let Some(ended) = self.roles.join_next().await {
            match ended {
                Ok((ended, _)) if ended == name => return,
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "a role ended badly"),
            }
        }
    }
}

/// Opens the store, which may take long: beside it a signal is heeded.
async fn open(settings: &Settings) -> anyhow::Result<Collector> {
    let (storage, zone) = (settings.storage.clone(), settings.zone()?);
    let opened = spawn_blocking(move || Collector::open(storage, zone)).await;
    Ok(opened.context("opening the database")??)
}

/// A role with its name.
pub(crate) async fn role(
    name: &'static str,
    work: impl Future<Output = anyhow::Result<()>>,
) -> (&'static str, anyhow::Result<()>) {
    (name, work.await)
}

/// No role ends by itself while all is well.
fn unexpected(
    ended: Result<(&'static str, anyhow::Result<()>), tokio::task::JoinError>,
) -> anyhow::Result<()> {
    let (name, result) = ended.context("a role of the server panicked")?;
    result?;
    anyhow::bail!("the {name} ended by itself")
}

/// Whether broker, collector and store answer.
fn readiness(
    source: &Source,
    stats: &Arc<Stats>,
    stopped: &CancellationToken,
) -> Arc<dyn Fn() -> Readiness + Send + Sync> {
    let (source, stats, stopped) = (source.clone(), Arc::clone(stats), stopped.clone());
    Arc::new(move || {
        let stopping = stopped.is_cancelled().then(|| "it is stopping".to_owned());
        let part = |name, problem| Part { name, problem };
        Readiness {
            parts: vec![
                part("broker", source.problem()),
                part("collector", stopping),
                part("store", stats.problem()),
            ],
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_signal_is_heeded_from_the_beginning() -> anyhow::Result<()> {
        until_signalled(async |stop| {
            // Before anything is waited for.
            let own = std::process::id().to_string();
            std::process::Command::new("kill").args(["-TERM", &own]).status()?;
            stop.cancelled().await;
            Ok(())
        })
        .await
    }
}
