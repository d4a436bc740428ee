//! What hostile clients do, while a well-behaved one goes on publishing.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use tokio::{
    sync::watch,
    time::{Duration, Instant, MissedTickBehavior, interval},
};

use crate::support::*;

/// No message of the well-behaved client may wait longer.
const LATEST: Duration = Duration::from_secs(2);

/// Publishes at 100 messages a second until told to stop, each acknowledged
/// within [`LATEST`]; says how many.
async fn behave(address: SocketAddr, level: u8, mut enough: watch::Receiver<bool>) -> Result<u16> {
    let mut client = Raw::connect(address, level, "well-behaved").await?;
    let mut clock = interval(Duration::from_millis(10));
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut n = 0;
    while !*enough.borrow_and_update() {
        clock.tick().await;
        n += 1;
        let start = Instant::now();
        client.send(&publish(level, 2, "komandorr/traffic/good", n, &n.to_be_bytes())).await?;
        let [high, low] = n.to_be_bytes();
        client.expect(&[0x40, 2, high, low]).await?;
        ensure!(start.elapsed() < LATEST, "message {n} took {:?}", start.elapsed());
    }
    Ok(n)
}

/// Runs an attack in the presence of well-behaved clients of both versions,
/// a subscriber among them.
async fn attack(work: impl AsyncFn(SocketAddr) -> Result<()>) -> Result<()> {
    let mut server = start().await?;
    let address = server.address;
    let mut subscriber = Raw::connect(address, 4, "subscriber").await?;
    subscriber.subscribe(4, "komandorr/traffic/good", 0).await?;
    let (stop, enough) = watch::channel(false);
    let good = spawn(behave(address, 4, enough));
    let before = Instant::now();
    let mut rounds = 0;
    while rounds < 8 || before.elapsed() < Duration::from_millis(300) {
        work(address).await?;
        rounds += 1;
    }
    stop.send(true)?;
    let sent = good.await?;
    for n in 1..=sent {
        let stored = loop {
            let stored = server.next_stored().await?;
            if stored.service.as_str() == "good" {
                break stored;
            }
        };
        ensure!(*stored.payload == n.to_be_bytes(), "message {n} was lost");
        let copy = read_publish(4, &subscriber.packet().await?)?.2;
        ensure!(copy == n.to_be_bytes(), "copy {n} was lost: {copy:?}");
    }
    ensure!(server.broker.metrics().router_restarts == 0, "the router died");
    ensure!(server.broker.is_healthy());
    Ok(())
}

/// Sends bytes after a CONNECT; the broker ends the connection.
async fn after_connect(address: SocketAddr, level: u8, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut client = Raw::connect(address, level, "hostile").await?;
    client.send(bytes).await?;
    client.rest().await
}

