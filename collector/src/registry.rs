//! The registered services, the credentials of agents, readers and scripts, and
//! the administrator's password and sessions: kept in DuckDB, answered from memory.

mod credential;
mod doubt;
mod password;
mod persist;
mod session;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, OnceLock},
};

use jiff::Timestamp;
use komandorr_wire::ServiceId;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

pub use credential::{Credential, Role, Token};
pub use password::ADMIN;
use password::Password;
pub use session::{LONGEST_SESSION, Session};

use crate::store::Lane;

/// A registered service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The store's number for it, never used twice.
    pub number: i32,
    /// Its id.
    pub id: ServiceId,
    /// What people call it.
    pub name: String,
    /// The group it is shown in.
    pub group: Option<String>,
    /// `app`, `website`, `panel`, `project` or `server`, as in the original.
    pub kind: String,
    /// Its address for people; may be empty.
    pub url: String,
    /// A line about it.
    pub description: Option<String>,
    /// A picture's name, as in the original.
    pub icon: Option<String>,
    /// Capacity per direction that a person set, bytes per second; beats what
    /// its agent reports.
    pub capacity_bytes_per_second: Option<u64>,
    /// Its agent is the original's from before December 2025, whose
    /// `max_bandwidth` is the speed of its link, not twice that.
    pub max_bandwidth_undoubled: bool,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// What a person says of a service, new or changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceDetails {
    /// What people call it; empty: its id.
    pub name: String,
    /// The group it is shown in.
    pub group: Option<String>,
    /// `app`, `website`, `panel`, `project` or `server`; empty: `server`.
    pub kind: String,
    /// Its address for people; may be empty.
    pub url: String,
    /// A line about it.
    pub description: Option<String>,
    /// A picture's name.
    pub icon: Option<String>,
    /// Capacity per direction, bytes per second.
    pub capacity_bytes_per_second: Option<u64>,
    /// Its agent is the original's from before December 2025, whose
    /// `max_bandwidth` is the speed of its link, not twice that.
    pub max_bandwidth_undoubled: bool,
}

/// Why the registry did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The id or name is taken.
    #[error("\"{0}\" exists already: choose another name")]
    Exists(String),
    /// There is none of that name.
    #[error("there is no \"{0}\"")]
    Unknown(String),
    /// The store failed.
    #[error("the database did not take the change: {0}")]
    Store(String),
}

impl From<duckdb::Error> for RegistryError {
    fn from(error: duckdb::Error) -> Self {
        Self::Store(crate::store::one_line(&error))
    }
}

/// Services and credentials.
#[derive(Debug)]
pub struct Registry {
    /// For changes, which are rare and one at a time.
    connection: Lane,
    services: RwLock<BTreeMap<ServiceId, Arc<Service>>>,
    credentials: RwLock<Vec<Credential>>,
    password: Password,
    /// By the hash of the cookie's token.
    sessions: RwLock<HashMap<String, Session>>,
    /// When services were removed, Unix milliseconds.
    removed: Mutex<HashMap<ServiceId, i64>>,
    version: watch::Sender<u64>,
    told: OnceLock<Told>,
}

