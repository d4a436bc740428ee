//! The spool: every sample on disk before it is published, until its PUBACK.
//!
//! An append-only log in segments. One record holds a sample together with
//! the step of the ledger that made it, so after any crash a sample is
//! spooled and the counters have advanced, or neither. No library of the
//! footprint does that: embedded databases cost more than the whole agent.
//!
//! What a power cut can cost of it: nothing at intervals of 5 s and more, where
//! a sample is on the disk itself before it is published. At shorter intervals
//! the disk is synced every 5 s, and up to 5 s of samples that had not
//! reached the server are lost with the power. `kill -9` costs nothing. (What
//! passed since the last reading only the kernel knows, until the power goes.)

mod batch;
mod found;
mod home;
mod look;
mod ranges;
mod record;
mod recover;
mod room;
mod segment;
mod stamp;

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Write},
    path::PathBuf,
};

use bytes::Bytes;
use komandorr_wire::{AgentSeq, Sample};

use crate::{
    config::Limits,
    ledger::{Ledger, Step},
};
pub use batch::{Batch, Cursor, Room};
pub use look::{last_interval, last_written};
pub use ranges::Ranges;
use record::{Body, Identity, Record, Snapshot};
pub use recover::Run;
pub use room::Dropped;
use segment::Segment;

/// Largest segment. It is also what one write of a full spool drops.
const SEGMENT_MOST: u64 = 1 << 20;
/// Smallest segment, for spools of a few kilobytes.
const SEGMENT_LEAST: u64 = 4096;
/// A spool is made of at least so many segments when it is full.
const SEGMENTS: u64 = 16;
/// No two syncs of the disk within this: a flash card must live.
const SYNC_EVERY_MS: u64 = 5000;

/// The samples of this agent that the server does not have yet, and the state
/// from which the next one follows.
#[derive(Debug)]
pub struct Spool {
    dir: PathBuf,
    limits: Limits,
    /// The host's boot in this run.
    boot: Box<str>,
    identity: Identity,
    ledger: Ledger,
    /// Number of the newest sample.
    number: u64,
    dropped: u64,
    /// What was dropped and is not told yet.
    untold: Dropped,
    waiting: Ranges,
    /// All but the active one.
    older: VecDeque<Segment>,
    active: Segment,
    file: File,
    /// Bytes were written since the last sync.
    dirty: bool,
    synced_ms: Option<u64>,
    /// Held as long as this spool is used.
    _lock: File,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Appended {
    /// The sample, if the step had one, ready to be published.
    pub newest: Option<Newest>,
    /// Waiting samples that had to go.
    pub dropped: Dropped,
}

/// A sample that was just stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newest {
    /// Its number in the spool.
    pub number: u64,
    /// When it ended, on the clock that never jumps.
    pub boot_ms: u64,
    /// `MessagePack`.
    pub payload: Bytes,
}

impl Spool {
    /// Stores a step and its sample, which `sample` makes for its number. When it
    /// fails the ledger stays where it was; what made room for it stays gone, and
    /// is told by the next one that does not fail.
    pub fn append(
        &mut self,
        step: &Step,
        sample: impl FnOnce(AgentSeq) -> Sample,
    ) -> io::Result<Appended> {
        let next = step.interval.as_ref().map(|_| self.number + 1);
        let number = next.unwrap_or(self.number);
        let sample = next.map(|number| {
            let seq = Some(number - self.identity.base);
            sample(AgentSeq { agent: self.identity.agent.clone(), seq })
        });
        let sample = sample.map(|sample| komandorr_wire::encode_one(&sample)).unwrap_or_default();
        self.make_room(step.elapsed_ms);
        let payload = Bytes::copy_from_slice(&sample);
        let record = Record {
            number,
            dropped: self.dropped,
            waiting: self.waiting.pairs().to_vec(),
            body: Body::Step { step: step.clone(), sample },
        };
        self.write(&record)?;
        self.ledger.apply(step);
        self.number = number;
        if let Some(number) = next {
            self.waiting.insert(number, number);
        }
        let newest = next.map(|number| Newest { number, boot_ms: step.boot_ms, payload });
        Ok(Appended { newest, dropped: std::mem::take(&mut self.untold) })
    }

    /// Writes a record, into a new segment when the active one is full.
    fn write(&mut self, record: &Record) -> io::Result<()> {
        let frame = record::frame(record);
        let full = self.active.len + frame.len() as u64 > self.segment_size();
        let span = u64::try_from(self.limits.age.as_millis()).unwrap_or(u64::MAX) / SEGMENTS;
        let long = self.ledger.elapsed_ms.saturating_sub(self.active.since_ms) > span.max(1);
        if (full || long) && !self.active.samples.is_empty() {
            self.rotate()?;
        }
        if let Err(error) = self.file.write_all(&frame) {
            // A half-written record would hide those after it.
            self.file.set_len(self.active.len)?;
            return Err(error);
        }
        self.active.len += frame.len() as u64;
        self.active.note(record);
        self.dirty = true;
        Ok(())
    }

    /// Begins a new segment with the state as it is.
    fn rotate(&mut self) -> io::Result<()> {
        if self.dirty {
            self.file.sync_data()?;
        }
        let snapshot = self.snapshot(false);
        let mut next = Segment::named(&self.dir, self.active.id + 1);
        self.file = next.create(&record::frame(&snapshot))?;
        next.note(&snapshot);
        let full = std::mem::replace(&mut self.active, next);
        self.older.push_back(full);
        self.dirty = false;
        self.discard_acknowledged();
        Ok(())
    }

    fn snapshot(&self, clean: bool) -> Record {
        let (identity, ledger) = (self.identity.clone(), self.ledger.clone());
        Record {
            number: self.number,
            dropped: self.dropped,
            waiting: self.waiting.pairs().to_vec(),
            body: Body::Snapshot(Snapshot { identity, ledger, clean }),
        }
    }

    fn segment_size(&self) -> u64 {
        (self.limits.bytes / SEGMENTS).clamp(SEGMENT_LEAST, SEGMENT_MOST)
    }

    /// The file to sync, when something was written. A hasty spool waits until
    /// no sync was made for 5 s. Whoever takes the file must sync it.
    pub fn due_for_sync(&mut self, boot_ms: u64) -> io::Result<Option<File>> {
        let last = self.synced_ms.unwrap_or(0);
        // A little early counts: ticks of 5 s are a millisecond off.
        let recently = self.synced_ms.is_some() && boot_ms < last + SYNC_EVERY_MS - 250;
        let recently = recently && self.identity.hasty;
        if !self.dirty || recently {
            return Ok(None);
        }
        let file = self.file.try_clone()?;
        self.dirty = false;
        self.synced_ms = Some(boot_ms);
        Ok(Some(file))
    }

    /// Ends the run in order: everything is on the disk afterwards.
    pub fn close(&mut self) -> io::Result<()> {
        let record = self.snapshot(true);
        self.write(&record)?;
        self.dirty = false;
        self.file.sync_data()
    }

    /// The counters.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Identity of the state.
    pub fn agent(&self) -> &str {
        &self.identity.agent
    }

    /// Number under which the server knows the newest sample; 0 before any.
    pub fn seq(&self) -> u64 {
        self.number - self.identity.base
    }

    /// Samples that wait for their PUBACK.
    pub fn waiting(&self) -> &Ranges {
        &self.waiting
    }

    /// Samples that were dropped since the state began.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Bytes on disk.
    pub fn size(&self) -> u64 {
        self.older.iter().map(|s| s.len).sum::<u64>() + self.active.len
    }
}

#[cfg(test)]
mod tests;
