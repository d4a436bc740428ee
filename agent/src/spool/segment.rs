//! A segment: one file of records that begins with a snapshot of the state.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{
    ranges::Ranges,
    record::{self, Body, Frame, Record, Snapshot},
};

/// What the files are called, before and after their number.
const NAME: (&str, &str) = ("spool-", ".log");

/// What is remembered of a segment's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) id: u64,
    pub(super) path: PathBuf,
    pub(super) len: u64,
    /// Samples in it, by number.
    pub(super) samples: Ranges,
    /// Age of the state at its first and last record.
    pub(super) since_ms: u64,
    pub(super) until_ms: u64,
}

impl Segment {
    pub(super) fn named(dir: &Path, id: u64) -> Self {
        let path = dir.join(format!("{}{id:012}{}", NAME.0, NAME.1));
        let samples = Ranges::default();
        Self { id, path, len: 0, samples, since_ms: 0, until_ms: 0 }
    }

    /// The segments of a folder, in order.
    pub(super) fn list(dir: &Path) -> io::Result<Vec<Self>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(dir)? {
            let name = entry?.file_name();
            let id = name.to_str().and_then(|name| {
                name.strip_prefix(NAME.0)?.strip_suffix(NAME.1)?.parse::<u64>().ok()
            });
            found.extend(id.map(|id| Self::named(dir, id)));
        }
        found.sort_by_key(|segment| segment.id);
        Ok(found)
    }

    /// When its file was last written.
    pub(super) fn written(&self) -> io::Result<SystemTime> {
        fs::metadata(&self.path)?.modified()
    }

    /// Makes the file with its first bytes: there at once or not at all.
    pub(super) fn create(&mut self, bytes: &[u8]) -> io::Result<File> {
        let temporary = self.path.with_extension("new");
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        drop(file);
        fs::rename(&temporary, &self.path)?;
        if let Some(dir) = self.path.parent() {
            sync_dir(dir)?;
        }
        self.len = bytes.len() as u64;
        self.open()
    }

    /// Opens the file to add to it.
    pub(super) fn open(&self) -> io::Result<File> {
        OpenOptions::new().append(true).open(&self.path)
    }

    /// Takes a record into account that was written or read.
    pub(super) fn note(&mut self, record: &Record) {
        match &record.body {
            Body::Snapshot(snapshot) => {
                let elapsed = snapshot.ledger.elapsed_ms;
                if self.samples.is_empty() {
                    self.since_ms = elapsed;
                }
                self.until_ms = elapsed;
            }
            Body::Step { step, sample } => {
                self.until_ms = step.elapsed_ms;
                if !sample.is_empty() {
                    self.samples.insert(record.number, record.number);
                }
            }
        }
    }
}

/// Makes a new name in the folder outlive a power cut.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    // Windows cannot open a folder, and needs no such thing.
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

/// What a segment's file holds.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// The state after its last whole record, if its snapshot is whole.
    pub(super) state: Option<State>,
    /// Bytes of whole records.
    pub(super) whole: u64,
    /// What follows them.
    pub(super) tail: Tail,
}

/// What stands behind the last whole record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Tail {
    /// Nothing.
    #[default]
    None,
    /// A write that a crash cut short.
    Torn,
    /// Records that a broken one hides, or that the disk has lost.
    Damaged,
}

/// The state that a log of records leads to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct State {
    pub(super) snapshot: Snapshot,
    pub(super) number: u64,
    pub(super) dropped: u64,
    pub(super) waiting: Ranges,
}

impl State {
    /// Takes a record into account. The first must be a snapshot.
    pub(super) fn apply(&mut self, record: &Record) {
        self.number = record.number;
        self.dropped = record.dropped;
        self.waiting = Ranges::from_pairs(record.waiting.iter().copied());
        match &record.body {
            Body::Snapshot(snapshot) => self.snapshot = snapshot.clone(),
            Body::Step { step, sample } => {
                self.snapshot.ledger.apply(step);
                self.snapshot.clean = false;
                if !sample.is_empty() {
                    self.waiting.insert(record.number, record.number);
                }
            }
        }
    }
}

/// Whether a file will not be read later either: it is gone or cut, or the disk has
/// lost a part of it (EIO).
pub(super) fn is_lost(error: &io::Error) -> bool {
    // The number that Unix has for it; Windows means another thing by it.
    const DISK_ERROR: i32 = 5;
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof)
        || (cfg!(unix) && error.raw_os_error() == Some(DISK_ERROR))
}

/// The bytes of a file up to where the disk has lost some, and whether it has.
fn read(path: &Path) -> io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    match File::open(path)?.read_to_end(&mut bytes) {
        Ok(_) => Ok((bytes, false)),
        // What was read before is in there.
        Err(error) if is_lost(&error) => Ok((bytes, true)),
        Err(error) => Err(error),
    }
}

/// Reads a segment's file and notes its samples.
pub(super) fn scan(segment: &mut Segment) -> io::Result<Scan> {
    let (bytes, lost) = read(&segment.path)?;
    let mut scan = Scan::default();
    let mut at = 0;
    loop {
        match record::read(&bytes, at) {
            Frame::Whole(record, next) => {
                let snapshot = matches!(record.body, Body::Snapshot(_));
                if scan.state.is_none() && !snapshot {
                    // Steps without the state that they change say nothing.
                    scan.tail = Tail::Damaged;
                    break;
                }
                scan.state.get_or_insert_default().apply(&record);
                segment.note(&record);
                at = next;
            }
            Frame::End => break,
            Frame::Broken => {
                let hidden =
                    (at + 1..bytes.len()).any(|i| bytes.get(i..).is_some_and(record::is_frame));
                scan.tail = if hidden { Tail::Damaged } else { Tail::Torn };
                break;
            }
        }
    }
    if lost {
        scan.tail = Tail::Damaged;
    }
    scan.whole = at as u64;
    segment.len = at as u64;
    Ok(scan)
}