/// What is no longer valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked<'a> {
    /// Its service is removed, or another takes its place.
    Credential(&'a Credential),
    /// Removed; its credential was told before.
    Service(&'a ServiceId),
}

/// Told of what is revoked.
struct Told(Box<dyn Fn(Revoked<'_>) + Send + Sync>);

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

impl Registry {
    /// Reads what the store holds.
    pub(crate) fn load(lane: Lane) -> duckdb::Result<Self> {
        let connection = lane.lock()?;
        let services = persist::services(&connection)?;
        let credentials = persist::credentials(&connection)?;
        let password = Password::new(persist::password_hash(&connection, ADMIN)?);
        let sessions = persist::sessions(&connection)?;
        let by_hash = sessions.into_iter().map(|s| (s.hash.clone(), s)).collect();
        drop(connection);
        let by_id = services.into_iter().map(|s| (s.id.clone(), Arc::new(s))).collect();
        Ok(Self {
            connection: lane,
            services: RwLock::new(by_id),
            credentials: RwLock::new(credentials),
            password,
            sessions: RwLock::new(by_hash),
            removed: Mutex::default(),
            version: watch::Sender::new(0),
            told: OnceLock::new(),
        })
    }

    /// Has somebody told of all that is revoked: connections that a credential
    /// opened can be closed. The first call counts.
    pub fn when_revoked(&self, told: impl Fn(Revoked<'_>) + Send + Sync + 'static) {
        if self.told.set(Told(Box::new(told))).is_err() {
            tracing::debug!("somebody else is told of what is revoked");
        }
    }

    fn tell(&self, revoked: Revoked<'_>) {
        if let Some(Told(told)) = self.told.get() {
            told(revoked);
        }
    }

    /// Forgets the credentials that go, and tells of them.
    fn drop_credentials(&self, goes: impl Fn(&Credential) -> bool) {
        let gone: Vec<_> = self.credentials.write().extract_if(.., |c| goes(c)).collect();
        for credential in &gone {
            self.tell(Revoked::Credential(credential));
        }
    }

    /// A number that changes with every change of a service.
    pub(crate) fn version(&self) -> u64 {
        *self.version.borrow()
    }

    /// The same number, for who waits for a change.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// All services in the order of their ids.
    pub fn services(&self) -> Vec<Arc<Service>> {
        self.services.read().values().cloned().collect()
    }

    /// One service.
    pub fn get(&self, id: &str) -> Option<Arc<Service>> {
        self.services.read().get(id).cloned()
    }

    /// Whether a service is registered.
    pub(crate) fn knows(&self, id: &ServiceId) -> bool {
        self.services.read().contains_key(id)
    }

    /// The service of a number of the store.
    pub fn by_number(&self, number: i32) -> Option<Arc<Service>> {
        self.services.read().values().find(|service| service.number == number).cloned()
    }

    /// How many services there are.
    pub fn len(&self) -> usize {
        self.services.read().len()
    }

    /// Whether there is no service yet.
    pub fn is_empty(&self) -> bool {
        self.services.read().is_empty()
    }

    /// The number of a service, which is registered under its id if it is not
    /// known yet.
    pub(crate) fn ensure(&self, id: &ServiceId) -> Result<i32, RegistryError> {
        if let Some(service) = self.get(id.as_str()) {
            return Ok(service.number);
        }
        match self.register(id, ServiceDetails::default()) {
            Ok(service) => Ok(service.number),
            // Somebody else was a moment faster.
            Err(RegistryError::Exists(_)) => self
                .get(id.as_str())
                .map(|s| s.number)
                .ok_or(RegistryError::Unknown(id.to_string())),
            Err(error) => Err(error),
        }
    }

    /// Whether an unknown service was removed at or after a moment, Unix
    /// milliseconds: what came before that goes with it.
    pub(crate) fn is_removed_since(&self, id: &ServiceId, ms: i64) -> bool {
        !self.knows(id) && self.removed.lock().get(id).is_some_and(|removed| *removed >= ms)
    }

    /// Registers a service without a credential.
    pub fn register(
        &self,
        id: &ServiceId,
        details: ServiceDetails,
    ) -> Result<Arc<Service>, RegistryError> {
        let connection = self.connection.lock()?;
        if self.get(id.as_str()).is_some() {
            return Err(RegistryError::Exists(id.to_string()));
        }
        let service = persist::insert(&connection, id, details)?;
        let service = Arc::new(service);
        self.services.write().insert(id.clone(), Arc::clone(&service));
        self.changed();
        Ok(service)
    }

    /// Registers all of these that are not known yet, under their ids and in
    /// one transaction: a commit each would hold up a fleet that is switched on.
    pub(crate) fn register_all<'a>(
        &self,
        ids: impl IntoIterator<Item = &'a ServiceId>,
    ) -> Result<(), RegistryError> {
        let connection = self.connection.lock()?;
        let unknown = ids.into_iter().filter(|id| !self.knows(id)).collect::<Vec<_>>();
        let fresh = persist::insert_all(&connection, &unknown)?;
        let named = fresh.into_iter().map(|service| (service.id.clone(), Arc::new(service)));
        self.services.write().extend(named);
        self.changed();
        Ok(())
    }

    /// Registers a service and makes the token of its agent, which is not kept.
    pub fn create(
        &self,
        id: &ServiceId,
        details: ServiceDetails,
    ) -> Result<(Arc<Service>, Token), RegistryError> {
        let service = self.register(id, details)?;
        let token = self.rotate_token(id, std::time::Duration::ZERO)?;
        Ok((service, token))
    }

    /// Changes what people say of a service.
    pub fn update(
        &self,
        id: &ServiceId,
        details: ServiceDetails,
    ) -> Result<Arc<Service>, RegistryError> {
        let connection = self.connection.lock()?;
        let old = self.get(id.as_str()).ok_or_else(|| RegistryError::Unknown(id.to_string()))?;
        let service = Arc::new(persist::update(&connection, &old, details)?);
        self.services.write().insert(id.clone(), Arc::clone(&service));
        self.changed();
        Ok(service)
    }

    /// Removes a service with its credentials and all its traffic.
    pub fn remove(&self, id: &ServiceId) -> Result<(), RegistryError> {
        let _rewriting = self.connection.rewriting();
        let connection = self.connection.lock()?;
        let old = self.get(id.as_str()).ok_or_else(|| RegistryError::Unknown(id.to_string()))?;
        let removed = persist::remove(&connection, old.number);
        // Whoever changes it waits until it is gone here as well.
        let _alone = match removed {
            Ok(()) => Some(connection),
            Err(error) => {
                drop(connection);
                self.must_be_gone(old.number, error)?;
                None
            }
        };
        self.removed.lock().insert(id.clone(), Timestamp::now().as_millisecond());
        self.services.write().remove(id);
        self.drop_credentials(|known| known.service_no == Some(old.number));
        self.tell(Revoked::Service(id));
        self.changed();
        Ok(())
    }

    fn changed(&self) {
        self.version.send_modify(|version| *version += 1);
    }
}

/// This moment, as exactly as the store keeps it.
fn now() -> Timestamp {
    Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap_or_default()
}
