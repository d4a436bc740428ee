//! A server and three agents under load, killed at random, cut off, with a
//! full disk: at the end the stored bytes are the kernel's.
//!
//! `KOMANDORR_CHAOS_FAULTS=200` makes the run longer, `KOMANDORR_CHAOS_SEED`
//! repeats one.

mod host;
mod parts;

use std::{
    fmt::Write,
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::Value;
use tokio::sync::watch;

use crate::support::Server;
use host::{Address, Host};
use parts::{Disk, Namespace, sh, until};

const AGENTS: usize = 3;
/// As many `kill -9` as the short form has.
const FAULTS: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_lose_no_byte_and_count_none_twice() -> anyhow::Result<()> {
    if sh("id -u")?.trim() != "0" {
        say("only root may make network namespaces and mount a small disk: nothing is tested");
        return Ok(());
    }
    let faults = setting("KOMANDORR_CHAOS_FAULTS")?.unwrap_or(FAULTS as u64);
    let seed = setting("KOMANDORR_CHAOS_SEED")?.unwrap_or_else(rand::random);
    say(&format!("KOMANDORR_CHAOS_FAULTS={faults} KOMANDORR_CHAOS_SEED={seed}"));
    let mut stage = Stage::set(StdRng::seed_from_u64(seed)).await?;
    let ended = async {
        stage.run(usize::try_from(faults)?).await?;
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
    kills: [u32; AGENTS + 1],
    report: String,
}

impl Stage {
    async fn set(random: StdRng) -> anyhow::Result<Self> {
        let disk = Disk::new()?;
        let server = Server::serve(&disk.path).await?;
        let (address, to) = watch::channel(server.mqtt.clone());
        let (peer, mut hosts) = (Namespace::new("peer")?, Vec::new());
        for i in 0..AGENTS {
            hosts.push(Host::new(i, &peer, to.clone()).await?);
        }
        let (kills, report) = ([0; AGENTS + 1], String::new());
        Ok(Self { random, hosts, server, address, disk, _peer: peer, kills, report })
    }

    /// Kills, and somewhere among them one cut and one full disk.
    async fn run(&mut self, faults: usize) -> anyhow::Result<()> {
        let (cut, full) =
            (self.random.random_range(0..=faults), self.random.random_range(0..=faults));
        for fault in 0..=faults {
            if fault == cut {
                self.cut().await?;
            }
            if fault == full {
                self.full_disk().await?;
            }
            if fault < faults {
                // A random moment is the point here.
                let pause = Duration::from_millis(self.random.random_range(0..1000));
                tokio::time::sleep(pause).await;
                let victim = self.random.random_range(0..=AGENTS);
                self.kill(victim).await.with_context(|| format!("fault {fault}"))?;
            }
        }
        writeln!(self.report, "kill -9 of each agent and the server: {:?}", self.kills)?;
        Ok(())
    }

    /// One of the agents, or the server.
    async fn kill(&mut self, victim: usize) -> anyhow::Result<()> {
        if let Some(count) = self.kills.get_mut(victim) {
            *count += 1;
        }
        if let Some(host) = self.hosts.get_mut(victim) {
            host.stop("KILL")?;
            return host.start();
        }
        self.server.signal("KILL")?;
        self.server.ended().await?;
        self.restart().await
    }

    async fn restart(&mut self) -> anyhow::Result<()> {
        self.server = Server::serve(&self.disk.path).await?;
        self.address.send_replace(self.server.mqtt.clone());
        Ok(())
    }

    /// Takes an agent's network away until it shows, and gives it back.
    async fn cut(&mut self) -> anyhow::Result<()> {
        let host = self.random.random_range(0..AGENTS);
        let host = self.hosts.get(host).context("no such host")?;
        let begun = Instant::now();
        self.fresh(&[&host.service]).await?;
        sh(&format!("ip link set {} down", host.uplink))?;
        self.stale(&[&host.service]).await?;
        sh(&format!("ip link set {} up", host.uplink))?;
        self.fresh(&[&host.service]).await?;
        writeln!(self.report, "network of {} cut, {:.1?}", host.service, begun.elapsed())?;
        Ok(())
    }

    /// Leaves the server without room until it shows, kills an agent
    /// meanwhile, and gives the room back: the same process goes on.
    async fn full_disk(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let services: Vec<String> = self.hosts.iter().map(|host| host.service.clone()).collect();
        let services: Vec<&str> = services.iter().map(String::as_str).collect();
        self.fresh(&services).await?;
        self.disk.fill()?;
        self.stale(&services).await?;
        let before = self.stored().await?;
        let victim = self.random.random_range(0..AGENTS);
        self.kill(victim).await?;
        self.stale(&services).await?;
        ensure!(before == self.stored().await?, "stored without room");
        self.disk.free()?;
        self.fresh(&services).await?;
        writeln!(self.report, "disk full, {:.1?}", begun.elapsed())?;
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