#[tokio::test]
async fn a_subscriber_of_a_busy_topic_that_disconnects() -> Result<()> {
    attack(async |address| {
        for level in [4, 5] {
            let mut client = Raw::connect(address, level, "leaver").await?;
            client.subscribe(level, "komandorr/traffic/+", 1).await?;
            client.packet().await?;
            client.send(&[0xe0, 0]).await?;
            client.rest().await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_topic_or_will_that_begins_with_a_non_ascii_character() -> Result<()> {
    attack(async |address| {
        after_connect(address, 4, &[0x30, 7, 0, 4, 0xc3, 0xa9, 0x2f, 0x78, 0x78]).await?;
        let mut client = Raw::open(address).await?;
        client.send(&connect_with(4, "w", None, Some(("é/x", b"x")), 9)).await?;
        ensure!(client.rest().await? == [0x20, 2, 0, 5]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_shared_subscription_without_a_clean_session() -> Result<()> {
    attack(async |address| {
        let mut hello = connect(4, "sharer", None);
        hello[9] = 0;
        let mut client = Raw::open(address).await?;
        client.send(&hello).await?;
        client.expect(&[0x20, 2, 0, 0]).await?;
        client.send(&subscribe(4, 1, "$share/g/komandorr/traffic/+", 1)).await?;
        client.expect(&[0x90, 3, 0, 1, 0x80]).await?;
        client.subscribe(4, "komandorr/traffic/+", 1).await?;
        client.packet().await?;
        // Gone without its PUBACK.
        Ok(())
    })
    .await
}

#[tokio::test]
async fn odd_client_ids_twice_and_resets_right_after_connect() -> Result<()> {
    attack(async |address| {
        for id in ["a+b", "#", "$SYS", "a/b", "c17", "é", "x"] {
            for _ in 0..2 {
                let mut client = Raw::connect(address, 4, id).await?;
                client.subscribe(4, "komandorr/#", 0).await?;
            }
            let mut client = Raw::open(address).await?;
            client.send(&connect(4, id, None)).await?;
            client.stream.set_zero_linger()?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn packets_that_only_a_server_sends_and_packets_before_connect() -> Result<()> {
    attack(async |address| {
        for bytes in [[0x20, 3, 0, 0, 0].as_slice(), &[0xb0, 2, 0, 1], &[0x90, 3, 0, 1, 0]] {
            let mut client = Raw::open(address).await?;
            client.send(bytes).await?;
            ensure!(client.rest().await?.is_empty());
            ensure!(after_connect(address, 5, bytes).await? == [0xe0, 2, 0x82, 0]);
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn properties_reach_no_subscriber_and_aliases_are_refused() -> Result<()> {
    attack(async |address| {
        let mut old = Raw::connect(address, 4, "old").await?;
        old.subscribe(4, "komandorr/traffic/odd", 0).await?;
        let mut client = Raw::connect(address, 5, "new").await?;
        let mut body = b"\0\x15komandorr/traffic/odd\0\x01".to_vec();
        body.extend(b"\x11\x26\0\x03key\0\x05value\x01\x01\x02\0\0\0\x09x".iter());
        // (user property 13, payload format 2, expiry 5)
        body[25] = 20;
        client.send(&packet(0x32, &body)).await?;
        client.expect(&[0x40, 2, 0, 1]).await?;
        ensure!(old.packet().await? == publish(4, 0, "komandorr/traffic/odd", 0, b"x"));
        let alias = packet(0x30, b"\0\0\x03\x23\0\x01x");
        ensure!(after_connect(address, 5, &alias).await? == [0xe0, 2, 0x94, 0]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn malformed_frames_of_every_kind() -> Result<()> {
    attack(async |address| {
        let table: [(&[u8], u8); 12] = [
            (&[0x30, 0xff, 0xff, 0xff, 0x7f], 0x95), // 256 MB announced
            (&[0x30, 0xff, 0xff, 0xff, 0xff, 1], 0x81), // five length bytes
            (&[0x00, 0], 0x81),                      // type 0
            (&[0xf0, 0], 0x81),                      // AUTH
            (&[0x10, 0], 0x82),                      // second CONNECT
            (&[0x34, 6, 0, 1, b't', 0, 7, 0], 0x9b), // QoS 2
            (&[0x62, 2, 0, 7], 0x82),                // PUBREL
            (&[0x30, 3, 0, 9, b't'], 0x81),          // topic beyond the frame
            (&[0x82, 3, 0, 1, 0], 0x82),             // no filter
            (&[0x80, 7, 0, 1, 0, 0, 1, b't', 0], 0x81), // reserved flags
            (&[0x82, 9, 0, 1, 2, 0x0b, 1, 0, 1, b't', 0], 0xa1), // subscription id
            (&[0x30, 7, 0, 1, b't', 9, 1, 0, 0], 0x81), // properties beyond
        ];
        for (bytes, code) in table {
            let rest = after_connect(address, 5, bytes).await?;
            ensure!(rest == [0xe0, 2, code, 0], "{bytes:02x?}: {rest:02x?}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn quality_2_and_a_late_goodbye_on_a_place_used_again() -> Result<()> {
    attack(async |address| {
        let qos_2 = packet(0x34, b"\0\x13komandorr/traffic/a\0\x07x");
        ensure!(after_connect(address, 4, &qos_2).await?.is_empty());
        for n in 0..20 {
            // Gone without a word, its place in the router taken at once by
            // another one, whom the goodbye of the first must not reach.
            let mut first = Raw::connect(address, 4, &format!("first-{n}")).await?;
            first.subscribe(4, "komandorr/traffic/+", 0).await?;
            first.stream.set_zero_linger()?;
            drop(first);
            let mut second = Raw::connect(address, 5, &format!("second-{n}")).await?;
            second.subscribe(5, "komandorr/traffic/+", 0).await?;
            second.packet().await?;
            second.packet().await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn unsubscribing_is_answered_once_whatever_was_subscribed() -> Result<()> {
    attack(async |address| {
        for level in [4, 5] {
            let mut client = Raw::connect(address, level, "leaver").await?;
            client.subscribe(level, "komandorr/traffic/a", 0).await?;
            let mut body = vec![0, 9];
            body.extend(vec![0; usize::from(level == 5)]);
            for filter in ["komandorr/traffic/a", "komandorr/traffic/b", "#"] {
                body.extend([0, u8::try_from(filter.len())?]);
                body.extend(filter.as_bytes());
            }
            client.send(&packet(0xa2, &body)).await?;
            let codes: &[u8] =
                if level == 5 { &[0xb0, 6, 0, 9, 0, 0, 0x11, 0x11] } else { &[0xb0, 2, 0, 9] };
            client.expect(codes).await?;
            client.ping().await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn subscribing_and_unsubscribing_a_thousand_filters() -> Result<()> {
    attack(async |address| {
        let mut client = Raw::connect(address, 4, "many").await?;
        for n in 0..300 {
            let filter = format!("komandorr/traffic/x{n}");
            client.subscribe(4, &filter, 0).await?;
            let body = [&[0, 9, 0][..], &[u8::try_from(filter.len())?], filter.as_bytes()].concat();
            client.send(&packet(0xa2, &body)).await?;
            client.expect(&[0xb0, 2, 0, 9]).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn one_packet_with_as_many_filters_as_it_holds() -> Result<()> {
    attack(async |address| {
        let names: Vec<_> = (0..999).map(|n| format!("komandorr/traffic/x{n}")).collect();
        let mut all: Vec<_> = names.iter().map(String::as_str).collect();
        all.resize(120_000, "+/+/x");
        let mut client = Raw::connect(address, 5, "many").await?;
        client.send(&filters(0x82, 5, &all)).await?;
        let ack = client.packet().await?;
        ensure!(ack.ends_with(&vec![0x97; 119_000]));
        client.send(&filters(0xa2, 5, &all)).await?;
        let ack = client.packet().await?;
        ensure!(ack.ends_with(&vec![0x11; 119_000]));
        client.ping().await
    })
    .await
}

#[tokio::test]
async fn silent_and_trickling_sockets_in_numbers() -> Result<()> {
    attack(async |address| {
        let mut all = Vec::new();
        for n in 0..60 {
            let mut client = Raw::open(address).await?;
            if n % 2 == 0 {
                client.send(&[0x10, 0x80]).await?;
            }
            all.push(client);
        }
        // Another one gets in meanwhile.
        Raw::connect(address, 4, "another").await?.ping().await
    })
    .await
}

#[tokio::test]
async fn pings_and_acknowledgements_nobody_waits_for() -> Result<()> {
    attack(async |address| {
        let mut client = Raw::connect(address, 4, "noisy").await?;
        let flood: Vec<u8> = (0..2000_u16)
            .flat_map(|n| [0x40, 2, n.to_be_bytes()[0], n.to_be_bytes()[1] | 1, 0xc0, 0])
            .collect();
        client.send(&flood).await?;
        for _ in 0..2000 {
            client.expect(&[0xd0, 0]).await?;
        }
        Ok(())
    })
    .await
}
