//! Serves the site over a real collector with an invented fleet, for people
//! who want to look at it: `cargo run -p komandorr-web --example stage -- 3100 30`
//! (port, days of history, more services; `empty` in place of the days: no
//! service at all).
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "invented speeds, for a person at a terminal"
)]

#[path = "../tests/site/browser.rs"]
#[allow(dead_code, reason = "shared with the tests, which use more of it")]
mod browser;
#[path = "../tests/site/scenes.rs"]
#[allow(dead_code, reason = "shared with the tests, which use more of it")]
mod scenes;
#[path = "../tests/site/support.rs"]
#[allow(dead_code, reason = "shared with the tests, which use more of it")]
mod support;

use anyhow::{Context, Result};
use scenes::Playing;
use support::{FLEET, Host, Stage, now_ms};

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().as_deref().unwrap_or("3100").parse().context("the port")?;
    let days = arguments.next().unwrap_or_else(|| "8".into());
    let more: usize =
        arguments.next().as_deref().unwrap_or("0").parse().context("more services")?;
    let stage = Stage::at(([127, 0, 0, 1], port).into(), |_| ()).await?;
    println!("http://{}/", stage.address);
    if days == "empty" {
        std::future::pending::<()>().await;
    }
    let mut set = scenes::busy(stage, days.parse().context("days of history")?).await?;
    for i in 0..more {
        let id: &'static str = format!("host-{i:04}").leak();
        let host = Host { id, group: Some("Lab"), up: 40_000 + i as u64 * 997, ..FLEET[10] };
        set.hosts.push(Playing { host, seq: 0, ended_ms: now_ms() - 5000 });
    }
    scenes::feed(&set.stage, set.hosts).await
}
