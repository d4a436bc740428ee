//! Every limit bites, is counted, and hits only whom it should.

use anyhow::{Result, ensure};
use komandorr_broker::{Config, Held, Refused};
use tokio::{
    io::AsyncWriteExt,
    time::{Duration, Instant},
};

use crate::support::*;

const SHORT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn connections_in_all_and_per_address() -> Result<()> {
    let table = [
        (Config { connections: 3, ..Config::default() }, Refused::Connections),
        (
            Config { connections_per_address: 3, ..Config::default() },
            Refused::ConnectionsPerAddress,
        ),
    ];
    for (config, why) in table {
        let server = start_with(config, TRUSTED).await?;
        let mut inside = Vec::new();
        for n in 0..3 {
            inside.push(Raw::connect(server.address, 4, &format!("c{n}")).await?);
        }
        ensure!(Raw::connect(server.address, 4, "more").await.is_err());
        ensure!(server.broker.metrics().refused(why) == 1);
        // Again and again, at the limit.
        for _ in 0..20 {
            ensure!(Raw::connect(server.address, 5, "more").await.is_err());
        }
        inside[0].ping().await?;
        inside.pop();
        server.until(|m| m.clients.len() == 2).await?;
        // The place is free as soon as the old socket is closed.
        while Raw::connect(server.address, 4, "more").await.is_err() {}
    }
    Ok(())
}

#[tokio::test]
async fn sockets_that_say_nothing_are_few_and_short_lived() -> Result<()> {
    let short = Config { handshake_timeout: Duration::from_millis(500), ..Config::default() };
    let table = [
        (Config { handshakes: 2, ..short.clone() }, Refused::Handshakes),
        (Config { handshakes_per_address: 2, ..short }, Refused::HandshakesPerAddress),
    ];
    for (config, why) in table {
        let server = start_with(config, TRUSTED).await?;
        let mut silent = [Raw::open(server.address).await?, Raw::open(server.address).await?];
        silent[1].send(&[0x10, 0x7f, 0]).await?;
        ensure!(Raw::connect(server.address, 4, "c").await.is_err());
        ensure!(server.broker.metrics().refused(why) == 1);
        for client in &mut silent {
            ensure!(client.rest().await?.is_empty());
        }
        ensure!(server.broker.metrics().refused(Refused::HandshakeTimeout) == 2);
        Raw::connect(server.address, 4, "c").await?.ping().await?;
    }
    Ok(())
}

