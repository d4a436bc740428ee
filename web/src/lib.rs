//! The site: pages, charts, API and live streams over the collector's live
//! state and its `Reader`. Everything is served from one port; pages are
//! rendered here and work without scripts.

mod access;
mod api;
mod assets;
mod chart;
mod compat;
mod cookie;
mod cors;
mod doors;
mod error;
mod etag;
mod hash;
mod headers;
mod hosts;
mod hub;
mod mqtt;
mod origin;
mod pages;
mod params;
mod peer;
mod publish;
mod routes;
mod server;
mod sheet;
mod site;
mod text;
mod theme;
mod top;
mod units;
mod waiting;
mod when;

use std::{fmt, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use jiff::tz::TimeZone;
use komandorr_collector::{Live, Reader, Registry, Stats};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use access::{Access, Needs};
pub use api::metrics::MetricsConfig;
pub use cors::Origins;
pub use doors::AgentDoors;
pub use mqtt::{ByteStream, MqttDoor};
#[doc(hidden)]
pub use params::fuzz as fuzz_query;
pub use peer::Proxies;
pub use publish::{Published, Publisher};
pub use routes::{Route, routes};
pub use server::{Handshake, TlsDoor, run};
pub use waiting::patience;

/// Settings of the site, the section `[http]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address of site and API. The caller binds it and hands the listener in.
    pub listen: SocketAddr,
    /// Names by which people ask for the site, separated by commas, beside
    /// addresses and `localhost`; `*`: any.
    pub hosts: String,
    /// Reverse proxies whose word on the client's address is taken.
    pub trusted_proxies: Proxies,
    /// PEM file of a certificate with its chain: the site is served over TLS.
    pub tls_cert: PathBuf,
    /// PEM file of its key.
    pub tls_key: PathBuf,
    /// How long an answer waits for a client that does not read before the
    /// connection is cut. No setting: tests have less time.
    #[serde(skip)]
    pub slow_client: Duration,
    /// Pages of which other origins may use the API.
    pub cors_origins: Origins,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 3000)),
            hosts: String::new(),
            trusted_proxies: Proxies::default(),
            tls_cert: PathBuf::new(),
            tls_key: PathBuf::new(),
            slow_client: Duration::from_secs(30),
            cors_origins: Origins::default(),
        }
    }
}

/// Whether the server can do its work, part by part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// The parts that were asked: broker, collector, store.
    pub parts: Vec<Part>,
}

/// One part of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Part {
    /// What it is called.
    #[schema(example = "store")]
    pub name: &'static str,
    /// Why it does not answer; `null` where it does.
    #[schema(required)]
    pub problem: Option<String>,
}

impl Readiness {
    /// Whether every part answers.
    pub fn is_ready(&self) -> bool {
        self.parts.iter().all(|part| part.problem.is_none())
    }
}

/// A metric in Prometheus' sense, with all its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Its name, by Prometheus' rules.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// What it counts.
    pub help: &'static str,
    /// Each value with what follows the name: labels in braces, and before
    /// them a histogram's `_bucket`, `_sum` or `_count`.
    pub values: Vec<(String, f64)>,
}

/// What the site shows and changes.
#[derive(Clone)]
pub struct App {
    /// History, from the database.
    pub reader: Reader,
    /// What is going on now, in memory.
    pub live: Arc<Live>,
    /// The registered services.
    pub registry: Arc<Registry>,
    /// The pipeline's own figures.
    pub stats: Arc<Stats>,
    /// Time zone in which pages tell times and cut days.
    pub zone: TimeZone,
    /// Who is let in.
    pub access: Access,
    /// What `/metrics` holds.
    pub metrics: MetricsConfig,
    /// Asked by `/readyz`.
    pub ready: Arc<dyn Fn() -> Readiness + Send + Sync>,
    /// Publishes the samples that come over HTTP.
    pub publish: Arc<dyn Publisher>,
    /// Takes MQTT over WebSocket at `/mqtt`; `None`: there is no broker here.
    pub mqtt: Option<Arc<dyn MqttDoor>>,
    /// Encrypts the connections; `None`: the site speaks plain HTTP.
    pub tls: Option<Arc<dyn TlsDoor>>,
    /// Figures of the server's other parts, for `/metrics`.
    pub figures: Arc<dyn Fn() -> Vec<Family> + Send + Sync>,
    /// Where agents reach the broker, for ready-made commands.
    pub agent_doors: AgentDoors,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("zone", &self.zone).finish_non_exhaustive()
    }
}
