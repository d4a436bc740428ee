//! Measures the dashboard of 1000 services that report every 5 s: weight, time
//! to answer, time to first paint, what 200 open dashboards cost the server,
//! and a browser's memory under live updates. The server is a process of its
//! own. `cargo run -p komandorr-web --example measure -- [MINUTES]` (of live
//! updates, 5 where nothing is said).
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "figures, for a person at a terminal"
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

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use browser::Browser;
use futures_util::StreamExt;
use scenes::Playing;
use serde_json::{Value, json};
use support::{FLEET, Host, Stage, now_ms};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    task::JoinSet,
    time::sleep,
};

const SERVICES: usize = 1000;
const DASHBOARDS: usize = 200;
/// How long a load is watched.
const WATCHED: Duration = Duration::from_secs(30);
/// Ticks of a processor's clock in a second, as Linux counts for programs.
const TICKS: f64 = 100.0;

#[tokio::main]
async fn main() -> Result<()> {
    let argument = std::env::args().nth(1).unwrap_or_else(|| "5".into());
    if argument == "serve" {
        return serve().await;
    }
    let minutes: u64 = argument.parse().context("minutes")?;
    let server = Server::start().await?;
    weigh(&server.url).await?;
    answer(&server.url).await?;
    paint(&server.url).await?;
    server.watch("no dashboard open").await?;
    crowd(&server).await?;
    remember(&server, minutes).await
}

/// The fleet of the pictures and so many more.
async fn serve() -> Result<()> {
    let stage = Stage::open().await?;
    let more = (FLEET.len()..SERVICES).map(|i| {
        let id: &'static str = format!("host-{i:04}").leak();
        Host { id, up: 40_000 + i as u64 * 997, ..FLEET[10] }
    });
    let begun = now_ms();
    let playing = |host: Host| Playing { host, seq: 1, ended_ms: begun };
    let hosts: Vec<Playing> = FLEET.into_iter().chain(more).map(playing).collect();
    for Playing { host, .. } in &hosts {
        stage.publish(host.id, &[host.sample(begun, 5, 1)]).await?;
    }
    println!("http://{}/", stage.address);
    scenes::feed(&stage, hosts).await
}

struct Server {
    url: String,
    pid: u32,
    /// Ends with the measurement.
    _process: Child,
}

impl Server {
    async fn start() -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("serve")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = process.stdout.take().context("its output")?;
        let url = BufReader::new(stdout).lines().next_line().await?.context("its address")?;
        let pid = process.id().context("its number")?;
        Ok(Self { url, pid, _process: process })
    }

    /// Seconds of a processor that it has used.
    fn processor(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let fields: Vec<&str> = stat.split(' ').collect();
        Ok((fields[13].parse::<f64>()? + fields[14].parse::<f64>()?) / TICKS)
    }

    /// Resident memory, MB.
    fn memory(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kb = line.and_then(|line| line.split_whitespace().next()).context("VmRSS")?;
        Ok(kb.parse::<f64>()? / 1000.0)
    }

    /// Tells what the server uses for a while.
    async fn watch(&self, what: &str) -> Result<()> {
        let (before, begun) = (self.processor()?, Instant::now());
        sleep(WATCHED).await;
        let share = (self.processor()? - before) / begun.elapsed().as_secs_f64() * 100.0;
        println!("server, {what}: {share:.1} % of a core, {:.0} MB resident", self.memory()?);
        Ok(())
    }
}

/// Files and bytes of the first visit.
async fn weigh(url: &str) -> Result<()> {
    let client = reqwest::Client::new();
    let page = reqwest::get(url).await?.text().await?;
    let files = page.split('"').filter(|part| part.starts_with("/assets/"));
    let (mut sum, mut count) = (0, 0);
    for path in std::iter::once("/").chain(files) {
        let address = format!("{}{path}", url.trim_end_matches('/'));
        let file = client.get(address).header("accept-encoding", "br").send().await?;
        let bytes = file.bytes().await?.len();
        println!("{bytes:>7} bytes  {path}");
        (sum, count) = (sum + bytes, count + 1);
    }
    println!("{sum:>7} bytes in {count} requests, brotli");
    Ok(())
}

/// Time of the page, on one connection.
async fn answer(url: &str) -> Result<()> {
    let client = reqwest::Client::new();
    for encoding in ["identity", "br"] {
        let mut times = Vec::new();
        for _ in 0..200 {
            let begun = Instant::now();
            let page = client.get(url).header("accept-encoding", encoding).send().await?;
            page.bytes().await?;
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        times.sort_by(f64::total_cmp);
        println!("page, {encoding}: median {:.2} ms, 95 % {:.2} ms", times[100], times[190]);
    }
    Ok(())
}

/// First paint of a first visit, five browsers one after the other.
async fn paint(url: &str) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..5 {
        let browser = Browser::open().await?;
        browser.goto(url).await?;
        let painted = "performance.getEntriesByName('first-contentful-paint')[0]";
        browser.until(painted).await?;
        let time = browser.run(&format!("return {painted}.startTime")).await?;
        times.push(time.as_f64().context("a time")?);
        browser.close().await?;
    }
    times.sort_by(f64::total_cmp);
    println!(
        "first contentful paint: {:.0} to {:.0} ms, median {:.0} ms",
        times[0], times[4], times[2]
    );
    Ok(())
}

/// Opens the streams of many dashboards and watches the server.
async fn crowd(server: &Server) -> Result<()> {
    let page = reqwest::get(&server.url).await?.text().await?;
    let path = page.split("data-stream=\"").nth(1).and_then(|rest| rest.split('"').next());
    let path = path.context("the stream's address")?.replace("&#38;", "&").replace("&amp;", "&");
    let address = format!("{}{path}", server.url.trim_end_matches('/'));
    let mut readers = JoinSet::new();
    for _ in 0..DASHBOARDS {
        let stream = reqwest::get(&address).await?;
        readers.spawn(async move {
            let chunks = stream.bytes_stream().take_until(sleep(WATCHED));
            chunks.fold(0, async |sum, chunk| sum + chunk.map_or(0, |chunk| chunk.len())).await
        });
    }
    server.watch(&format!("{DASHBOARDS} dashboards open")).await?;
    let bytes: usize = readers.join_all().await.into_iter().sum();
    let each = bytes as f64 / DASHBOARDS as f64 / WATCHED.as_secs_f64() / 1000.0;
    println!("each dashboard gets {each:.1} KB/s");
    Ok(())
}

/// Memory of a page under live updates, after the garbage is collected.
async fn remember(server: &Server, minutes: u64) -> Result<()> {
    let browser = Browser::open().await?;
    browser.goto(&server.url).await?;
    browser.devtools("Performance.enable", json!({})).await?;
    for minute in 0..=minutes {
        browser.devtools("HeapProfiler.collectGarbage", json!({})).await?;
        let metrics = browser.devtools("Performance.getMetrics", json!({})).await?;
        let metric = |name: &str| {
            let metrics = metrics["metrics"].as_array();
            let found = metrics.into_iter().flatten().find(|metric| metric["name"] == name);
            found.map_or(0.0, |metric: &Value| metric["value"].as_f64().unwrap_or_default())
        };
        println!(
            "after {minute} min: heap {:.2} MB, {} nodes, {} listeners; server {:.0} MB",
            metric("JSHeapUsedSize") / 1e6,
            metric("Nodes"),
            metric("JSEventListeners"),
            server.memory()?
        );
        sleep(Duration::from_mins(1)).await;
    }
    browser.close().await
}
