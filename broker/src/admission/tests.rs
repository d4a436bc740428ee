//! Limits and slowing down, without a socket or a clock.

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn admission(connections: usize, per_address: usize, handshakes: usize) -> Arc<Admission> {
    Arc::new(Admission::new(&Config {
        connections,
        connections_per_address: per_address,
        handshakes,
        handshakes_per_address: 2,
        ..Config::default()
    }))
}

#[test]
fn every_limitbites_and_givesback() {
    let all = admission(4, 3, 3);
    let mut a = all.enter(ip("192.0.2.1")).unwrap();
    let b = all.enter(ip("192.0.2.1")).unwrap();
    assert_eq!(all.enter(ip("192.0.2.1")).unwrap_err(), Refused::HandshakesPerAddress);
    let c = all.enter(ip("192.0.2.2")).unwrap();
    assert_eq!(all.enter(ip("192.0.2.3")).unwrap_err(), Refused::Handshakes);
    a.seated();
    let d = all.enter(ip("192.0.2.1")).unwrap();
    assert_eq!(all.enter(ip("192.0.2.9")).unwrap_err(), Refused::Connections);
    drop(a);
    assert_eq!(all.enter(ip("192.0.2.9")).unwrap_err(), Refused::Handshakes);
    drop((b, c, d));
    assert!(all.places.lock().by_address.is_empty());
}

#[test]
fn one_ipv6_host_is_one_address() {
    let all = admission(9, 1, 9);
    let _a = all.enter(ip("2001:db8::1")).unwrap();
    assert_eq!(all.enter(ip("2001:db8::2")).unwrap_err(), Refused::ConnectionsPerAddress);
    let _b = all.enter(ip("2001:db8:0:1::1")).unwrap();
    let _c = all.enter(ip("::ffff:192.0.2.1")).unwrap();
    assert_eq!(all.enter(ip("192.0.2.1")).unwrap_err(), Refused::ConnectionsPerAddress);
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
fn the_memory_for_guessers_isbounded() {
    let slow = SlowDown::new(Duration::from_millis(200));
    let start = Instant::now();
    for n in 0..30_000_u32 {
        let address = Address::from(IpAddr::from(n.to_be_bytes()));
        slow.wrong(address, start + Duration::from_millis(u64::from(n)));
    }
    assert!(slow.by_address.lock().len() <= MOST_ADDRESSES);
}
