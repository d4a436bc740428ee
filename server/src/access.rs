//! Who may publish and subscribe: the broker's questions, answered by the
//! registry.

use std::{net::IpAddr, sync::Arc};

use komandorr_broker::{Denied, Door, Gatekeeper, Identity};
use komandorr_collector::{
    Registry,
    registry::{Credential, Role},
};
use komandorr_wire::ServiceId;

/// Whether somebody was let in with a credential.
pub(crate) fn is_of(identity: &Identity, credential: &Credential) -> bool {
    match (identity, credential.role) {
        (Identity::Service(id), Role::Agent) => id.as_str() == credential.name,
        (Identity::Reader { name, .. }, Role::Reader | Role::ApiRead) => *name == credential.name,
        // The name is not known: who still may comes again.
        (Identity::Operator, Role::ApiManage) => true,
        _ => false,
    }
}

/// Asks the registry.
#[derive(Debug)]
pub(crate) struct RegistryGate(pub(crate) Arc<Registry>);

impl RegistryGate {
    fn reader(&self, credential: Credential) -> Result<Identity, Denied> {
        let service = match credential.service_no {
            None => None,
            Some(number) => {
                let bound = self.0.by_number(number).ok_or(Denied::WrongCredentials)?;
                Some(bound.id.clone())
            }
        };
        Ok(Identity::Reader { name: credential.name, service })
    }
}

impl Gatekeeper for RegistryGate {
    /// A credential that is shown must be right, even where none is needed:
    /// a mistake should be found while it is harmless.
    fn authenticate(
        &self,
        door: Door,
        _peer: IpAddr,
        username: Option<&str>,
        password: Option<&[u8]>,
    ) -> Result<Identity, Denied> {
        let Some(password) = password.filter(|password| !password.is_empty()) else {
            return if door.trusted {
                Ok(Identity::Local)
            } else {
                Err(Denied::CredentialsRequired)
            };
        };
        let name = username.unwrap_or_default();
        let token = std::str::from_utf8(password).unwrap_or_default();
        let credential = self.0.named(name, token).ok_or(Denied::WrongCredentials)?;
        match credential.role {
            Role::Agent => {
                ServiceId::new(name).map(Identity::Service).or(Err(Denied::WrongCredentials))
            }
            Role::Reader => self.reader(credential),
            Role::ApiRead => Ok(Identity::Reader { name: credential.name, service: None }),
            Role::ApiManage | Role::Operator => Ok(Identity::Operator),
        }
    }

    /// On a trusted listener the first sample registers its service.
    fn admit(&self, identity: &Identity, service: &ServiceId) -> bool {
        matches!(identity, Identity::Local) || self.0.get(service.as_str()).is_some()
    }
}
