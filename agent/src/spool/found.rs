//! What a folder holds at the start: segments that are whole, and damaged ones.

use std::{
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use anyhow::Context;

use super::{
    room::remove,
    segment::{self, Scan, Segment, State, Tail},
};
use crate::clock;

/// Where damaged files are put, and how many are kept.
const DAMAGED: &str = "damaged";
const DAMAGED_MOST: usize = 4;

/// What the folder holds.
#[derive(Default)]
pub(super) struct Found {
    pub(super) segments: Vec<Segment>,
    pub(super) state: Option<State>,
    pub(super) damaged: bool,
    pub(super) last_damaged: bool,
}

/// Reads every segment, and sets aside what is damaged.
pub(super) fn read_segments(dir: &Path) -> anyhow::Result<Found> {
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
        found.damaged |= damaged;
        let aside = damaged && report(dir, &segment, whole, state.is_some());
        found.last_damaged = damaged;
        if state.is_none() {
            remove(&segment);
            continue;
        }
        // What is not set aside stays as it is: a disk that has an error now may give it
        // back at the next start. To a damaged one nothing is added.
        if tail != Tail::None && (aside || !damaged) {
            let cut = OpenOptions::new().write(true).open(&segment.path);
            let cut = cut.and_then(|file| file.set_len(whole));
            if let Err(error) = cut
                && !damaged
            {
                return Err(error)
                    .with_context(|| format!("cannot cut {}", segment.path.display()));
            }
        }
        found.state = state;
        found.segments.push(segment);
    }
    Ok(found)
}

/// Says that a file is damaged, and sets it aside; whether that succeeds. Where it does
/// not, as on a disk that is full or cannot be read there, the agent goes on without.
fn report(dir: &Path, segment: &Segment, whole: u64, read_on: bool) -> bool {
    let path = segment.path.display();
    let aside = set_aside(dir, segment, read_on);
    match &aside {
        Ok(aside) => {
            let aside = aside.display();
            tracing::error!(%path, at = whole, %aside, "the spool is damaged; the damaged file is set aside");
        }
        Err(error) => {
            tracing::error!(%path, at = whole, %error, "the spool is damaged, and the damaged file cannot be set aside");
        }
    }
    aside.is_ok()
}

/// Puts a damaged file out of the way, for whoever wants to look at it; a copy of
/// it where its first part is read on.
fn set_aside(dir: &Path, segment: &Segment, read_on: bool) -> io::Result<PathBuf> {
    let folder = dir.join(DAMAGED);
    fs::create_dir_all(&folder)?;
    let mut old: Vec<_> = fs::read_dir(&folder)?.flatten().map(|entry| entry.path()).collect();
    old.sort();
    let surplus = (old.len() + 1).saturating_sub(DAMAGED_MOST);
    for path in old.iter().take(surplus) {
        fs::remove_file(path)?;
    }
    let aside = folder.join(format!("{:012}-{}", segment.id, clock::wall_ms()));
    if !read_on {
        fs::rename(&segment.path, &aside)?;
    } else if let Err(error) = fs::copy(&segment.path, &aside) {
        // A part of it would take room that may be missing.
        drop(fs::remove_file(&aside));
        return Err(error);
    }
    Ok(aside)
}