#[tokio::test]
async fn unacknowledged_messages_of_one_client_and_bytes_of_all() -> Result<()> {
    let table = [
        (Config { unacknowledged_per_client: 4, ..Config::default() }, Held::Client),
        (
            Config { unacknowledged_bytes: 4096, packet_size: 2048, ..Config::default() },
            Held::Bytes,
        ),
    ];
    for (config, why) in table {
        let server = start_with(config, TRUSTED).await?;
        server.store.send(Store::Stands)?;
        let mut client = Raw::connect(server.address, 4, "eager").await?;
        for id in 1..=8_u8 {
            client.send(&publish(4, 2, "komandorr/traffic/a", id.into(), &[b'x'; 1000])).await?;
        }
        server.until(|m| m.held(why) == 1).await?;
        let taken = server.broker.metrics().publishes;
        ensure!((2..8).contains(&taken), "{taken} of 8 were taken");
        // Nobody else waits for it.
        Raw::connect(server.address, 4, "other").await?.ping().await?;
        server.store.send(Store::Settles)?;
        for id in 1..=8_u8 {
            client.expect(&[0x40, 2, 0, id]).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn keep_alive_holds_while_messages_flow_to_a_dead_client() -> Result<()> {
    let mut server = start().await?;
    let mut dead = Raw::open(server.address).await?;
    dead.send(&connect_with(4, "dead", None, None, 1)).await?;
    dead.packet().await?;
    dead.subscribe(4, "komandorr/traffic/+", 0).await?;
    let mut publisher = Raw::connect(server.address, 4, "p").await?;
    // It reads everything and says nothing any more.
    let reads = spawn(async move {
        dead.rest().await?;
        anyhow::Ok(())
    });
    while server.broker.metrics().refused(Refused::KeepAlive) == 0 {
        publisher.send(&publish(4, 2, "komandorr/traffic/a", 1, b"x")).await?;
        publisher.expect(&[0x40, 2, 0, 1]).await?;
        server.next_stored().await?;
    }
    reads.await?;
    publisher.ping().await
}

#[tokio::test]
async fn unacknowledged_messages_hold_back_neither_pongs_nor_pubacks() -> Result<()> {
    let config = Config { inflight_per_subscriber: 100, ..Config::default() };
    let mut server = start_with(config, TRUSTED).await?;
    for level in [4, 5] {
        let mut slow = Raw::connect(server.address, level, "slow").await?;
        slow.subscribe(level, "komandorr/traffic/a", 1).await?;
        let mut publisher = Raw::connect(server.address, 4, "p").await?;
        for id in 1..=200_u8 {
            publisher.send(&publish(4, 2, "komandorr/traffic/a", id.into(), b"x")).await?;
            publisher.expect(&[0x40, 2, 0, id]).await?;
            server.next_stored().await?;
        }
        // A hundred are under way and never acknowledged.
        for _ in 0..100 {
            read_publish(level, &slow.packet().await?)?;
        }
        for _ in 0..3 {
            slow.ping().await?;
        }
        slow.send(&publish(level, 2, "komandorr/traffic/b", 9, b"x")).await?;
        slow.expect(&[0x40, 2, 0, 9]).await?;
        server.next_stored().await?;
    }
    Ok(())
}

#[tokio::test]
async fn no_session_is_kept_and_mqtt_5_is_told_so() -> Result<()> {
    let server = start().await?;
    // Session expiry 100 s, clean start off.
    let hello = b"\0\x04MQTT\x05\0\0\x3c\x05\x11\0\0\0\x64\0\x01s";
    for _ in 0..2 {
        let mut client = Raw::open(server.address).await?;
        client.send(&packet(0x10, hello)).await?;
        let ack = client.packet().await?;
        ensure!(ack[2] == 0, "a session was there: {ack:02x?}");
        ensure!(ack.windows(5).any(|five| five == [0x11, 0, 0, 0, 0]), "{ack:02x?}");
        client.subscribe(5, "komandorr/traffic/+", 1).await?;
    }
    Ok(())
}

#[tokio::test]
async fn packet_size_and_client_id() -> Result<()> {
    let config = Config { packet_size: 2048, client_id_length: 10, ..Config::default() };
    let server = start_with(config, TRUSTED).await?;
    for level in [4, 5] {
        let mut client = Raw::connect(server.address, level, "0123456789").await?;
        client.send(&publish(level, 2, "komandorr/traffic/a", 1, &[b'x'; 2000])).await?;
        client.expect(&[0x40, 2, 0, 1]).await?;
        client.send(&publish(level, 2, "komandorr/traffic/a", 1, &[b'x'; 2048])).await?;
        let goodbye = if level == 5 { vec![0xe0, 2, 0x95, 0] } else { vec![] };
        ensure!(client.rest().await? == goodbye);
        let mut client = Raw::open(server.address).await?;
        client.send(&connect(level, "01234567890", None)).await?;
        let no = if level == 5 { vec![0x20, 3, 0, 0x85, 0] } else { vec![0x20, 2, 0, 2] };
        ensure!(client.rest().await? == no);
    }
    let metrics = server.broker.metrics();
    ensure!(metrics.refused(Refused::PacketSize) == 2 && metrics.refused(Refused::ClientId) == 2);
    Ok(())
}

#[tokio::test]
async fn subscriptions_of_one_client() -> Result<()> {
    let config = Config { subscriptions_per_client: 2, ..Config::default() };
    let server = start_with(config, TRUSTED).await?;
    let mut client = Raw::connect(server.address, 5, "c").await?;
    client.subscribe(5, "komandorr/traffic/a", 0).await?;
    client.subscribe(5, "komandorr/traffic/b", 0).await?;
    client.subscribe(5, "komandorr/traffic/b", 1).await?;
    client.send(&subscribe(5, 3, "komandorr/traffic/c", 0)).await?;
    client.expect(&[0x90, 4, 0, 3, 0, 0x97]).await?;
    ensure!(server.broker.metrics().refused(Refused::Subscriptions) == 1);
    Ok(())
}

#[tokio::test]
async fn filters_of_one_packet() -> Result<()> {
    let config = Config { subscriptions_per_client: 2, ..Config::default() };
    let server = start_with(config, TRUSTED).await?;
    let mut publisher = Raw::connect(server.address, 4, "p").await?;
    publisher.send(&publish(4, 3, "komandorr/status/a", 1, b"online")).await?;
    publisher.expect(&[0x40, 2, 0, 1]).await?;
    let (a, b) = ("komandorr/status/a", "komandorr/status/b");
    for level in [4, 5] {
        let mut client = Raw::connect(server.address, level, "c").await?;
        // The third one would fit, and is refused all the same.
        client.send(&filters(0x82, level, &[a, a, b])).await?;
        let ack = client.packet().await?;
        let refused = if level == 5 { 0x97 } else { 0x80 };
        ensure!(ack.first() == Some(&0x90) && ack.ends_with(&[0, 0, refused]), "{ack:02x?}");
        // What is retained comes once, and then nothing more.
        ensure!(read_publish(level, &client.packet().await?)?.2 == b"online");
        client.ping().await?;
        client.send(&filters(0xa2, level, &[b, b, a])).await?;
        let ack = client.packet().await?;
        ensure!(level == 4 || ack.ends_with(&[0x11, 0x11, 0x11]), "{ack:02x?}");
        // So it is still there.
        publisher.send(&publish(4, 2, a, 1, b"online")).await?;
        publisher.expect(&[0x40, 2, 0, 1]).await?;
        ensure!(read_publish(level, &client.packet().await?)?.1 == a);
    }
    ensure!(server.broker.metrics().refused(Refused::Subscriptions) == 2);
    Ok(())
}

#[tokio::test]
async fn retained_topics() -> Result<()> {
    let server = start_with(Config { retained: 1, ..Config::default() }, TRUSTED).await?;
    let mut client = Raw::connect(server.address, 5, "c").await?;
    client.send(&publish(5, 3, "komandorr/status/a", 1, b"online")).await?;
    client.expect(&[0x40, 2, 0, 1]).await?;
    client.send(&publish(5, 3, "komandorr/status/b", 2, b"online")).await?;
    client.expect(&[0x40, 4, 0, 2, 0x97, 0]).await?;
    client.send(&publish(5, 3, "komandorr/status/a", 3, b"offline")).await?;
    client.expect(&[0x40, 2, 0, 3]).await?;
    ensure!(server.broker.metrics().refused(Refused::Retained) == 1);
    Ok(())
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_dropped_and_loses_the_oldest() -> Result<()> {
    let config = Config {
        write_timeout: Duration::from_millis(300),
        subscriber_backlog: 256 * 1024,
        ..Config::default()
    };
    let mut server = start_with(config, TRUSTED).await?;
    let mut deaf = Raw::connect(server.address, 4, "deaf").await?;
    deaf.subscribe(4, "komandorr/traffic/+", 0).await?;
    let mut hears = Raw::connect(server.address, 4, "hears").await?;
    hears.subscribe(4, "komandorr/traffic/+", 0).await?;
    let mut publisher = Raw::connect(server.address, 4, "p").await?;
    let mut n = 0_u32;
    // The kernel's buffers take some megabytes before anything stalls.
    while server.broker.metrics().refused(Refused::WriteTimeout) == 0 {
        n += 1;
        let payload = [&n.to_be_bytes()[..], &vec![b'x'; 20_000]].concat();
        publisher.send(&publish(4, 2, "komandorr/traffic/a", 1, &payload)).await?;
        publisher.expect(&[0x40, 2, 0, 1]).await?;
        server.next_stored().await?;
        let copy = read_publish(4, &hears.packet().await?)?.2;
        ensure!(copy == payload, "a subscriber that listens lost a message");
        ensure!(n < 20_000, "the deaf one is never dropped");
    }
    hears.ping().await
}

#[tokio::test]
async fn keep_alive_is_counted_in_packets() -> Result<()> {
    let server = start().await?;
    for level in [4, 5] {
        let mut client = Raw::open(server.address).await?;
        client.send(&connect_with(level, "c", None, None, 1)).await?;
        client.packet().await?;
        let start = Instant::now();
        // A byte now and then is no packet.
        client.stream.write_all(&[0x30]).await?;
        let goodbye = if level == 5 { vec![0xe0, 2, 0x8d, 0] } else { vec![] };
        ensure!(client.rest().await? == goodbye);
        let waited = start.elapsed();
        ensure!((1400..2500).contains(&waited.as_millis()), "ended after {waited:?}");
    }
    ensure!(server.broker.metrics().refused(Refused::KeepAlive) == 2);
    Ok(())
}

#[tokio::test]
async fn a_keep_alive_of_none_is_clamped_and_said() -> Result<()> {
    let config = Config { keep_alive: Duration::from_mins(2), ..Config::default() };
    let server = start_with(config, TRUSTED).await?;
    for (asked, clamped) in [(0, true), (600, true), (60, false), (120, false)] {
        let mut client = Raw::open(server.address).await?;
        client.send(&connect_with(5, "c", None, None, asked)).await?;
        let ack = client.packet().await?;
        let says = ack.windows(3).any(|three| three == [0x13, 0, 120]);
        ensure!(says == clamped, "asked for {asked}: {ack:02x?}");
    }
    Ok(())
}

#[tokio::test]
async fn wrong_passwords_slow_their_address_down() -> Result<()> {
    let config = Config { wrong_password_delay: SHORT, ..Config::default() };
    let server = start_with(config, GUARDED).await?;
    let start = Instant::now();
    for _ in 0..4 {
        let mut client = Raw::open(server.address).await?;
        client.send(&connect(5, "c", Some(("web-1", "guess")))).await?;
        ensure!(client.rest().await? == [0x20, 3, 0, 0x86, 0]);
    }
    // Nothing, 100, 200, 400 ms.
    ensure!(start.elapsed() >= Duration::from_millis(700), "{:?}", start.elapsed());
    ensure!(server.broker.metrics().refused(Refused::Credentials) == 4);
    Raw::connect_as(server.address, 4, "c", "web-1").await?.ping().await
}

#[tokio::test]
async fn a_right_password_waits_for_no_wrong_one() -> Result<()> {
    let config = Config { wrong_password_delay: Duration::from_secs(6), ..Config::default() };
    let server = start_with(config, GUARDED).await?;
    let hello = connect(5, "c", Some(("web-1", "guess")));
    let mut first = Raw::open(server.address).await?;
    first.send(&hello).await?;
    ensure!(first.rest().await? == [0x20, 3, 0, 0x86, 0]);
    let mut held_back = Raw::open(server.address).await?;
    held_back.send(&hello).await?;
    for level in [4, 5] {
        Raw::connect_as(server.address, level, "c", "web-1").await?.ping().await?;
    }
    let refused = server.broker.metrics().refused(Refused::Credentials);
    ensure!(refused == 1, "the wrong one's turn came first");
    Ok(())
}

#[tokio::test]
async fn guessing_beyond_measure_is_sent_away_at_once() -> Result<()> {
    let config = Config { wrong_password_delay: Duration::from_secs(20), ..Config::default() };
    let server = start_with(config, GUARDED).await?;
    let hello = connect(5, "c", Some(("web-1", "guess")));
    for answer in [[0x20, 3, 0, 0x86, 0], [0x20, 3, 0, 0x9f, 0]] {
        let mut client = Raw::open(server.address).await?;
        client.send(&hello).await?;
        ensure!(client.rest().await? == answer);
    }
    ensure!(server.broker.metrics().refused(Refused::SlowedDown) == 1);
    Raw::connect_as(server.address, 4, "c", "web-1").await?.ping().await
}

#[tokio::test]
async fn a_client_s_own_limits_are_respected() -> Result<()> {
    let server = start().await?;
    // Receive maximum 2, maximum packet size 60.
    let hello = b"\0\x04MQTT\x05\x02\0\x3c\x08\x21\0\x02\x27\0\0\0\x3c\0\x01s";
    let mut client = Raw::open(server.address).await?;
    client.send(&packet(0x10, hello)).await?;
    client.packet().await?;
    client.subscribe(5, "komandorr/traffic/+", 1).await?;
    let mut publisher = Raw::connect(server.address, 4, "p").await?;
    let topic = "komandorr/traffic/a";
    publisher.send(&publish(4, 2, topic, 1, &[b'x'; 100])).await?;
    for id in 2..6_u8 {
        publisher.send(&publish(4, 2, topic, id.into(), &[b'0' + id])).await?;
    }
    let mut waiting = Vec::new();
    for id in [2, 3] {
        let message = client.packet().await?;
        ensure!(read_publish(5, &message)?.2 == [b'0' + id]);
        waiting.push(delivered_id(&message)?);
    }
    // Two are under way: no third before an acknowledgement, in any order.
    client.ping().await?;
    waiting.reverse();
    for (id, [high, low]) in [4, 5].into_iter().zip(waiting) {
        client.send(&[0x40, 2, high, low]).await?;
        ensure!(read_publish(5, &client.packet().await?)?.2 == [b'0' + id]);
        client.ping().await?;
    }
    Ok(())
}
