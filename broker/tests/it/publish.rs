//! Publishing and acknowledgements: PUBACK means stored.

use anyhow::{Result, ensure};
use bytes::Bytes;
use komandorr_broker::{Config, Refused};
use komandorr_wire::{DecodeError, Outcome, ServiceId};
use tokio::time::{Duration, timeout};

use crate::support::*;

const TOPIC: &str = "komandorr/traffic/web-1";

#[tokio::test]
async fn a_publish_is_stored_acknowledged_and_forwarded_on_both_versions() -> Result<()> {
    let mut server = start().await?;
    for level in [4, 5] {
        let mut subscriber = Raw::connect(server.address, level, "sub").await?;
        subscriber.subscribe(level, "komandorr/traffic/+", 1).await?;
        let mut publisher = Raw::connect(server.address, level, "pub").await?;
        publisher.send(&publish(level, 2, TOPIC, 9, b"sample")).await?;
        publisher.expect(&[0x40, 2, 0, 9]).await?;
        let stored = server.next_stored().await?;
        assert_eq!((stored.service.as_str(), &*stored.payload), ("web-1", b"sample".as_slice()));
        assert!(stored.arrived_ms > 1_700_000_000_000);
        let (first, topic, payload) = read_publish(level, &subscriber.packet().await?)?;
        assert_eq!((first, topic.as_str(), &*payload), (0x32, TOPIC, b"sample".as_slice()));
    }
    assert_eq!(server.broker.metrics().puback_latency.count, 2);
    Ok(())
}

#[tokio::test]
async fn nothing_is_acknowledged_before_it_is_stored() -> Result<()> {
    let server = start().await?;
    server.store.send(Store::Stands)?;
    let mut publisher = Raw::connect(server.address, 4, "pub").await?;
    publisher.send(&publish(4, 2, TOPIC, 1, b"a")).await?;
    // Pings behind it are answered: the acknowledgement alone waits.
    publisher.ping().await?;
    publisher.send(&publish(4, 2, TOPIC, 2, b"b")).await?;
    publisher.ping().await?;
    server.store.send(Store::Settles)?;
    publisher.expect(&[0x40, 2, 0, 1]).await?;
    publisher.expect(&[0x40, 2, 0, 2]).await
}

#[tokio::test]
async fn a_refused_payload_is_acknowledged_with_its_reason() -> Result<()> {
    let server = start().await?;
    let mut v5 = Raw::connect(server.address, 5, "v5").await?;
    v5.send(&publish(5, 2, TOPIC, 1, b"bad")).await?;
    v5.expect(&[0x40, 4, 0, 1, 0x99, 0]).await?;
    v5.send(&publish(5, 2, TOPIC, 2, b"good")).await?;
    v5.expect(&[0x40, 2, 0, 2]).await?;
    let mut v4 = Raw::connect(server.address, 4, "v4").await?;
    v4.send(&publish(4, 2, TOPIC, 3, b"bad")).await?;
    v4.expect(&[0x40, 2, 0, 3]).await?;
    assert_eq!(server.broker.metrics().payloads_refused, 2);
    Ok(())
}

#[tokio::test]
async fn acknowledgements_keep_the_order_of_the_publishes() -> Result<()> {
    let server = start().await?;
    server.store.send(Store::Stands)?;
    let mut client = Raw::connect(server.address, 5, "c").await?;
    let status = "komandorr/status/web-1";
    client
        .send(&[publish(5, 2, TOPIC, 1, b"a"), publish(5, 2, status, 2, b"online")].concat())
        .await?;
    client
        .send(&[publish(5, 2, status, 3, b"maybe"), publish(5, 2, TOPIC, 4, b"bad")].concat())
        .await?;
    client.ping().await?;
    server.store.send(Store::Settles)?;
    client.expect(&[0x40, 2, 0, 1]).await?;
    client.expect(&[0x40, 2, 0, 2]).await?;
    client.expect(&[0x40, 4, 0, 3, 0x99, 0]).await?;
    client.expect(&[0x40, 4, 0, 4, 0x99, 0]).await
}

#[tokio::test]
async fn a_message_of_qos_0_is_stored_too() -> Result<()> {
    let mut server = start().await?;
    let mut client = Raw::connect(server.address, 4, "c").await?;
    client.send(&publish(4, 0, TOPIC, 0, b"fire and forget")).await?;
    assert_eq!(&*server.next_stored().await?.payload, b"fire and forget");
    Ok(())
}

