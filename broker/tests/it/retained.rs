//! Presence: retained status topics and last wills.

use std::collections::BTreeMap;

use anyhow::Result;
use komandorr_broker::{Config, Identity};
use komandorr_wire::ServiceId;
use tokio::io::AsyncWriteExt;

use crate::support::*;

const STATUS: &str = "komandorr/status/web-1";

async fn presences(client: &mut Raw, level: u8, n: usize) -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for _ in 0..n {
        let packet = client.packet().await?;
        let (first, topic, payload) = read_publish(level, &packet)?;
        assert_eq!(first & 1, 1, "the retain flag");
        if first & 6 != 0 {
            let [high, low] = delivered_id(&packet)?;
            client.send(&[0x40, 2, high, low]).await?;
        }
        all.insert(topic, String::from_utf8(payload)?);
    }
    Ok(all)
}

#[tokio::test]
async fn late_subscribers_get_the_status_of_every_service() -> Result<()> {
    let server = start().await?;
    let mut client = Raw::connect(server.address, 4, "pub").await?;
    for n in 0..500_u16 {
        let topic = format!("komandorr/status/web-{n}");
        let state: &[u8] = if n % 3 == 0 { b"offline" } else { b"online" };
        client.send(&publish(4, 3, &topic, n + 1, b"online")).await?;
        client.packet().await?;
        client.send(&publish(4, 3, &topic, n + 1, state)).await?;
        client.packet().await?;
    }
    for level in [4, 5] {
        for qos in [0, 1] {
            let mut late = Raw::connect(server.address, level, "late").await?;
            late.subscribe(level, "komandorr/status/+", qos).await?;
            let all = presences(&mut late, level, 500).await?;
            assert_eq!(all.len(), 500);
            assert_eq!(all["komandorr/status/web-3"], "offline");
            assert_eq!(all["komandorr/status/web-4"], "online");
            late.ping().await?;
            let mut one = Raw::connect(server.address, level, "one").await?;
            one.subscribe(level, STATUS, qos).await?;
            assert_eq!(presences(&mut one, level, 1).await?[STATUS], "online");
            one.ping().await?;
        }
    }
    assert_eq!(server.broker.metrics().retained, 500);
    Ok(())
}

#[tokio::test]
async fn only_an_empty_retained_message_clears() -> Result<()> {
    let server = start().await?;
    let mut client = Raw::connect(server.address, 4, "pub").await?;
    client.send(&publish(4, 3, STATUS, 1, b"online")).await?;
    client.packet().await?;
    client.send(&publish(4, 2, STATUS, 2, b"")).await?;
    client.packet().await?;
    assert_eq!(server.broker.metrics().retained, 1);
    client.send(&publish(4, 3, STATUS, 3, b"")).await?;
    client.packet().await?;
    assert_eq!(server.broker.metrics().retained, 0);
    let mut late = Raw::connect(server.address, 4, "late").await?;
    late.subscribe(4, STATUS, 1).await?;
    late.ping().await
}

#[tokio::test]
async fn traffic_is_never_retained() -> Result<()> {
    let mut server = start().await?;
    let mut client = Raw::connect(server.address, 4, "pub").await?;
    client.send(&publish(4, 3, "komandorr/traffic/web-1", 1, b"x")).await?;
    client.packet().await?;
    server.next_stored().await?;
    let mut late = Raw::connect(server.address, 4, "late").await?;
    late.subscribe(4, "komandorr/#", 1).await?;
    late.ping().await
}

#[tokio::test]
async fn retain_handling_of_mqtt_5_is_respected() -> Result<()> {
    let server = start().await?;
    let mut client = Raw::connect(server.address, 5, "c").await?;
    client.send(&publish(5, 3, STATUS, 1, b"online")).await?;
    client.packet().await?;
    let granted = [0x90, 4, 0, 9, 0, 0];
    for (options, comes) in [(0x20, false), (0x10, false), (0x00, true), (0x10, false)] {
        client.send(&subscribe(5, 9, STATUS, options)).await?;
        client.expect(&granted).await?;
        if comes {
            presences(&mut client, 5, 1).await?;
        }
        client.ping().await?;
    }
    // New, with "only when new".
    client.send(&subscribe(5, 9, "komandorr/status/+", 0x10)).await?;
    client.expect(&granted).await?;
    presences(&mut client, 5, 1).await?;
    // Retain as published, and not what the client publishes itself.
    let mut other = Raw::connect(server.address, 5, "other").await?;
    other.send(&subscribe(5, 9, STATUS, 0x2c)).await?;
    other.expect(&granted).await?;
    other.send(&publish(5, 1, STATUS, 0, b"online")).await?;
    client.send(&publish(5, 1, STATUS, 0, b"offline")).await?;
    let (first, _, payload) = read_publish(5, &other.packet().await?)?;
    assert_eq!((first, &*payload), (0x31, b"offline".as_slice()));
    Ok(())
}

