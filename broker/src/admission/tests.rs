//! Limits, without a socket.

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
