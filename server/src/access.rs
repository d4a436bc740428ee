//! Who may publish and subscribe: the broker's questions, answered by the
//! registry.

use std::{net::IpAddr, sync::Arc};

use komandorr_broker::{Denied, Door, Gatekeeper, Identity};
use komandorr_collector::Registry;
use komandorr_wire::ServiceId;

/// Asks the registry.
#[derive(Debug)]
pub(crate) struct RegistryGate(pub(crate) Arc<Registry>);

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
        if self.0.agent_may(name, token) {
            return ServiceId::new(name).map(Identity::Service).or(Err(Denied::WrongCredentials));
        }
        let reader = self.0.reader(name, token).ok_or(Denied::WrongCredentials)?;
        let service = match reader.service_no {
            None => None,
            Some(number) => {
                let services = self.0.services();
                let bound = services.iter().find(|service| service.number == number);
                Some(bound.ok_or(Denied::WrongCredentials)?.id.clone())
            }
        };
        Ok(Identity::Reader { name: name.to_owned(), service })
    }

    /// On a trusted listener the first sample registers its service.
    fn admit(&self, identity: &Identity, service: &ServiceId) -> bool {
        matches!(identity, Identity::Local) || self.0.get(service.as_str()).is_some()
    }
}