#[tokio::test]
async fn when_the_store_goes_away_the_connection_ends_without_acknowledgement() -> Result<()> {
    let mut server = start().await?;
    server.store.send(Store::Stands)?;
    for level in [4, 5] {
        let mut client = Raw::connect(server.address, level, "c").await?;
        client.send(&publish(level, 2, TOPIC, 1, b"a")).await?;
        client.ping().await?;
        server.tasks.abort_all();
        let rest = client.rest().await?;
        let expected: &[u8] = if level == 5 { &[0xe0, 2, 0x88, 0] } else { &[] };
        assert_eq!(rest, expected);
        server.until(|m| m.refused(Refused::StoreGone) == 1).await?;
        assert!(!server.broker.is_healthy());
        server = start().await?;
        server.store.send(Store::Stands)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_slow_store_slows_publishers_and_nobody_else() -> Result<()> {
    let config = Config {
        unacknowledged_bytes: 64 * 1024,
        packet_size: 16 * 1024,
        unacknowledged_per_client: 50,
        ..Config::default()
    };
    let mut server = start_with(config, TRUSTED).await?;
    let mut subscriber = Raw::connect(server.address, 5, "sub").await?;
    subscriber.subscribe(5, "komandorr/#", 0).await?;
    server.store.send(Store::Stands)?;
    // Twenty publishers with far more than the broker may hold.
    let mut publishers = Vec::new();
    for n in 0..20 {
        let mut publisher = Raw::connect(server.address, 4, &format!("p{n}")).await?;
        publishers.push(spawn(async move {
            for id in 1..=100 {
                publisher.send(&publish(4, 2, TOPIC, id, &[b'x'; 4000])).await?;
            }
            for id in 1..=100_u8 {
                publisher.expect(&[0x40, 2, 0, id]).await?;
            }
            anyhow::Ok(())
        }));
    }
    server.until(|m| m.unacknowledged_bytes > 50 * 1024).await?;
    for _ in 0..20 {
        timeout(Duration::from_millis(500), subscriber.ping_between()).await??;
        ensure!(server.broker.metrics().unacknowledged_bytes <= 64 * 1024);
    }
    // Presence goes on while samples wait.
    let mut other = Raw::connect(server.address, 4, "other").await?;
    other.send(&publish(4, 3, "komandorr/status/web-2", 1, b"online")).await?;
    other.expect(&[0x40, 2, 0, 1]).await?;
    server.store.send(Store::Settles)?;
    for publisher in publishers {
        publisher.await?;
    }
    for _ in 0..2000 {
        server.next_stored().await?;
    }
    server.until(|m| m.unacknowledged_bytes == 0).await
}

#[tokio::test]
async fn the_site_publishes_through_the_same_pipeline() -> Result<()> {
    let mut server = start().await?;
    let mut subscriber = Raw::connect(server.address, 4, "sub").await?;
    subscriber.subscribe(4, TOPIC, 0).await?;
    let service = ServiceId::new("web-1")?;
    let outcome = server.broker.publish(service.clone(), Bytes::from_static(b"x")).await;
    assert_eq!(outcome, Ok(Outcome::Stored));
    assert_eq!(&*server.next_stored().await?.payload, b"x");
    assert_eq!(read_publish(4, &subscriber.packet().await?)?.2, b"x");
    let outcome = server.broker.publish(service.clone(), Bytes::from_static(b"bad")).await;
    assert_eq!(outcome, Ok(Outcome::Refused(DecodeError::NotASample)));
    server.broker.drain();
    assert!(server.broker.publish(service, Bytes::from_static(b"x")).await.is_err());
    Ok(())
}

#[tokio::test]
async fn draining_still_acknowledges_and_stopping_says_goodbye() -> Result<()> {
    let server = start().await?;
    server.store.send(Store::Stands)?;
    let mut client = Raw::connect(server.address, 5, "c").await?;
    client.send(&publish(5, 2, TOPIC, 1, b"before")).await?;
    client.ping().await?;
    server.broker.drain();
    client.send(&publish(5, 2, TOPIC, 2, b"after")).await?;
    server.store.send(Store::Settles)?;
    client.expect(&[0x40, 2, 0, 1]).await?;
    server.stop.cancel();
    // The second one was never taken: no acknowledgement, it comes again.
    assert_eq!(client.rest().await?, [0xe0, 2, 0x8b, 0]);
    timeout(PATIENCE, server.broker.closed()).await?;
    assert!(Raw::open(server.address).await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_clean_stop_closes_every_socket_within_a_second() -> Result<()> {
    let server = start().await?;
    let mut clients = Vec::new();
    for n in 0..100 {
        let level = if n % 2 == 0 { 4 } else { 5 };
        let mut client = Raw::connect(server.address, level, &format!("c{n}")).await?;
        if n % 5 == 0 {
            client.subscribe(level, "komandorr/#", 1).await?;
        }
        clients.push(client);
    }
    let silent = Raw::open(server.address).await?;
    clients.push(silent);
    server.stop.cancel();
    timeout(Duration::from_secs(1), server.broker.closed()).await?;
    for mut client in clients {
        client.rest().await?;
    }
    assert!(server.broker.metrics().clients.is_empty());
    Ok(())
}
