//! Who may open a connection at all: limits in all, per address and before
//! CONNECT, and the slowing down of addresses that guess passwords.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{config::Config, metrics::Refused};

#[cfg(test)]
mod tests;

/// What counts as one address: an IPv4 address, or the /64 network that one
/// IPv6 host can draw its addresses from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Address(IpAddr);

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

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

/// Longest time that one wrong password costs.
const LONGEST_DELAY: Duration = Duration::from_secs(30);
/// An address's wrong passwords are forgotten one by one after this time.
const FORGIVEN_AFTER: Duration = Duration::from_secs(30);
/// Addresses that are remembered; beyond it the ones longest quiet are
/// forgotten.
const MOST_ADDRESSES: usize = 10_000;

#[derive(Debug, Clone, Copy)]
struct Guesses {
    wrong: u32,
    last: Instant,
    next_allowed: Instant,
}

/// Makes an address wait that has given wrong passwords: attempts from it are
/// checked one after the other, each later than the one before.
#[derive(Debug)]
pub(crate) struct SlowDown {
    by_address: Mutex<HashMap<Address, Guesses>>,
    first_delay: Duration,
}

impl SlowDown {
    pub(crate) fn new(first_delay: Duration) -> Self {
        Self { by_address: Mutex::default(), first_delay }
    }

    /// When the next attempt from this address may be checked. Every call
    /// takes a turn.
    pub(crate) fn turn(&self, address: Address, now: Instant) -> Instant {
        let mut all = self.by_address.lock();
        let Some(guesses) = all.get_mut(&address) else { return now };
        guesses.forgive(now);
        if guesses.wrong == 0 {
            all.remove(&address);
            return now;
        }
        let turn = guesses.next_allowed.max(now);
        guesses.next_allowed = turn + self.delay(guesses.wrong);
        turn
    }

    /// Gives back a turn that nobody waited for.
    pub(crate) fn give_back(&self, address: Address, turn: Instant) {
        if let Some(guesses) = self.by_address.lock().get_mut(&address) {
            guesses.next_allowed = guesses.next_allowed.min(turn);
        }
    }

    pub(crate) fn wrong(&self, address: Address, now: Instant) {
        let mut all = self.by_address.lock();
        if all.len() >= MOST_ADDRESSES && !all.contains_key(&address) {
            forget_quiet_half(&mut all);
        }
        let fresh = Guesses { wrong: 0, last: now, next_allowed: now };
        let guesses = all.entry(address).or_insert(fresh);
        guesses.wrong = guesses.wrong.saturating_add(1);
        guesses.last = now;
        guesses.next_allowed = guesses.next_allowed.max(now + self.delay(guesses.wrong));
    }

    fn delay(&self, wrong: u32) -> Duration {
        let doubled = 1_u32.checked_shl(wrong.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first_delay.saturating_mul(doubled).min(LONGEST_DELAY)
    }
}

impl Guesses {
    fn forgive(&mut self, now: Instant) {
        while self.wrong > 0 && now.saturating_duration_since(self.last) >= FORGIVEN_AFTER {
            self.wrong -= 1;
            self.last += FORGIVEN_AFTER;
        }
    }
}

fn forget_quiet_half(all: &mut HashMap<Address, Guesses>) {
    let mut times: Vec<_> = all.values().map(|g| g.last).collect();
    times.sort_unstable();
    if let Some(middle) = times.get(times.len() / 2).copied() {
        all.retain(|_, g| g.last > middle);
    }
}