#[tokio::test]
async fn the_last_will_is_published_when_a_client_vanishes_and_only_then() -> Result<()> {
    let server = start().await?;
    for level in [4, 5] {
        let mut watcher = Raw::connect(server.address, level, "watch").await?;
        watcher.subscribe(level, "komandorr/status/+", 1).await?;
        watcher.ping_between().await?;
        let hello = connect_with(level, "agent", None, Some((STATUS, b"offline")), 60);
        let go = async || -> Result<Raw> {
            let mut agent = Raw::open(server.address).await?;
            agent.send(&hello).await?;
            agent.packet().await?;
            agent.send(&publish(level, 1, STATUS, 0, b"online")).await?;
            Ok(agent)
        };
        let mut agent = go().await?;
        assert_eq!(read_publish(level, &watcher.packet().await?)?.2, b"online");
        agent.stream.shutdown().await?;
        assert_eq!(read_publish(level, &watcher.packet().await?)?.2, b"offline");
        // Taken over: the will of the old one, then the new one's word.
        let mut agent = go().await?;
        assert_eq!(read_publish(level, &watcher.packet().await?)?.2, b"online");
        let mut successor = go().await?;
        assert_eq!(read_publish(level, &watcher.packet().await?)?.2, b"offline");
        assert_eq!(read_publish(level, &watcher.packet().await?)?.2, b"online");
        let goodbye: &[u8] = if level == 5 { &[0xe0, 2, 0x8e, 0] } else { &[] };
        assert_eq!(agent.rest().await?, goodbye);
        // DISCONNECT: no will.
        successor.send(&[0xe0, 0]).await?;
        assert_eq!(successor.rest().await?, [0_u8; 0]);
        watcher.ping().await?;
        if level == 5 {
            let mut agent = go().await?;
            assert_eq!(read_publish(level, &watcher.packet().await?)?.2, b"online");
            agent.send(&[0xe0, 1, 4]).await?;
            assert_eq!(read_publish(level, &watcher.packet().await?)?.2, b"offline");
        }
    }
    Ok(())
}

#[tokio::test]
async fn nothing_stays_of_a_service_that_is_removed() -> Result<()> {
    let server = start_with(Config::default(), GUARDED).await?;
    let mut watcher = Raw::connect_as(server.address, 5, "watch", "reader").await?;
    watcher.subscribe(5, "komandorr/status/+", 0).await?;
    let mut agent = Raw::open(server.address).await?;
    let user = Some(("web-1", "token-of-web-1"));
    agent.send(&connect_with(5, "agent", user, Some((STATUS, b"offline")), 60)).await?;
    agent.packet().await?;
    agent.send(&publish(5, 1, STATUS, 0, b"online")).await?;
    assert_eq!(read_publish(5, &watcher.packet().await?)?.2, b"online");
    let service = ServiceId::new("web-1")?;
    server.registry.removed.lock().insert(service.clone());
    let is_gone = |who: &Identity| *who == Identity::Service(service.clone());
    assert_eq!(server.broker.disconnect(is_gone), 1);
    server.broker.clear_status(&service);
    let (_, topic, payload) = read_publish(5, &watcher.packet().await?)?;
    assert_eq!((&*topic, &*payload), (STATUS, b"".as_slice()));
    agent.rest().await?;
    server.until(|metrics| metrics.clients.len() == 1).await?;
    // Its last will is neither kept nor sent.
    watcher.ping().await?;
    assert_eq!(server.broker.metrics().retained, 0);
    Ok(())
}
