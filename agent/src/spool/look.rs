//! What the files of a spool tell whoever only looks, while an agent may run
//! there: how long ago it measured, and how often it does.

use std::{
    fs, io,
    path::Path,
    time::{Duration, SystemTime},
};

use super::{
    record::{self, Body, Frame},
    segment::Segment,
};

/// When the spool in `dir` was last written to; nothing where there is none.
pub fn last_written(dir: &Path) -> io::Result<Option<SystemTime>> {
    Segment::list(dir)?.last().map(Segment::written).transpose()
}

/// The interval of the last sample in `dir` that covers no gap; nothing where
/// there is none.
pub fn last_interval(dir: &Path) -> io::Result<Option<Duration>> {
    // A segment that has just been begun holds none yet.
    for segment in Segment::list(dir)?.iter().rev().take(2) {
        let bytes = fs::read(&segment.path)?;
        let (mut at, mut found) = (0, None);
        while let Frame::Whole(record, next) = record::read(&bytes, at) {
            if let Body::Step { sample, .. } = record.body
                && let Some(sample) =
                    komandorr_wire::decode(&sample).ok().and_then(|s| s.first().cloned())
                && !sample.gap
            {
                found = Some(Duration::from_millis(sample.interval_ms));
            }
            at = next;
        }
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}
