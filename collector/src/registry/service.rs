//! Registered services: what is known of one, and how it comes and goes.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use komandorr_wire::ServiceId;

use super::{Registry, RegistryError, Revoked, Token, doubt::change, persist};

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

impl Registry {
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
        let token = self.rotate_token(id, Duration::ZERO)?;
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
        let traffic = self.past.change();
        // Whoever changes it waits until it is gone here as well.
        let _alone = match change(connection, |c| persist::remove(c, old.number)) {
            Ok(alone) => Some(alone),
            Err(error) => {
                self.must_be_gone(old.number, error)?;
                None
            }
        };
        traffic.was_of(&[(old.number, i64::MIN)]);
        self.removed.lock().insert(id.clone(), Timestamp::now().as_millisecond());
        self.services.write().remove(id);
        self.drop_credentials(|known| known.service_no == Some(old.number));
        self.tell(Revoked::Service(id));
        self.changed();
        Ok(())
    }
}
