//! What the stage is made of; all of it goes with its owner.

use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::support::PATIENCE;

/// Room for some minutes of samples.
const DISK: &str = "24m";

/// So often in a row the disk must have been full to stay it.
const FULL_LOOKS: u32 = 10;

/// Runs a command that must succeed.
pub(super) fn sh(command: &str) -> anyhow::Result<String> {
    let out = Command::new("sh").args(["-c", command]).stdin(Stdio::null()).output()?;
    ensure!(out.status.success(), "{command}: {}", String::from_utf8_lossy(&out.stderr));
    Ok(String::from_utf8(out.stdout)?)
}

/// Asks until it is so.
pub(super) async fn until(
    what: &str,
    mut so: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !so().await? {
        ensure!(begun.elapsed() < 2 * PATIENCE, "{what}: not within {:?}", 2 * PATIENCE);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// A process that ends with its owner.
pub(super) struct Process(std::process::Child);

impl Process {
    pub(super) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        Ok(Self(child.with_context(|| format!("cannot start {command:?}"))?))
    }

    pub(super) fn stop(&mut self, signal: &str) -> anyhow::Result<Option<i32>> {
        sh(&format!("kill -s {signal} {}", self.0.id()))?;
        Ok(self.0.wait()?.code())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A network namespace in which nothing speaks of its own accord.
pub(super) struct Namespace(pub(super) String);

impl Namespace {
    pub(super) fn new(name: &str) -> anyhow::Result<Self> {
        let name = format!("kdc{}-{name}", std::process::id());
        sh(&format!("ip netns add {name}"))?;
        let space = Self(name);
        space.sh(
            "sysctl -q net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1",
        )?;
        Ok(space)
    }

    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, program]);
        command
    }

    pub(super) fn sh(&self, command: &str) -> anyhow::Result<String> {
        sh(&format!("ip netns exec {} {command}", self.0))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(sh(&format!("ip netns del {}", self.0)));
    }
}

/// A small file system of its own.
pub(super) struct Disk {
    pub(super) path: PathBuf,
    _folder: TempDir,
}

impl Disk {
    pub(super) fn new() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("disk");
        fs::create_dir(&path)?;
        sh(&format!("mount -t tmpfs -o size={DISK} komandorr-chaos {}", path.display()))?;
        // So many that each sample of the run can be counted one by one.
        fs::write(path.join("komandorr.toml"), "[storage]\nsamples_per_service = 100000\n")?;
        Ok(Self { path, _folder: folder })
    }

    /// Writes until nothing more has gone in for a while: a write of the server's that
    /// finds no room gives back what it had taken of it.
    pub(super) async fn fill(&self) -> anyhow::Result<()> {
        let mut file = File::create(self.path.join("filler"))?;
        let room = format!("df --output=avail {} | tail -1", self.path.display());
        let mut full = 0;
        until("a full disk", async || {
            let had_room = sh(&room)?.trim() != "0";
            while file.write_all(&[0; 4096]).is_ok() {}
            full = if had_room { 0 } else { full + 1 };
            Ok(full == FULL_LOOKS)
        })
        .await
    }

    pub(super) fn free(&self) -> anyhow::Result<()> {
        Ok(fs::remove_file(self.path.join("filler"))?)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(sh(&format!("umount -l {}", self.path.display())));
    }
}
