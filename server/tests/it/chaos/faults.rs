//! What is done to the stage.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use rand::RngExt;

use super::{Stage, parts::sh};

/// One fault; a victim is an agent's place, or the number of agents for the
/// server.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// `kill -9`.
    Kill(usize),
    /// An ordinary stop and start.
    Restart(usize),
    /// The server stands still, with its connections open.
    HoldStill,
    /// An agent's network goes away until it shows.
    Cut(usize),
}

/// Longest that a server stands still, milliseconds.
const STILL_MS: u64 = 3000;

impl Stage {
    /// So many faults, and somewhere among them a full disk.
    pub(super) async fn run(&mut self, faults: u64) -> anyhow::Result<()> {
        let full = self.random.random_range(0..=faults);
        for number in 0..=faults {
            if number == full {
                self.full_disk().await.context("full disk")?;
            }
            if number < faults {
                // A random moment is the point here.
                let pause = Duration::from_millis(self.random.random_range(0..1000));
                tokio::time::sleep(pause).await;
                let fault = self.any_fault();
                self.suffer(fault).await.with_context(|| format!("fault {number}, {fault:?}"))?;
            }
        }
        writeln!(self.report, "faults: {:?}", self.faults)?;
        Ok(())
    }

    /// Mostly kills.
    fn any_fault(&mut self) -> Fault {
        let agents = self.hosts.len();
        let anybody = self.random.random_range(0..=agents);
        let agent = self.random.random_range(0..agents);
        match self.random.random_range(0..20) {
            0 => Fault::Cut(agent),
            1..3 => Fault::HoldStill,
            3..6 => Fault::Restart(anybody),
            _ => Fault::Kill(anybody),
        }
    }

    async fn suffer(&mut self, fault: Fault) -> anyhow::Result<()> {
        let (what, who) = match fault {
            Fault::Kill(victim) => ("killed", victim),
            Fault::Restart(victim) => ("restarted", victim),
            Fault::HoldStill => ("held still", self.hosts.len()),
            Fault::Cut(host) => ("cut off", host),
        };
        let who = self.hosts.get(who).map_or("server", |host| host.service.as_str());
        *self.faults.entry(format!("{who} {what}")).or_default() += 1;
        match fault {
            Fault::Kill(victim) => self.kill(victim).await,
            Fault::Restart(victim) => self.stop_and_start(victim).await,
            Fault::HoldStill => self.hold_still().await,
            Fault::Cut(host) => self.cut(host).await,
        }
    }

    async fn kill(&mut self, victim: usize) -> anyhow::Result<()> {
        if let Some(host) = self.hosts.get_mut(victim) {
            host.stop("KILL")?;
            return host.start();
        }
        self.server.signal("KILL")?;
        self.server.ended().await?;
        self.restart().await
    }

    async fn stop_and_start(&mut self, victim: usize) -> anyhow::Result<()> {
        if let Some(host) = self.hosts.get_mut(victim) {
            // One that has just been started may not heed signals yet.
            host.stop("TERM")?;
            return host.start();
        }
        self.server.signal("TERM")?;
        ensure!(self.server.ended().await?.success(), "the server does not stop cleanly");
        self.restart().await
    }

    async fn hold_still(&mut self) -> anyhow::Result<()> {
        self.server.signal("STOP")?;
        let still = Duration::from_millis(self.random.random_range(0..STILL_MS));
        tokio::time::sleep(still).await;
        self.server.signal("CONT")
    }

    async fn cut(&mut self, host: usize) -> anyhow::Result<()> {
        let host = self.hosts.get(host).context("no such host")?;
        self.fresh(&[&host.service]).await?;
        sh(&format!("ip link set {} down", host.uplink))?;
        self.stale(&[&host.service]).await?;
        sh(&format!("ip link set {} up", host.uplink))?;
        self.fresh(&[&host.service]).await
    }

    /// Leaves the server without room until it shows, kills an agent
    /// meanwhile, and gives the room back: the same process goes on.
    async fn full_disk(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let services: Vec<String> = self.hosts.iter().map(|host| host.service.clone()).collect();
        let services: Vec<&str> = services.iter().map(String::as_str).collect();
        self.fresh(&services).await?;
        self.disk.fill().await?;
        self.stale(&services).await?;
        let before = self.stored().await?;
        let victim = self.random.random_range(0..self.hosts.len());
        self.kill(victim).await?;
        self.stale(&services).await?;
        ensure!(before == self.stored().await?, "stored without room");
        self.disk.free()?;
        self.fresh(&services).await?;
        writeln!(self.report, "disk full, {:.1?}", begun.elapsed())?;
        Ok(())
    }
}
