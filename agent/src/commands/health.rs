//! `komandorr-agent health`: whether the agent of a state directory measures.

use std::{
    io::Write,
    path::Path,
    time::{Duration, SystemTime},
};

use anyhow::{Context, ensure};

use crate::spool;

/// No agent is called dead before this, however short its interval.
const PATIENCE: Duration = Duration::from_secs(15);

/// Fails unless a sample was spooled within the last three intervals: those that
/// the samples themselves tell, where they are longer than `interval`, which a
/// service's settings may not have told whoever asks. Whether the server has the
/// sample is another question: an agent that waits for its server is healthy, and
/// to restart it would not help.
pub fn health(state_dir: &Path, interval: Duration, out: &mut dyn Write) -> anyhow::Result<()> {
    let written = spool::last_written(state_dir)
        .with_context(|| format!("cannot read the state directory {}", state_dir.display()))?
        .with_context(|| format!("no agent has ever used {}", state_dir.display()))?;
    let told = spool::last_interval(state_dir).ok().flatten().unwrap_or_default();
    // A clock that was set back makes it young, and the next sample comes soon.
    let age = SystemTime::now().duration_since(written).unwrap_or_default();
    let seconds = age.as_secs();
    ensure!(
        age <= PATIENCE.max(interval.max(told) * 3),
        "the last sample in {} is {seconds} s old: no agent runs there, or it cannot write; its log tells why",
        state_dir.display()
    );
    writeln!(out, "measured {seconds} s ago").context("cannot write")
}
