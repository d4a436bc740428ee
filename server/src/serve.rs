//! The composition: listeners, store, broker, site, and their end in order.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use komandorr_broker::{Broker, Door, Tls, Transport};
use komandorr_collector::{Collector, Registry, Stats};
use komandorr_web::{App, Part, Readiness};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    access::RegistryGate, listen::bind, mqtt_door::WebSocketDoor, settings::Settings, signals,
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
    pub(crate) mqtt: TcpListener,
    pub(crate) mqtts: Option<(TcpListener, Tls)>,
}

impl Listeners {
    async fn bind(settings: &Settings) -> anyhow::Result<Self> {
        let mqtts = match settings.tls()? {
            None => None,
            Some((address, tls)) => Some((bind(address, "mqtt.tls_listen").await?, tls)),
        };
        Ok(Self {
            http: bind(settings.http.listen, "http.listen").await?,
            mqtt: bind(settings.mqtt.listen, "mqtt.listen").await?,
            mqtts,
        })
    }
}

/// Runs the server until a signal.
pub(crate) async fn serve(settings: Settings) -> anyhow::Result<()> {
    until_signalled(async |stop| {
        let listeners = Listeners::bind(&settings).await?;
        let server = Server::start(&settings, listeners)?;
        tracing::info!("the site is at http://{}", server.http);
        server.run(stop).await
    })
    .await
}

/// Runs a program until a signal stops it in order, or a second one at once.
pub(crate) async fn until_signalled(
    program: impl AsyncFnOnce(CancellationToken) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    tokio::select! {
        ended = program(stop.clone()) => ended,
        signalled = signals::watch(stop.clone()) => {
            signalled.context("cannot listen for signals")?;
            anyhow::bail!("stopped at once by a second signal");
        }
    }
}

/// Everything of a server, started.
pub(crate) struct Server {
    /// Where the site is.
    pub(crate) http: SocketAddr,
    /// Where the broker is.
    pub(crate) mqtt: SocketAddr,
    registry: Arc<Registry>,
    broker: Broker,
    roles: JoinSet<(&'static str, anyhow::Result<()>)>,
    stops: Stops,
}

/// One after the other: no request, no sample, no connection any more.
#[derive(Debug, Default)]
struct Stops {
    site: CancellationToken,
    collector: CancellationToken,
    broker: CancellationToken,
}

impl Server {
    /// Starts all roles on bound listeners.
    pub(crate) fn start(settings: &Settings, listeners: Listeners) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let (http, mqtt) = (listeners.http.local_addr()?, listeners.mqtt.local_addr()?);
        let collector = Collector::open(settings.storage.clone(), settings.zone()?)?;
        let (registry, stats) = (collector.registry(), collector.stats());
        let (deliveries, delivered) = mpsc::channel(WAITING_DELIVERIES);
        let stops = Stops::default();
        let broker = Broker::start(
            settings.limits.clone(),
            Arc::new(RegistryGate(Arc::clone(&registry))),
            deliveries,
            stops.broker.clone(),
        )?;
        let app = App {
            reader: collector.reader(),
            live: collector.live(),
            registry: Arc::clone(&registry),
            stats: Arc::clone(&stats),
            zone: settings.zone()?,
            ready: readiness(&broker, &stats, &stops.collector),
            mqtt: Some(Arc::new(WebSocketDoor {
                broker: broker.clone(),
                trusted: settings.trusts(http),
            })),
            agent_url: format!("mqtt://{mqtt}"),
        };
        let mut roles = JoinSet::new();
        let door = |address| Door { transport: Transport::Tcp, trusted: settings.trusts(address) };
        let (tcp, door_tcp) = (broker.clone(), door(mqtt));
        roles.spawn(role("broker", async move {
            tcp.serve_tcp(listeners.mqtt, door_tcp).await;
            Ok(())
        }));
        if let Some((listener, tls)) = listeners.mqtts {
            let (broker, door) = (broker.clone(), door(listener.local_addr()?));
            roles.spawn(role("TLS listener", async move {
                broker.serve_tls(listener, door, tls).await;
                Ok(())
            }));
        }
        let stop = stops.collector.clone();
        roles.spawn(role("collector", async move {
            collector.run(delivered, stop).await;
            Ok(())
        }));
        let (config, stop) = (settings.http.clone(), stops.site.clone());
        roles.spawn(role("site", async move {
            komandorr_web::run(config, listeners.http, app, stop).await.context("the site failed")
        }));
        tracing::info!(database = %settings.storage.path.display(), %mqtt, took = ?begun.elapsed(), "ready");
        Ok(Self { http, mqtt, registry, broker, roles, stops })
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
        self.broker.drain();
        self.stops.collector.cancel();
        self.wait_for("collector").await;
        self.stops.broker.cancel();
        self.broker.closed().await;
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

async fn role(
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
    broker: &Broker,
    stats: &Arc<Stats>,
    stopped: &CancellationToken,
) -> Arc<dyn Fn() -> Readiness + Send + Sync> {
    let (broker, stats, stopped) = (broker.clone(), Arc::clone(stats), stopped.clone());
    Arc::new(move || {
        let problem = |bad: bool, text: &str| bad.then(|| text.to_owned());
        let part = |name, problem| Part { name, problem };
        Readiness {
            parts: vec![
                part("broker", problem(!broker.is_healthy(), "it does not pass messages on")),
                part("collector", problem(stopped.is_cancelled(), "it is stopping")),
                part("store", stats.failure().map(|failure| failure.reason)),
            ],
        }
    })
}
