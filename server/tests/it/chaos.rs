//! A server and its agents under load, killed at random, stopped, held still,
//! cut off, with a full disk: at the end the stored bytes are the kernel's.
//!
//! `KOMANDORR_CHAOS_FAULTS=200` makes the run longer, `KOMANDORR_CHAOS_AGENTS=8`
//! larger, and `KOMANDORR_CHAOS_SEED` repeats one.

mod faults;
mod host;
mod parts;

use std::{collections::BTreeMap, fmt::Write, fs};

use anyhow::{Context, ensure};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::Value;
use tokio::sync::watch;

use crate::support::Server;
use host::{Address, Host};
use parts::{Disk, Namespace, sh, until};

/// What the short form has.
const AGENTS: u64 = 3;
const FAULTS: u64 = 20;
/// Addresses are there for so many.
const MOST_AGENTS: u64 = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_lose_no_byte_and_count_none_twice() -> anyhow::Result<()> {
    if sh("id -u")?.trim() != "0" {
        say("only root may make network namespaces and mount a small disk: nothing is tested");
        return Ok(());
    }
    let faults = setting("KOMANDORR_CHAOS_FAULTS")?.unwrap_or(FAULTS);
    let agents = setting("KOMANDORR_CHAOS_AGENTS")?.unwrap_or(AGENTS);
    ensure!((1..=MOST_AGENTS).contains(&agents), "KOMANDORR_CHAOS_AGENTS: 1 to {MOST_AGENTS}");
    let seed = setting("KOMANDORR_CHAOS_SEED")?.unwrap_or_else(rand::random);
    say(&format!(
        "KOMANDORR_CHAOS_FAULTS={faults} KOMANDORR_CHAOS_AGENTS={agents} KOMANDORR_CHAOS_SEED={seed}"
    ));
    let mut stage = Stage::set(StdRng::seed_from_u64(seed), usize::try_from(agents)?).await?;
    let ended = async {
        stage.run(faults).await?;
        stage.finish().await
    };
    if let Err(error) = ended.await {
        return Err(error.context(stage.heard()));
    }
    say(&stage.report);
    Ok(())
}

/// What this test prints is for whoever reads its output.
#[allow(clippy::print_stderr, reason = "a test's output")]
fn say(text: &str) {
    eprintln!("{text}");
}

/// A number from the environment.
#[allow(clippy::disallowed_methods, reason = "a setting of this test alone")]
fn setting(name: &str) -> anyhow::Result<Option<u64>> {
    let Ok(text) = std::env::var(name) else { return Ok(None) };
    Ok(Some(text.parse().with_context(|| format!("{name}={text} is no number"))?))
}

/// All of it. Fields are dropped in this order.
struct Stage {
    random: StdRng,
    hosts: Vec<Host>,
    server: Server,
    address: watch::Sender<Address>,
    disk: Disk,
    _peer: Namespace,
    /// How often what was done to whom.
    faults: BTreeMap<String, u32>,
    report: String,
}

impl Stage {
    async fn set(random: StdRng, agents: usize) -> anyhow::Result<Self> {
        let disk = Disk::new()?;
        let server = Server::serve(&disk.path).await?;
        let (address, to) = watch::channel(server.mqtt.clone());
        let (peer, mut hosts) = (Namespace::new("peer")?, Vec::new());
        for i in 0..agents {
            hosts.push(Host::new(i, &peer, to.clone()).await?);
        }
        let (faults, report) = (BTreeMap::new(), String::new());
        Ok(Self { random, hosts, server, address, disk, _peer: peer, faults, report })
    }

    async fn restart(&mut self) -> anyhow::Result<()> {
        self.server = Server::serve(&self.disk.path).await?;
        self.address.send_replace(self.server.mqtt.clone());
        Ok(())
    }

    /// Until the last samples of these services are of the last 2.5 s.
    async fn fresh(&self, services: &[&str]) -> anyhow::Result<()> {
        until(&format!("news of {services:?}"), async || {
            let current = self.current().await?;
            Ok(services.iter().all(|id| age(&current, id).is_some_and(|age| age < 2.5)))
        })
        .await
    }

    /// Until nothing has come from these services for three intervals.
    async fn stale(&self, services: &[&str]) -> anyhow::Result<()> {
        until(&format!("silence of {services:?}"), async || {
            let current = self.current().await?;
            Ok(services.iter().all(|id| age(&current, id).is_some_and(|age| age > 4.0)))
        })
        .await
    }

