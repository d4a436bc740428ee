//! Opening the spool: the lock, what a crash left, and what is damaged.

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions, TryLockError},
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

use super::{
    Identity, Limits, Ranges, Spool,
    record::{self, Body, Record, Snapshot},
    segment::{self, Scan, Segment, State, Tail},
};
use crate::{
    clock,
    ledger::{Ledger, Pair},
};

/// Where damaged files are put, and how many are kept.
const DAMAGED: &str = "damaged";
const DAMAGED_MOST: usize = 4;

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
            identity: state.snapshot.identity,
            ledger: state.snapshot.ledger,
            number: state.number,
            dropped: state.dropped,
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

/// What the folder holds.
#[derive(Default)]
struct Found {
    segments: Vec<Segment>,
    state: Option<State>,
    damaged: bool,
    last_damaged: bool,
}

fn read_segments(dir: &Path) -> anyhow::Result<Found> {
    let mut found = Found::default();
    let all = Segment::list(dir)?;
    let count = all.len();
    for (i, mut segment) in all.into_iter().enumerate() {
        let last = i + 1 == count;
        let Scan { state, whole, tail } = segment::scan(&mut segment)
            .with_context(|| format!("cannot read {}", segment.path.display()))?;
        let damaged = match tail {
            Tail::None => false,
            Tail::Torn if last => {
                tracing::warn!(path = %segment.path.display(), at = whole, "the last write was cut short; it had not been published");
                // A segment that never came to be leaves the one before it.
                state.is_none() && found.state.is_none()
            }
            Tail::Torn | Tail::Damaged => true,
        };
        if damaged {
            found.damaged = true;
            let aside = set_aside(dir, &segment)?;
            tracing::error!(path = %segment.path.display(), at = whole, aside = %aside.display(), "the spool is damaged; the damaged file is set aside");
        }
        found.last_damaged = damaged;
        if state.is_none() {
            fs::remove_file(&segment.path)?;
            continue;
        }
        if tail != Tail::None {
            OpenOptions::new().write(true).open(&segment.path)?.set_len(whole)?;
        }
        found.state = state;
        found.segments.push(segment);
    }
    Ok(found)
}

/// Copies a damaged file out of the way, for whoever wants to look at it.
fn set_aside(dir: &Path, segment: &Segment) -> anyhow::Result<PathBuf> {
    let folder = dir.join(DAMAGED);
    fs::create_dir_all(&folder)?;
    let mut old: Vec<_> = fs::read_dir(&folder)?.flatten().map(|entry| entry.path()).collect();
    old.sort();
    let surplus = (old.len() + 1).saturating_sub(DAMAGED_MOST);
    for path in old.iter().take(surplus) {
        fs::remove_file(path)?;
    }
    let aside = folder.join(format!("{:012}-{}", segment.id, clock::wall_ms()));
    fs::copy(&segment.path, &aside)?;
    Ok(aside)
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

/// What tells this state from a copy of it: the machine, and the node of the
/// lock file, which a copied or restored folder has another of. A clone of the
/// whole disk keeps both and is not told apart: where it keeps the service's
/// name as well, the state directory must be emptied before it is cloned.
fn home(lock: &File) -> u64 {
    let mut hasher = DefaultHasher::new();
    fs::read_to_string("/etc/machine-id").unwrap_or_default().trim().hash(&mut hasher);
    #[cfg(unix)]
    if let Ok(metadata) = lock.metadata() {
        std::os::unix::fs::MetadataExt::ino(&metadata).hash(&mut hasher);
    }
    #[cfg(not(unix))]
    let _: &File = lock;
    hasher.finish()
}
