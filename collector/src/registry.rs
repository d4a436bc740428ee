//! The registered services, the credentials of agents, readers and scripts, and
//! the administrator's password and sessions: kept in DuckDB, answered from memory.

mod credential;
mod doubt;
mod password;
mod persist;
mod service;
mod session;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
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
pub use service::{Service, ServiceDetails};
pub use session::{LONGEST_SESSION, Session};

use crate::{read::Past, store::Lane};

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
    /// What readers remember of the traffic.
    past: Arc<Past>,
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
    pub(crate) fn load(lane: Lane, past: Arc<Past>) -> duckdb::Result<Self> {
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
            past,
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

    /// The groups that services are in, in alphabetical order.
    pub fn groups(&self) -> Vec<String> {
        let services = self.services.read();
        let groups: BTreeSet<_> = services.values().filter_map(|s| s.group.as_ref()).collect();
        groups.into_iter().cloned().collect()
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

    /// Whether an unknown service was removed at or after a moment, Unix
    /// milliseconds: what came before that goes with it.
    pub(crate) fn is_removed_since(&self, id: &ServiceId, ms: i64) -> bool {
        !self.knows(id) && self.removed.lock().get(id).is_some_and(|removed| *removed >= ms)
    }

    fn changed(&self) {
        self.version.send_modify(|version| *version += 1);
    }
}

/// This moment, as exactly as the store keeps it.
fn now() -> Timestamp {
    Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap_or_default()
}
