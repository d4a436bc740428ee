//! What every handler shares.

use std::sync::Arc;

use jiff::Timestamp;
use komandorr_collector::{read::Scope, registry::Service};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    App, Config, Origins, Proxies,
    access::Checks,
    compat::Accounts,
    error::Failure,
    hub::Hub,
    pages::status::{pace::Pace, store::Remembered},
    when::Clock,
};

/// Handed to every handler.
pub(crate) type Shared = Arc<Site>;

/// The site at work.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) app: App,
    /// Names that the site answers to, beside loopback ones.
    pub(crate) hosts: Vec<String>,
    /// Reverse proxies that are believed.
    pub(crate) proxies: Proxies,
    /// Passwords that are being looked at.
    pub(crate) checks: Checks,
    /// Origins whose pages may use the API.
    pub(crate) origins: Origins,
    pub(crate) clock: Clock,
    pub(crate) hub: Hub,
    /// What the store said that it holds.
    pub(crate) holdings: Remembered,
    /// How many samples a second are stored.
    pub(crate) pace: Pace,
    /// What agents of the original reported.
    pub(crate) compat: Accounts,
    /// Ends live streams and sessions.
    pub(crate) stop: CancellationToken,
    /// Everything that runs beside a request.
    pub(crate) tasks: TaskTracker,
    pub(crate) started: Timestamp,
}

impl Site {
    pub(crate) fn new(config: &Config, app: App, stop: CancellationToken) -> Shared {
        let names = config.hosts.split(',').map(str::trim).filter(|name| !name.is_empty());
        let hosts = names.map(str::to_owned).collect();
        let clock = Clock::new(app.zone.clone());
        let hub = Hub::new(&app);
        let (tasks, started) = (TaskTracker::new(), Timestamp::now());
        let (proxies, checks) = (config.trusted_proxies.clone(), Checks::default());
        let (holdings, compat) = (Remembered::default(), Accounts::default());
        let origins = config.cors_origins.clone();
        Arc::new(Self {
            app,
            hosts,
            proxies,
            checks,
            origins,
            clock,
            hub,
            holdings,
            pace: Pace::default(),
            compat,
            stop,
            tasks,
            started,
        })
    }

    /// A registered service by what stands in a path.
    pub(crate) fn service(&self, id: &str) -> Result<Arc<Service>, Failure> {
        self.app.registry.get(id).ok_or_else(|| Failure::unknown_service(id))
    }

    /// How many services a question is about.
    pub(crate) fn count(&self, scope: &Scope) -> usize {
        let registry = &self.app.registry;
        match scope {
            Scope::One(_) => 1,
            Scope::Several(ids) => ids.len(),
            Scope::All => registry.len(),
            Scope::Group(name) => {
                let services = registry.services();
                services.iter().filter(|service| service.group.as_ref() == Some(name)).count()
            }
        }
    }

    /// Refuses a service or a group that is not there.
    pub(crate) fn check(&self, scope: &Scope) -> Result<(), Failure> {
        match scope {
            Scope::One(id) => self.service(id.as_str()).map(drop),
            Scope::Several(ids) => {
                ids.iter().try_for_each(|id| self.service(id.as_str()).map(drop))
            }
            Scope::Group(name) if self.count(scope) == 0 => Err(Failure::unknown_group(name)),
            Scope::Group(_) | Scope::All => Ok(()),
        }
    }

    /// Runs a change of the registry, which writes to the database, where it
    /// may block.
    pub(crate) async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        change: impl FnOnce(&App) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let site = Arc::clone(self);
        self.tasks.spawn_blocking(move || change(&site.app)).await.map_err(|error| {
            tracing::error!(%error, "a change of the registry did not end");
            Failure::internal()
        })
    }
}
