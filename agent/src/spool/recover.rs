//! Opening the spool: the lock, what a crash left, and what is damaged.

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions, TryLockError},
    path::Path,
};

use anyhow::{Context, bail};

use super::{
    Dropped, Identity, Limits, Ranges, Spool,
    found::read_segments,
    home::home,
    record::{self, Body, Record, Snapshot},
    segment::{Segment, State},
};
use crate::{
    clock,
    ledger::{Ledger, Pair},
};

/// How the spool is used in this run.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// The host's boot.
    pub boot: &'a str,
    /// Samples are published before they have reached the disk itself.
    pub hasty: bool,
}

impl Spool {
    /// Opens the spool in `dir`, or begins one. Fails when the folder cannot
    /// be used; whatever is in it, the agent can go on.
    pub fn open(dir: &Path, limits: Limits, run: Run<'_>) -> anyhow::Result<Self> {
        let lock = lock(dir)?;
        let home = home(&lock);
        Self::recover(dir, limits, run, lock, home)
            .with_context(|| format!("cannot open the spool in {}", dir.display()))
    }

    fn recover(
        dir: &Path,
        limits: Limits,
        run: Run<'_>,
        lock: File,
        home: u64,
    ) -> anyhow::Result<Self> {
        let mut found = read_segments(dir)?;
        let mut state = found.state.take().unwrap_or_default();
        let present = found.segments.iter().flat_map(|s| s.samples.pairs().iter().copied());
        let present = Ranges::from_pairs(present);
        // What was acknowledged may be gone with its segment.
        let mut waiting = Ranges::default();
        for &(first, last) in state.waiting.pairs() {
            for &(begin, end) in present.pairs() {
                waiting.insert(begin.max(first), end.min(last));
            }
        }
        if found.damaged && waiting.len() < state.waiting.len() {
            let lost = state.waiting.len() - waiting.len();
            tracing::error!(samples = lost, "samples were lost with the damaged part of the spool");
        }
        let ledger = &mut state.snapshot.ledger;
        if clock::same_boot((&ledger.boot, ledger.boot_ms), (run.boot, clock::boot_ms())) {
            // As it is called in this run.
            ledger.boot = run.boot.into();
        }
        let fresh = renew(&mut state, run, home, found.last_damaged);
        let hasty = state.snapshot.identity.hasty != run.hasty;
        state.snapshot.identity.hasty = run.hasty;
        let next_id = found.segments.last().map_or(1, |segment| segment.id + 1);
        let last = if fresh || hasty { None } else { found.segments.pop() };
        let (active, file) = match last {
            Some(segment) => {
                let file = segment.open()?;
                (segment, file)
            }
            None => begin(dir, next_id, &state, &waiting)?,
        };
        Ok(Self {
            dir: dir.to_owned(),
            limits,
            boot: run.boot.into(),
            identity: state.snapshot.identity,
            ledger: state.snapshot.ledger,
            number: state.number,
            dropped: state.dropped,
            untold: Dropped::default(),
            waiting,
            older: VecDeque::from(found.segments),
            active,
            file,
            dirty: false,
            synced_ms: None,
            _lock: lock,
        })
    }
}

/// Begins a segment with the state.
fn begin(dir: &Path, id: u64, state: &State, waiting: &Ranges) -> anyhow::Result<(Segment, File)> {
    let record = Record {
        number: state.number,
        dropped: state.dropped,
        waiting: waiting.pairs().to_vec(),
        body: Body::Snapshot(state.snapshot.clone()),
    };
    let mut segment = Segment::named(dir, id);
    let file = segment.create(&record::frame(&record))?;
    segment.note(&record);
    Ok((segment, file))
}

/// Gives the state a new identity where the old one may not be used on, and
/// says whether it did.
fn renew(state: &mut State, run: Run<'_>, home: u64, damaged: bool) -> bool {
    let number = state.number;
    let Snapshot { identity, ledger, clean } = &mut state.snapshot;
    let copied = !identity.agent.is_empty() && identity.home != home;
    // Samples that were published may be missing here: their numbers must not
    // be used again, and their bytes are in the server's totals.
    let cut = identity.hasty && !*clean && *ledger.boot != *run.boot;
    if copied {
        tracing::warn!("the state directory is a copy: this agent gets an identity of its own");
    }
    if identity.agent.is_empty() || copied || damaged {
        *ledger = Ledger::default();
    } else if cut {
        tracing::warn!("the host went down at once: up to 5 s of samples may be lost");
        ledger.total = Pair::default();
        ledger.accounts.values_mut().for_each(|account| account.total = Pair::default());
    } else {
        return false;
    }
    let agent = format!("{:032x}", rand::random::<u128>()).into();
    *identity = Identity { agent, base: number, home, hasty: run.hasty };
    *clean = false;
    true
}

/// Makes sure that no other agent uses the folder.
fn lock(dir: &Path) -> anyhow::Result<File> {
    let advice = "give a folder that this user may write to with --state-dir";
    fs::create_dir_all(dir)
        .with_context(|| format!("cannot make the state directory {} ({advice})", dir.display()))?;
    let path = dir.join("lock");
    let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let lock = lock.with_context(|| {
        format!("cannot write to the state directory {} ({advice})", dir.display())
    })?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => bail!(
            "another agent already uses the state directory {}: stop it, or give this one its own \
             with --state-dir",
            dir.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}
