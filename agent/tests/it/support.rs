//! What the tests share: a source whose truth is known, waiting for
//! conditions, and reading what arrived.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use komandorr_agent::{Config, Source, Url, run, source::Synthetic};
use komandorr_wire::{Sample, ServiceId};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A process that does not outlive its test.
#[derive(Debug)]
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let child = command.stdin(Stdio::null()).spawn();
        Ok(Self(child.with_context(|| format!("cannot start {command:?}"))?))
    }

    /// Sends a signal by name and waits for the end.
    pub(crate) fn stop(mut self, signal: &str) -> Result<Option<i32>> {
        let pid = self.0.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status()?;
        anyhow::ensure!(sent.success(), "cannot send {signal}");
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

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) -> Result<()> {
    let begin = Instant::now();
    while !condition() {
        if begin.elapsed() > LONG {
            bail!("{what}: not within {LONG:?}");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Counters that a test moves, so that it knows the truth.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters(Arc<Truth>);

#[derive(Debug, Default)]
struct Truth {
    up: AtomicU64,
    down: AtomicU64,
    reads: AtomicU64,
}

impl Counters {
    /// Traffic passes.
    pub(crate) fn add(&self, up: u64, down: u64) {
        self.0.up.fetch_add(up, Ordering::SeqCst);
        self.0.down.fetch_add(down, Ordering::SeqCst);
    }

    /// How often they were read.
    pub(crate) fn reads(&self) -> u64 {
        self.0.reads.load(Ordering::SeqCst)
    }

    pub(crate) fn source(&self) -> Box<dyn Source> {
        let counters = self.clone();
        Box::new(Synthetic::new("eth0", Some(125_000_000), move || {
            let Truth { up, down, reads } = &*counters.0;
            reads.fetch_add(1, Ordering::SeqCst);
            (up.load(Ordering::SeqCst), down.load(Ordering::SeqCst))
        }))
    }
}

/// An agent in this process.
#[derive(Debug)]
pub(crate) struct Agent {
    stop: CancellationToken,
    task: JoinHandle<Result<()>>,
}

#[allow(clippy::disallowed_methods, reason = "the handle is awaited in `stop`")]
impl Agent {
    pub(crate) fn start(config: Config, counters: &Counters) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(config, counters.source(), stop.clone()));
        Self { stop, task }
    }

    /// Ends it in order, within the contract's 5 s.
    pub(crate) async fn stop(self) -> Result<()> {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(5), self.task).await.context("no end in 5 s")??
    }

    /// Drops it where it stands, as a kill would.
    pub(crate) async fn kill(self) {
        self.task.abort();
        drop(self.task.await);
    }
}

/// Settings of an agent that samples each second.
pub(crate) fn config(url: &str, state: &Path) -> Result<Config> {
    let mut config = Config::new(url.parse::<Url>()?, ServiceId::new("web-1")?, state.to_owned());
    config.interval = Duration::from_secs(1);
    Ok(config)
}

/// Samples by identity and number, each once.
#[derive(Debug, Default)]
pub(crate) struct Store(BTreeMap<(String, u64), Sample>);

impl Store {
    pub(crate) fn add(&mut self, samples: impl IntoIterator<Item = Sample>) {
        for sample in samples {
            if let Some(agent) = sample.agent.clone() {
                let key = (agent.agent.to_string(), agent.seq.unwrap_or(0));
                self.0.entry(key).or_insert(sample);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.0.values()
    }

    /// Sent and received bytes of all samples.
    pub(crate) fn sums(&self) -> (u64, u64) {
        self.samples().fold((0, 0), |(up, down), sample| (up + sample.up, down + sample.down))
    }

    /// All are of one agent, and no number is missing from 1 on.
    pub(crate) fn is_whole(&self) -> bool {
        let agents: std::collections::BTreeSet<_> = self.0.keys().map(|(agent, _)| agent).collect();
        agents.len() <= 1 && self.0.keys().map(|(_, seq)| *seq).eq(1..=self.0.len() as u64)
    }
}

/// Whether this may make network namespaces. Not everyone may.
pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout.trim_ascii() == b"0")
}

/// Runs a command that must succeed.
pub(crate) fn sh(command: &str) -> Result<String> {
    let out = Command::new("sh").args(["-c", command]).output()?;
    let error = String::from_utf8_lossy(&out.stderr);
    anyhow::ensure!(out.status.success(), "{command}: {error}");
    Ok(String::from_utf8(out.stdout)?)
}

/// Fills a spool as an agent without a server does: that many samples of 100
/// bytes, the last of them just now. Gives the counter's reading after them.
pub(crate) fn backlog(state: &Path, samples: usize) -> Result<u64> {
    backlog_of(state, samples, Duration::from_millis(1))
}

/// The same of samples that tell another interval.
pub(crate) fn backlog_of(state: &Path, samples: usize, interval: Duration) -> Result<u64> {
    use komandorr_agent::{
        Limits,
        ledger::{Observation, Terms, Verdict},
        source::Reading,
        spool::{Run, Spool},
    };
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let boot = boot.trim();
    let interval_ms = u64::try_from(interval.as_millis())?;
    let mut spool = Spool::open(state, Limits::default(), Run { boot, hasty: true })?;
    for i in 0..=samples as u64 {
        let readings = [Reading { name: "eth0".into(), index: 1, up: i * 100, down: 0 }];
        let seen =
            Observation { boot, boot_ms: 1 + i, readings: &readings, gap: false, confirmed: true };
        let terms = |_: &str| Terms { counted: true, speed: None };
        let Verdict::Step(step) = spool.ledger().observe(&seen, terms) else {
            bail!("no step");
        };
        let interval = step.interval.clone().unwrap_or_default();
        spool.append(&step, |agent| Sample {
            up: interval.bytes.up,
            interval_ms,
            agent: Some(agent),
            ..Sample::default()
        })?;
    }
    Ok(samples as u64 * 100)
}
