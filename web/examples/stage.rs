//! Serves the site over a real collector with an invented fleet, for people
//! who want to look at it: `cargo run -p komandorr-web --example stage -- 3100 30`
//! (port, days of history; `empty` in place of the days: no service at all).
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    reason = "invented speeds, for a person at a terminal"
)]

#[path = "../tests/site/support.rs"]
#[allow(dead_code, reason = "shared with the tests, which use more of it")]
mod support;

use std::time::Duration;

use anyhow::{Context, Result};
use support::{FLEET, Stage, now_ms, play};

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().as_deref().unwrap_or("3100").parse().context("the port")?;
    let days = arguments.next().unwrap_or_else(|| "8".into());
    let stage = Stage::at(([127, 0, 0, 1], port).into(), |_| ()).await?;
    if days == "empty" {
        std::future::pending::<()>().await;
    }
    let days: i64 = days.parse().context("days of history")?;
    let mut seqs = Vec::new();
    let more: usize =
        arguments.next().as_deref().unwrap_or("0").parse().context("more services")?;
    for host in &FLEET {
        seqs.push((*host, play(&stage, host, days, now_ms(), 0).await?));
    }
    let silent = support::Host { id: "backup-hel-01", group: Some("Storage"), ..FLEET[2] };
    play(&stage, &silent, days, now_ms(), 130).await?;
    stage.registry.register(
        &komandorr_wire::ServiceId::new("lab-router")?,
        komandorr_collector::registry::ServiceDetails {
            group: Some("Lab".into()),
            ..Default::default()
        },
    )?;
    for i in 0..more {
        let id: &'static str = format!("host-{i:04}").leak();
        let host =
            support::Host { id, group: Some("Lab"), up: 40_000 + i as u64 * 997, ..FLEET[10] };
        stage.publish(id, &[host.sample(now_ms(), 5, 1)]).await?;
        seqs.push((host, 1));
    }
    stage.publish_bytes("edge-fra-01", b"\x81\xa1v".to_vec()).await?;
    println!("http://{}/", stage.address);
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    loop {
        for turn in 0..10 {
            ticks.tick().await;
            let due = seqs.iter_mut().enumerate().filter(|(i, _)| i % 10 == turn);
            for (_, (host, seq)) in due {
                *seq += 1;
                stage.publish(host.id, &[host.sample(now_ms(), 5, *seq)]).await?;
            }
        }
    }
}
