//! What is refused, and how a client learns of it.

use anyhow::Result;
use komandorr_broker::{Config, Identity, Refused};

use crate::support::*;

#[tokio::test]
async fn a_refused_publish_ends_the_connection_with_its_reason() -> Result<()> {
    let server = start_with(Config::default(), GUARDED).await?;
    let table = [
        ("web-1", "komandorr/traffic/web-2", 0x87),
        ("web-1", "komandorr/status/web-2", 0x87),
        ("web-1", "other/topic", 0x87),
        ("web-1", "komandorr/traffic/current", 0x87),
        ("reader", "komandorr/traffic/web-1", 0x87),
        ("one", "komandorr/status/web-1", 0x87),
        ("admin", "komandorr/traffic/web-1", 0x87),
        ("unknown-1", "komandorr/traffic/unknown-1", 0x87),
    ];
    for (user, topic, code) in table {
        for (level, flags) in [(4, 2), (5, 2), (4, 0), (5, 0)] {
            let mut client = Raw::connect_as(server.address, level, "c", user).await?;
            client.send(&publish(level, flags, topic, 1, b"x")).await?;
            let goodbye = if level == 5 { vec![0xe0, 2, code, 0] } else { vec![] };
            assert_eq!(client.rest().await?, goodbye, "{user} {topic} {level}");
        }
    }
    let metrics = server.broker.metrics();
    assert_eq!(metrics.refused(Refused::Publish), 28);
    assert_eq!(metrics.refused(Refused::Unregistered), 4);
    Ok(())
}

#[tokio::test]
async fn a_refused_subscription_has_its_code_and_the_connection_stays() -> Result<()> {
    let server = start_with(Config::default(), GUARDED).await?;
    let table = [
        ("one", "komandorr/traffic/web-1", [1, 1]),
        ("one", "komandorr/traffic/+", [0x80, 0x87]),
        ("one", "komandorr/status/web-2", [0x80, 0x87]),
        ("web-1", "komandorr/traffic/web-1", [0x80, 0x87]),
        ("reader", "komandorr/#", [1, 1]),
        ("reader", "$share/g/komandorr/traffic/+", [0x80, 0x9e]),
        ("reader", "$SYS/#", [0x80, 0x87]),
        ("reader", "komandorr/#/x", [0x80, 0x8f]),
        ("admin", "komandorr/status/+", [1, 1]),
    ];
    for (user, filter, codes) in table {
        for (level, code) in [4, 5].into_iter().zip(codes) {
            let mut client = Raw::connect_as(server.address, level, "c", user).await?;
            client.send(&subscribe(level, 3, filter, 2)).await?;
            let ack = client.packet().await?;
            assert_eq!((ack[0], ack.last()), (0x90, Some(&code)), "{user} {filter}");
            client.ping_between().await?;
        }
    }
    assert_eq!(server.broker.metrics().refused(Refused::Subscription), 12);
    Ok(())
}

#[tokio::test]
async fn a_wrong_password_or_will_gets_a_connack_that_says_so() -> Result<()> {
    let server = start_with(Config::default(), GUARDED).await?;
    let good = ("web-1", "token-of-web-1");
    let foreign = Some(("komandorr/status/web-2", b"offline".as_slice()));
    let odd = Some(("komandorr/status/web-1", b"perhaps".as_slice()));
    let mut table = vec![
        (connect(4, "c", None), vec![0x20, 2, 0, 5]),
        (connect(5, "c", None), vec![0x20, 3, 0, 0x86, 0]),
        (connect_with(4, "c", Some(good), foreign, 9), vec![0x20, 2, 0, 5]),
        (connect_with(5, "c", Some(good), foreign, 9), vec![0x20, 3, 0, 0x87, 0]),
        (connect_with(5, "c", Some(good), odd, 9), vec![0x20, 3, 0, 0x99, 0]),
    ];
    // Last, because they slow this address down.
    table.push((connect(4, "c", Some(("web-1", "guess"))), vec![0x20, 2, 0, 5]));
    table.push((connect(5, "c", Some(("web-1", "guess"))), vec![0x20, 3, 0, 0x86, 0]));
    for (hello, answer) in table {
        let mut client = Raw::open(server.address).await?;
        client.send(&hello).await?;
        assert_eq!(client.rest().await?, answer);
    }
    let metrics = server.broker.metrics();
    assert_eq!(metrics.refused(Refused::Credentials), 4);
    assert_eq!(metrics.refused(Refused::Will), 2);
    Ok(())
}

#[tokio::test]
async fn an_operator_can_end_a_service_s_connections() -> Result<()> {
    let server = start_with(Config::default(), GUARDED).await?;
    let mut gone = Raw::connect_as(server.address, 5, "a", "web-1").await?;
    let mut stays = Raw::connect_as(server.address, 5, "b", "web-2").await?;
    let clients = server.broker.metrics().clients;
    assert_eq!(clients.len(), 2);
    let is_gone = |who: &Identity| matches!(who, Identity::Service(id) if id.as_str() == "web-1");
    assert_eq!(server.broker.disconnect(is_gone), 1);
    assert_eq!(gone.rest().await?, [0xe0, 2, 0x98, 0]);
    stays.ping().await
}

#[tokio::test]
async fn who_was_checked_before_somebody_was_dismissed_is_checked_again() -> Result<()> {
    let server = start_with(Config::default(), GUARDED).await?;
    let user = ("web-1", "token-of-web-1");
    for (level, answer) in [(4, vec![0x20, 2, 0, 3]), (5, vec![0x20, 3, 0, 0x88, 0])] {
        // Neither on the list of clients yet, nor checked any more.
        let broker = server.broker.clone();
        *server.registry.then.lock() = Some(Box::new(move || {
            assert_eq!(broker.disconnect(|_| true), 0);
        }));
        let mut client = Raw::open(server.address).await?;
        client.send(&connect(level, "c", Some(user))).await?;
        assert_eq!(client.rest().await?, answer);
        assert!(server.broker.metrics().clients.is_empty());
        // It comes again, and is still known.
        let mut client = Raw::connect_as(server.address, level, "c", user.0).await?;
        client.ping().await?;
        assert_eq!(server.broker.disconnect(|_| true), 1);
        client.rest().await?;
        server.until(|m| m.clients.is_empty()).await?;
    }
    assert_eq!(server.broker.metrics().refused(Refused::Unavailable), 2);
    Ok(())
}

#[tokio::test]
async fn a_client_id_belongs_to_its_user() -> Result<()> {
    let server = start_with(Config::default(), GUARDED).await?;
    let mut one = Raw::connect_as(server.address, 4, "same", "web-1").await?;
    let mut two = Raw::connect_as(server.address, 4, "same", "web-2").await?;
    one.ping().await?;
    two.ping().await
}
