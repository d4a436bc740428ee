//! Packets that are sent by halves, and many that come at once.

use anyhow::{Result, ensure};
use komandorr_broker::{Config, Held, Refused};
use tokio::{
    io::{DuplexStream, duplex},
    time::Duration,
};

use crate::support::*;

/// Connections that may hold more than 64 KiB of an unfinished packet.
const PLACES: u64 = 64;
const HALF: usize = 100_000;

fn packet(level: u8) -> Vec<u8> {
    publish(level, 2, "komandorr/traffic/web-1", 1, &b"x".repeat(2 * HALF))
}

/// A client that has sent everything before the broker looks: the first of it
/// is read at once, the rest as the broker likes.
async fn all_at_once(server: &mut Server, packets: &[u8]) -> Result<Raw<DuplexStream>> {
    let hello = connect(4, "hasty", None);
    let (ours, theirs) = duplex(hello.len() + packets.len());
    let mut client = Raw { stream: ours };
    client.send(&[&hello, packets].concat()).await?;
    let (broker, peer) = (server.broker.clone(), server.address);
    server.tasks.spawn(async move { broker.serve_stream(theirs, peer, TRUSTED).await });
    client.expect(&[0x20, 2, 0, 0]).await?;
    Ok(client)
}

/// Opens a connection for each place, and sends the first half of a packet.
async fn take_all_places(server: &Server, packet: &[u8]) -> Result<Vec<Raw>> {
    let (half, _) = packet.split_at(HALF);
    let mut halves = Vec::new();
    for n in 0..PLACES {
        let mut client = Raw::connect(server.address, 4, &format!("half-{n}")).await?;
        client.send(half).await?;
        halves.push(client);
    }
    server.until(|m| m.bytes_in >= PLACES * HALF as u64).await?;
    Ok(halves)
}

#[tokio::test]
async fn halves_of_large_packets_hold_up_only_large_ones() -> Result<()> {
    let server = start().await?;
    let read = || server.broker.metrics().bytes_in;
    let packet = packet(4);
    let mut halves = take_all_places(&server, &packet).await?;
    let before = read();
    let mut whole = Raw::connect(server.address, 4, "whole").await?;
    let finish = async {
        server.until(|m| m.bytes_in > before + 64 * 1024).await?;
        let mut small = Raw::connect(server.address, 4, "small").await?;
        small.send(&publish(4, 2, "komandorr/traffic/web-1", 1, b"x")).await?;
        small.expect(&[0x40, 2, 0, 1]).await?;
        ensure!(read() < before + packet.len() as u64, "a large packet more was read");
        halves[0].send(&packet[HALF..]).await?;
        halves[0].expect(&[0x40, 2, 0, 1]).await
    };
    let (sent, finished) = tokio::join!(whole.send(&packet), finish);
    sent?;
    finished?;
    whole.expect(&[0x40, 2, 0, 1]).await
}

#[tokio::test]
async fn who_stops_halfway_is_let_go() -> Result<()> {
    let config = Config { write_timeout: Duration::from_millis(100), ..Config::default() };
    let server = start_with(config, TRUSTED).await?;
    for level in [4, 5] {
        let mut client = Raw::connect(server.address, level, "half").await?;
        client.send(&packet(level)[..HALF]).await?;
        let goodbye: &[u8] = if level == 5 { &[0xe0, 2, 0x8d, 0] } else { &[] };
        ensure!(client.rest().await? == goodbye);
    }
    ensure!(server.broker.metrics().refused(Refused::KeepAlive) == 2);
    Ok(())
}

#[tokio::test]
async fn many_packets_that_come_at_once_are_taken_before_more_is_read() -> Result<()> {
    const COUNT: u64 = 150_000;
    let mut server = start().await?;
    server.store.send(Store::Stands)?;
    let one = publish(4, 0, "komandorr/traffic/web-1", 0, b"x");
    // Far more than one delivery takes, and than all that may wait.
    let _client = all_at_once(&mut server, &one.repeat(usize::try_from(COUNT)?)).await?;
    server.until(|m| m.held(Held::Store) == 1).await?;
    let figures = server.broker.metrics();
    let taken = figures.publishes * one.len() as u64;
    ensure!(taken > 0 && figures.publishes < COUNT, "{} of {COUNT}", figures.publishes);
    let ahead = figures.bytes_in - taken;
    ensure!(ahead < 256 * 1024, "{ahead} bytes were read and not taken");
    server.store.send(Store::Settles)?;
    for _ in 0..COUNT {
        server.next_stored().await?;
    }
    Ok(())
}

#[tokio::test]
async fn many_packets_that_come_at_once_need_no_place_of_a_large_one() -> Result<()> {
    // Nobody who stops halfway gives a place back.
    let config = Config { write_timeout: Duration::from_mins(10), ..Config::default() };
    let mut server = start_with(config, TRUSTED).await?;
    let _halves = take_all_places(&server, &packet(4)).await?;
    let one = publish(4, 0, "komandorr/traffic/web-1", 0, b"x");
    let _client = all_at_once(&mut server, &one.repeat(20_000)).await?;
    for _ in 0..20_000 {
        server.next_stored().await?;
    }
    Ok(())
}
