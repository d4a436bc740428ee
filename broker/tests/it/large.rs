//! Packets that are sent by halves.

use anyhow::{Result, ensure};
use komandorr_broker::{Config, Refused};
use tokio::time::Duration;

use crate::support::*;

/// Connections that may hold more than 64 KiB of an unfinished packet.
const PLACES: u64 = 64;
const HALF: usize = 100_000;

fn packet(level: u8) -> Vec<u8> {
    publish(level, 2, "komandorr/traffic/web-1", 1, &b"x".repeat(2 * HALF))
}

#[tokio::test]
async fn halves_of_large_packets_hold_up_only_large_ones() -> Result<()> {
    let server = start().await?;
    let read = || server.broker.metrics().bytes_in;
    let packet = packet(4);
    let mut halves = Vec::new();
    for n in 0..PLACES {
        let mut client = Raw::connect(server.address, 4, &format!("half-{n}")).await?;
        client.send(&packet[..HALF]).await?;
        halves.push(client);
    }
    server.until(|m| m.bytes_in >= PLACES * HALF as u64).await?;
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
