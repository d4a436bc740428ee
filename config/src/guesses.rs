//! Guessing secrets: an address that was wrong waits, longer each time, and
//! nobody else does.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// What counts as one address: an IPv4 address, or the /64 network that one
/// IPv6 host can draw its addresses from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address(IpAddr);

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
            v4 @ IpAddr::V4(_) => v4,
        })
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
pub struct SlowDown {
    by_address: Mutex<HashMap<Address, Guesses>>,
    first_delay: Duration,
}

impl SlowDown {
    /// The first wrong guess costs `first_delay`, each further one twice the
    /// one before.
    pub fn new(first_delay: Duration) -> Self {
        Self { by_address: Mutex::default(), first_delay }
    }

    /// When the next attempt from this address may be checked. Every call
    /// takes a turn.
    pub fn turn(&self, address: Address, now: Instant) -> Instant {
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
    pub fn give_back(&self, address: Address, turn: Instant) {
        if let Some(guesses) = self.by_address.lock().get_mut(&address) {
            guesses.next_allowed = guesses.next_allowed.min(turn);
        }
    }

    /// Notes a wrong guess.
    pub fn wrong(&self, address: Address, now: Instant) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn wrong_passwords_cost_more_and_more_time() {
        let slow = SlowDown::new(Duration::from_millis(200));
        let guesser = Address::from(ip("192.0.2.1"));
        let start = Instant::now();
        assert_eq!(slow.turn(guesser, start), start);
        slow.wrong(guesser, start);
        let second = slow.turn(guesser, start);
        assert_eq!(second - start, Duration::from_millis(200));
        slow.wrong(guesser, second);
        let third = slow.turn(guesser, second);
        assert_eq!(third - second, Duration::from_millis(400));
        // Attempts at once stand in line.
        assert_eq!(slow.turn(guesser, second) - third, Duration::from_millis(400));
        // Others do not wait, and it passes.
        assert_eq!(slow.turn(Address::from(ip("192.0.2.2")), start), start);
        let later = start + Duration::from_hours(1);
        assert_eq!(slow.turn(guesser, later), later);
    }

    #[test]
    fn the_memory_for_guessers_is_bounded() {
        let slow = SlowDown::new(Duration::from_millis(200));
        let start = Instant::now();
        for n in 0..30_000_u32 {
            let address = Address::from(IpAddr::from(n.to_be_bytes()));
            slow.wrong(address, start + Duration::from_millis(u64::from(n)));
        }
        assert!(slow.by_address.lock().len() <= MOST_ADDRESSES);
    }
}
