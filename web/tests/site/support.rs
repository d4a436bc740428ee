//! The site on a stage: a real collector over a database in a temporary
//! folder, fed with real deliveries, and the real server on a free port.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use jiff::tz::TimeZone;
use komandorr_collector::{Collector, Registry};
use komandorr_web::{
    Access, AgentDoors, App, Config, MetricsConfig, Part, Published, Publisher, Readiness,
};
use komandorr_wire::{AgentSeq, Delivery, Interface, Message, Outcome, Sample, ServiceId, Settle};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// How long anything that must happen may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running site.
pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    pub(crate) registry: Arc<Registry>,
    pub(crate) stop: CancellationToken,
    deliveries: mpsc::Sender<Delivery>,
    tasks: JoinSet<()>,
    /// Last, so that it outlives the database in it.
    folder: tempfile::TempDir,
}

/// Tells the publisher what became of its delivery.
struct Told(parking_lot::Mutex<Option<oneshot::Sender<Vec<Outcome>>>>);

impl Settle for Told {
    fn settle(&self, outcomes: &[Outcome]) {
        if let Some(told) = self.0.lock().take() {
            // A test that does not wait for it is free to go.
            drop(told.send(outcomes.to_vec()));
        }
    }
}

/// Publishes into the collector as the broker does.
struct Straight(mpsc::Sender<Delivery>);

impl Publisher for Straight {
    fn publish(
        &self,
        service: ServiceId,
        payload: bytes::Bytes,
    ) -> std::pin::Pin<Box<dyn Future<Output = Published> + Send>> {
        let deliveries = self.0.clone();
        Box::pin(async move {
            match deliver(&deliveries, service, payload).await {
                Ok(outcomes) if outcomes == [Outcome::Stored] => Published::Stored,
                Ok(refused) => Published::Refused(format!("{refused:?}")),
                Err(error) => Published::Unavailable(error.to_string()),
            }
        })
    }

    fn may_repeat(&self) -> bool {
        false
    }
}

/// Delivers one payload and waits for what becomes of it.
async fn deliver(
    deliveries: &mpsc::Sender<Delivery>,
    service: ServiceId,
    payload: bytes::Bytes,
) -> Result<Vec<Outcome>> {
    let (told, outcome) = oneshot::channel();
    let settle = Arc::new(Told(parking_lot::Mutex::new(Some(told))));
    let message = Message { service, payload, arrived_ms: now_ms() };
    deliveries.send(Delivery { messages: vec![message], settle }).await?;
    outcome.await.context("the delivery was dropped")
}

impl Stage {
    /// Opens everything on free ports, with the site's clock in Berlin.
    pub(crate) async fn open() -> Result<Self> {
        Self::with(|_| ()).await
    }

    /// The same with something changed in what the site is given.
    pub(crate) async fn with(change: impl FnOnce(&mut App)) -> Result<Self> {
        Self::at("127.0.0.1:0".parse()?, change).await
    }

    /// The same with other settings.
    pub(crate) async fn configured(
        change: impl FnOnce(&mut App),
        configure: impl FnOnce(&mut Config),
    ) -> Result<Self> {
        let mut settings = Config::default();
        configure(&mut settings);
        Self::over(tempfile::tempdir()?, "127.0.0.1:0".parse()?, settings, change).await
    }

    /// The same on a given address.
    pub(crate) async fn at(address: SocketAddr, change: impl FnOnce(&mut App)) -> Result<Self> {
        Self::over(tempfile::tempdir()?, address, Config::default(), change).await
    }

    /// The same with a store that keeps something else.
    #[allow(dead_code, reason = "shared with examples")]
    pub(crate) async fn storing(
        keep: impl FnOnce(&mut komandorr_collector::Config),
    ) -> Result<Self> {
        let address = "127.0.0.1:0".parse()?;
        Self::whole(tempfile::tempdir()?, address, Config::default(), |_| (), keep).await
    }

    /// The same over the database in a folder.
    pub(crate) async fn over(
        folder: tempfile::TempDir,
        address: SocketAddr,
        site: Config,
        change: impl FnOnce(&mut App),
    ) -> Result<Self> {
        Self::whole(folder, address, site, change, |_| ()).await
    }

