//! What connections cost: a program of its own, because it counts the memory
//! of the whole process.

#[path = "it/support.rs"]
mod support;

use anyhow::{Context, Result, ensure};
use peak_alloc::PeakAlloc;
use support::*;

/// Counts what is allocated and not given back: the resident memory also moves
/// with what the allocator keeps for later.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// One after the other, where both run in one process.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test]
async fn ten_thousand_new_client_ids_leave_nothing_behind() -> Result<()> {
    let _alone = ALONE.lock().await;
    // A small backlog, soon full: what fills up once is not what grows.
    let payload = [b'x'; 1000];
    let config = komandorr_broker::Config { subscriber_backlog: 64 * 1024, ..Default::default() };
    let mut server = start_with(config, TRUSTED).await?;
    let address = server.address;
    let mut watcher = Raw::connect(address, 4, "watcher").await?;
    watcher.subscribe(4, "komandorr/traffic/+", 0).await?;
    let mut round = async |from: u32, to: u32| -> Result<usize> {
        for n in from..to {
            let level = if n % 2 == 0 { 4 } else { 5 };
            let mut client = Raw::connect(address, level, &format!("client-{n}")).await?;
            // A topic of its own as well, and every tenth a subscription.
            let topic = format!("komandorr/traffic/web-{n}");
            client.send(&publish(level, 2, &topic, 1, &payload)).await?;
            client.expect(&[0x40, 2, 0, 1]).await?;
            server.next_stored().await?;
            watcher.packet().await?;
            if n % 10 == 0 {
                client.subscribe(level, &format!("komandorr/traffic/other-{n}"), 1).await?;
            }
            if n % 3 == 0 {
                client.send(&[0xe0, 0]).await?;
            }
        }
        server.until(|m| m.clients.len() == 1).await?;
        Ok(MEMORY.current_usage())
    };
    // The router's logs are made of pieces of 240 KB, now one more and now one
    // less: the least of several looks.
    let mut look = async |from: u32| -> Result<usize> {
        let mut least = usize::MAX;
        for first in (from..from + 3_000).step_by(300) {
            least = least.min(round(first, first + 300).await?);
        }
        Ok(least)
    };
    look(0).await?;
    let before = look(3_000).await?;
    look(6_000).await?;
    look(9_000).await?;
    let after = look(12_000).await?;
    println!("memory: {before} bytes, {after} bytes 9000 connections later");
    // Less than what keeping a name would cost.
    ensure!(after < before + 9_000 * 64, "memory grew from {before} to {after} bytes");
    Ok(())
}

/// Resident memory of this process in KiB.
fn resident() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).context("VmRSS")?;
    Ok(line.split_whitespace().nth(1).context("VmRSS")?.parse()?)
}

#[tokio::test]
async fn an_idle_connection_costs_less_than_20_kib() -> Result<()> {
    const N: u64 = 1000;
    let _alone = ALONE.lock().await;
    let server = start().await?;
    let mut clients = Vec::new();
    // The first ones pay for what all share.
    for n in 0..100 {
        clients.push(Raw::connect(server.address, 4, &format!("warm-{n}")).await?);
    }
    let before = resident()?;
    for n in 0..N {
        let level = if n % 2 == 0 { 4 } else { 5 };
        let mut client = Raw::connect(server.address, level, &format!("idle-{n}")).await?;
        client.send(&publish(level, 2, "komandorr/traffic/web-1", 1, &[b'x'; 200])).await?;
        client.expect(&[0x40, 2, 0, 1]).await?;
        clients.push(client);
    }
    // The clients' own sockets are in it too: an upper bound.
    let each = resident()?.saturating_sub(before) / N;
    println!("memory: {each} KiB for each idle connection, its client included");
    ensure!(each < 20, "{each} KiB each");
    ensure!(server.broker.metrics().clients.len() == 1100);
    Ok(())
}
