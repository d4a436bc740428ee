//! Who may open a connection at all: limits in all, per address and before
//! CONNECT.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use komandorr_config::guesses::Address;
use parking_lot::Mutex;

use crate::{config::Config, metrics::Refused};

#[cfg(test)]
mod tests;

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    connections: usize,
    handshakes: usize,
}

#[derive(Debug, Default)]
struct Places {
    all: Counts,
    by_address: HashMap<Address, Counts>,
}

/// Counts connections against the limits.
#[derive(Debug)]
pub(crate) struct Admission {
    places: Mutex<Places>,
    limits: Counts,
    limits_per_address: Counts,
}

/// A connection's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    admission: Arc<Admission>,
    address: Address,
    handshaking: bool,
}

impl Admission {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            places: Mutex::default(),
            limits: Counts { connections: config.connections, handshakes: config.handshakes },
            limits_per_address: Counts {
                connections: config.connections_per_address,
                handshakes: config.handshakes_per_address,
            },
        }
    }

    pub(crate) fn enter(self: &Arc<Self>, peer: IpAddr) -> Result<Place, Refused> {
        let address = Address::from(peer);
        let mut places = self.places.lock();
        let here = places.by_address.get(&address).copied().unwrap_or_default();
        let checks = [
            (places.all.connections < self.limits.connections, Refused::Connections),
            (places.all.handshakes < self.limits.handshakes, Refused::Handshakes),
            (
                here.connections < self.limits_per_address.connections,
                Refused::ConnectionsPerAddress,
            ),
            (here.handshakes < self.limits_per_address.handshakes, Refused::HandshakesPerAddress),
        ];
        if let Some((_, why)) = checks.into_iter().find(|(fits, _)| !fits) {
            return Err(why);
        }
        places.change(address, |counts| {
            counts.connections += 1;
            counts.handshakes += 1;
        });
        Ok(Place { admission: Arc::clone(self), address, handshaking: true })
    }
}

impl Places {
    fn change(&mut self, address: Address, change: impl Fn(&mut Counts)) {
        change(&mut self.all);
        let here = self.by_address.entry(address).or_default();
        change(here);
        if here.connections == 0 {
            self.by_address.remove(&address);
        }
    }
}

impl Place {
    /// CONNECT has been accepted.
    pub(crate) fn seated(&mut self) {
        if std::mem::take(&mut self.handshaking) {
            self.admission.places.lock().change(self.address, |counts| counts.handshakes -= 1);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.seated();
        self.admission.places.lock().change(self.address, |counts| counts.connections -= 1);
    }
}