    async fn whole(
        folder: tempfile::TempDir,
        address: SocketAddr,
        site: Config,
        change: impl FnOnce(&mut App),
        keep: impl FnOnce(&mut komandorr_collector::Config),
    ) -> Result<Self> {
        let zone = TimeZone::get("Europe/Berlin")?;
        let path = folder.path().join("komandorr.duckdb");
        let mut config = komandorr_collector::Config { path, ..Default::default() };
        keep(&mut config);
        let collector = Collector::open(config, zone.clone())?;
        let (deliveries, intake) = mpsc::channel(64);
        let mut app = App {
            reader: collector.reader(),
            live: collector.live(),
            registry: collector.registry(),
            stats: collector.stats(),
            zone,
            access: Access { trusted: true },
            metrics: MetricsConfig::default(),
            ready: Arc::new(|| Readiness { parts: vec![Part { name: "store", problem: None }] }),
            publish: Arc::new(Straight(deliveries.clone())),
            mqtt: None,
            tls: None,
            figures: Arc::new(Vec::new),
            agent_doors: AgentDoors::Own {
                open: true,
                port: None,
                here: "mqtt://127.0.0.1:1883".into(),
                network: None,
                tls_port: None,
            },
        };
        change(&mut app);
        let stop = CancellationToken::new();
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let mut tasks = JoinSet::new();
        let registry = Arc::clone(&app.registry);
        let stop_site = stop.clone();
        tasks.spawn(async move {
            let ended = komandorr_web::run(site, listener, app, stop_site).await;
            assert!(ended.is_ok(), "the site failed: {ended:?}");
        });
        tasks.spawn(collector.run(intake, stop.clone()));
        Ok(Self { address, registry, stop, deliveries, tasks, folder })
    }

    /// Address of a page.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Publishes samples of one service and waits until they are stored.
    pub(crate) async fn publish(&self, service: &str, samples: &[Sample]) -> Result<Vec<Outcome>> {
        self.publish_bytes(service, komandorr_wire::encode(samples)).await
    }

    /// Publishes a payload, whatever is in it.
    pub(crate) async fn publish_bytes(
        &self,
        service: &str,
        payload: Vec<u8>,
    ) -> Result<Vec<Outcome>> {
        let delivered = deliver(&self.deliveries, ServiceId::new(service)?, payload.into());
        tokio::time::timeout(PATIENCE, delivered).await?
    }

    /// Ends everything, and says how long that took.
    pub(crate) async fn close(self) -> Result<Duration> {
        let begun = std::time::Instant::now();
        self.close_keeping().await?;
        Ok(begun.elapsed())
    }

    /// Ends everything but the folder with the database.
    pub(crate) async fn close_keeping(self) -> Result<tempfile::TempDir> {
        self.stop.cancel();
        drop(self.deliveries);
        let ended = self.tasks.join_all();
        tokio::time::timeout(PATIENCE, ended).await?;
        Ok(self.folder)
    }
}

/// Unix milliseconds.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or_default()
}

/// A sample of the last `seconds`, of these speeds in bytes per second.
pub(crate) fn sample(up: u64, down: u64, seconds: u64) -> Sample {
    sample_at(now_ms(), up, down, seconds)
}

/// The same, ended at some time.
pub(crate) fn sample_at(ended_ms: i64, up: u64, down: u64, seconds: u64) -> Sample {
    Sample {
        up: up * seconds,
        down: down * seconds,
        interval_ms: seconds * 1000,
        ended_ms: Some(ended_ms),
        ..Sample::default()
    }
}

/// So many samples of 5 s without a gap, the last of them ended now: 1.5 MB/s up and
/// 250 KB/s down.
#[allow(dead_code, reason = "shared with examples")]
pub(crate) fn steady(count: i64) -> Vec<Sample> {
    let now = now_ms();
    let sample = |before: i64| sample_at(now - before * 5000, 1_500_000, 250_000, 5);
    (0..count).rev().map(sample).collect()
}

/// A host of the invented fleet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Host {
    pub(crate) id: &'static str,
    pub(crate) group: Option<&'static str>,
    /// Usual speeds, bytes per second.
    pub(crate) up: u64,
    pub(crate) down: u64,
    /// Capacity per direction, bytes per second; 0: unknown.
    pub(crate) capacity: u64,
    pub(crate) cpu: Option<f32>,
    pub(crate) memory: Option<f32>,
}

const fn host(
    id: &'static str,
    group: &'static str,
    up: u64,
    down: u64,
    capacity: u64,
    load: Option<(f32, f32)>,
) -> Host {
    let (cpu, memory) = match load {
        Some((cpu, memory)) => (Some(cpu), Some(memory)),
        None => (None, None),
    };
    Host { id, group: Some(group), up, down, capacity, cpu, memory }
}