    async fn current(&self) -> anyhow::Result<Value> {
        self.server.get("/api/traffic/current").await
    }

    /// Sent and received bytes of each service, as the server has them.
    async fn stored(&self) -> anyhow::Result<Vec<(u64, u64)>> {
        let current = self.current().await?;
        let bytes = |host: &Host| {
            let service = service(&current, &host.service)?;
            Some((service["up_bytes_total"].as_u64()?, service["down_bytes_total"].as_u64()?))
        };
        Ok(self.hosts.iter().map(|host| bytes(host).unwrap_or_default()).collect())
    }

    fn truth(&self) -> anyhow::Result<Vec<(u64, u64)>> {
        self.hosts.iter().map(Host::truth).collect()
    }

    /// Ends the traffic, waits for the last byte, and compares.
    async fn finish(&mut self) -> anyhow::Result<()> {
        for host in &mut self.hosts {
            host.load = None;
        }
        let last = until("the last byte", async || {
            let (stored, truth) = (self.stored().await?, self.truth()?);
            let more = stored.iter().zip(&truth).any(|(s, t)| s.0 > t.0 || s.1 > t.1);
            ensure!(!more, "counted twice: stored {stored:?}, the kernel has {truth:?}");
            Ok(stored == truth)
        });
        if let Err(error) = last.await {
            let (stored, truth) = (self.stored().await?, self.truth()?);
            return Err(error.context(format!("stored {stored:?}, the kernel has {truth:?}")));
        }
        for host in &mut self.hosts {
            ensure!(host.stop("TERM")? == Some(0), "{} does not stop cleanly", host.service);
        }
        self.server.signal("TERM")?;
        ensure!(self.server.ended().await?.success(), "the server does not stop cleanly");
        // What counts is what the file says.
        self.restart().await?;
        let (stored, truth) = (self.stored().await?, self.truth()?);
        ensure!(stored == truth, "in the file {stored:?}, the kernel has {truth:?}");
        for (host, truth) in self.hosts.iter().zip(&truth) {
            let made = host.samples()?;
            let rows = self.rows(&host.service).await?;
            let sum = rows.iter().fold((0, 0), |sum, row| (sum.0 + row.0, sum.1 + row.1));
            let (count, service) = (rows.len() as u64, &host.service);
            ensure!(count == made, "{service} made {made} samples, {count} are stored");
            ensure!(sum == *truth, "{service}: samples sum up to {sum:?}, not {truth:?}");
            writeln!(self.report, "{service}: {made} samples, {truth:?} bytes as the kernel")?;
        }
        Ok(())
    }

    /// Every stored sample of a service.
    async fn rows(&self, service: &str) -> anyhow::Result<Vec<(u64, u64)>> {
        let path = format!("/api/traffic/history?hours=24&step=raw&service={service}");
        let history = self.server.get(&path).await?;
        let points =
            history.pointer("/series/0/points").and_then(Value::as_array).context("no points")?;
        let bytes =
            |point: &Value| Some((point["up_bytes"].as_u64()?, point["down_bytes"].as_u64()?));
        points.iter().map(bytes).collect::<Option<_>>().context("a point without bytes")
    }

    /// What the agents said last.
    fn heard(&self) -> String {
        let tail = |host: &Host| {
            let log = fs::read_to_string(host.log()).unwrap_or_default();
            let from = log.lines().count().saturating_sub(5);
            let last: Vec<&str> = log.lines().skip(from).collect();
            format!("{} said: {}", host.service, last.join("\n  "))
        };
        let heard: Vec<String> = self.hosts.iter().map(tail).collect();
        format!("{}{}", self.report, heard.join("\n"))
    }
}

fn service<'a>(current: &'a Value, id: &str) -> Option<&'a Value> {
    current["services"].as_array()?.iter().find(|service| service["service"] == id)
}

/// Seconds since a service's last sample.
fn age(current: &Value, id: &str) -> Option<f64> {
    let time = |value: &Value| value.as_str()?.parse::<jiff::Timestamp>().ok();
    let sampled = time(&service(current, id)?["sampled_at"])?;
    Some(time(&current["as_of"])?.duration_since(sampled).as_secs_f64())
}