/// The fleet of the pictures.
pub(crate) const FLEET: [Host; 12] = [
    host("edge-fra-01", "Edge", 842_360_000, 118_400_000, 1_250_000_000, Some((41.0, 58.0))),
    host("stream-par-01", "Media", 391_720_000, 46_180_000, 1_250_000_000, Some((23.0, 71.0))),
    host("mirror-nbg-01", "Storage", 31_240_000, 222_870_000, 250_000_000, Some((97.0, 34.0))),
    host("gateway-zrh", "Core", 64_300_000, 142_180_000, 0, None),
    host("edge-ams-02", "Edge", 58_910_000, 12_440_000, 1_250_000_000, Some((12.0, 44.0))),
    host("cache-waw-01", "Edge", 37_050_000, 22_610_000, 625_000_000, Some((31.0, 52.0))),
    host("ci-hel-01", "Core", 6_120_000, 41_770_000, 125_000_000, Some((88.0, 63.0))),
    host("git-nbg-01", "Core", 11_580_000, 3_920_000, 125_000_000, None),
    host("vpn-lon-01", "Core", 4_830_000, 5_160_000, 125_000_000, None),
    host("matrix-fra-01", "Media", 1_370_000, 840_000, 125_000_000, None),
    host("dns-ams-01", "Core", 412_000, 288_000, 125_000_000, None),
    host("archive-nbg-02", "Storage", 210, 440, 125_000_000, None),
];

impl Host {
    /// One of its samples: a day curve with a believable flutter.
    pub(crate) fn sample(&self, ended_ms: i64, seconds: u64, seq: u64) -> Sample {
        let day = (ended_ms as f64 / 86_400_000.0).fract();
        let curve = 0.72 + 0.28 * (std::f64::consts::TAU * (day - 0.58)).cos();
        let flutter = |salt: u64| 0.9 + 0.2 * noise(seq.wrapping_mul(31).wrapping_add(salt));
        let salt = self.id.bytes().fold(7u64, |h, b| h.wrapping_mul(131).wrapping_add(b.into()));
        let speed = |usual: u64, salt| (usual as f64 * curve * flutter(salt)) as u64;
        let (up, down) = (speed(self.up, salt) * seconds, speed(self.down, salt ^ 0x63) * seconds);
        let part = |name: &str, role: &str, share: u64, counted| Interface {
            name: name.into(),
            role: role.into(),
            up: up / share,
            down: down / share,
            counted,
            ..Interface::default()
        };
        Sample {
            up,
            down,
            interval_ms: seconds * 1000,
            ended_ms: Some(ended_ms),
            agent: Some(AgentSeq { agent: self.id.into(), seq: Some(seq) }),
            capacity: Some(self.capacity).filter(|capacity| *capacity > 0),
            cpu_percent: self.cpu,
            memory_percent: self.memory,
            interfaces: vec![
                part("eth0", "physical", 1, true),
                part("docker0", "bridge", 3, false),
                part("lo", "loopback", 400, false),
            ],
            ..Sample::default()
        }
    }
}

/// A number from 0 to 1 that looks random and is always the same.
fn noise(seed: u64) -> f64 {
    let mut x = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((x ^ (x >> 31)) % 10_000) as f64 / 10_000.0
}

/// Publishes `days` of five-minute samples and then the last 50 minutes in
/// samples of five seconds, up to `until`.
pub(crate) async fn play(
    stage: &Stage,
    host: &Host,
    days: i64,
    until: i64,
    silent_s: i64,
) -> Result<u64> {
    use komandorr_collector::registry::ServiceDetails;
    let details = ServiceDetails { group: host.group.map(str::to_owned), ..Default::default() };
    let id = ServiceId::new(host.id)?;
    if stage.registry.get(host.id).is_none() {
        stage.registry.register(&id, details)?;
    }
    let end = until - silent_s * 1000;
    let fine = 600i64;
    let mut samples = Vec::new();
    let mut seq = 0;
    for i in 0..days * 288 {
        let at = end - fine * 5000 - (days * 288 - 1 - i) * 300_000;
        seq += 1;
        // Every tenth day an agent was down for forty minutes.
        if (i % 2880) / 8 == 40 {
            continue;
        }
        samples.push(host.sample(at, 300, seq));
    }
    for i in 0..fine {
        seq += 1;
        samples.push(host.sample(end - (fine - 1 - i) * 5000, 5, seq));
    }
    for part in samples.chunks(500) {
        stage.publish(host.id, part).await?;
    }
    Ok(seq)
}

/// A few services with two days of history.
#[allow(dead_code, reason = "shared with examples")]
pub(crate) async fn played() -> Result<Stage> {
    let stage = Stage::open().await?;
    for host in &FLEET[..4] {
        play(&stage, host, 2, now_ms(), 0).await?;
    }
    Ok(stage)
}
