//! Reading back what waits, in batches for one message each.

use std::{
    borrow::Cow,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

use bytes::Bytes;
use komandorr_wire::MAX_SAMPLES_PER_PAYLOAD;

use super::{
    Ranges, Spool,
    record::{self, Body, Frame},
    segment::{Segment, is_lost},
    stamp::Moment,
};
use crate::{clock, ledger::Step};

/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;
/// First byte of a `MessagePack` array whose length follows in 16 bits.
const ARRAY_16: u8 = 0xdc;
/// Bytes of an array before its elements.
const HEADER: usize = 3;

/// How much one message may hold; always one sample, whatever its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Samples.
    pub samples: usize,
    /// Bytes of the payload.
    pub bytes: usize,
}

/// Samples for one message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// Their numbers.
    pub numbers: Vec<(u64, u64)>,
    /// `MessagePack`: one sample, or an array.
    pub payload: Bytes,
}

/// Where in the spool the reading goes on; the default is its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    segment: u64,
    offset: u64,
}

impl Spool {
    /// The oldest samples from `cursor` on that wait and are not `under_way`,
    /// as many as there is room for. Nothing when the end is reached.
    pub fn batch(
        &mut self,
        cursor: &mut Cursor,
        under_way: &Ranges,
        room: Room,
    ) -> io::Result<Option<Batch>> {
        self.batch_at(Moment::now(), cursor, under_way, room)
    }

    /// The same at some moment.
    pub(super) fn batch_at(
        &mut self,
        moment: Moment,
        cursor: &mut Cursor,
        under_way: &Ranges,
        room: Room,
    ) -> io::Result<Option<Batch>> {
        let mut gathered = Gathered {
            boot: self.boot.clone(),
            moment,
            most: room.samples.clamp(1, MAX_SAMPLES_PER_PAYLOAD),
            most_bytes: room.bytes.saturating_sub(HEADER),
            numbers: Ranges::default(),
            count: 0,
            samples: Vec::new(),
        };
        let segments: Vec<Segment> = self
            .older
            .iter()
            .chain([&self.active])
            .filter(|s| s.id >= cursor.segment)
            .cloned()
            .collect();
        for segment in segments {
            if segment.id > cursor.segment {
                *cursor = Cursor { segment: segment.id, offset: 0 };
            }
            if !segment.samples.pairs().iter().any(|&(a, b)| self.waiting.meets(a, b)) {
                cursor.offset = segment.len;
                continue;
            }
            let wanted = |number| self.waiting.contains(number) && !under_way.contains(number);
            let reason = match gathered.from(&segment, cursor, wanted) {
                Ok(Reading::Full) => break,
                Ok(Reading::End) => continue,
                Ok(Reading::Broken) => "it is damaged".to_owned(),
                Err(error) if is_lost(&error) => error.to_string(),
                Err(error) => return Err(error),
            };
            // Others still wait behind it.
            cursor.offset = segment.len;
            self.give_up(&segment, under_way, &gathered, &reason);
        }
        Ok(gathered.finish())
    }

    /// What cannot be read any more cannot be sent.
    fn give_up(
        &mut self,
        segment: &Segment,
        under_way: &Ranges,
        gathered: &Gathered,
        reason: &str,
    ) {
        let kept =
            Ranges::from_pairs(under_way.pairs().iter().chain(gathered.numbers.pairs()).copied());
        let mut lost = 0;
        for &(first, last) in segment.samples.pairs() {
            let unreadable = (first..=last).filter(|&n| !kept.contains(n));
            lost += unreadable.map(|n| self.waiting.remove(n, n)).sum::<u64>();
        }
        self.dropped += lost;
        tracing::error!(path = %segment.path.display(), samples = lost, reason, "the spool cannot be read back; samples are lost");
    }
}

enum Reading {
    Full,
    End,
    Broken,
}

struct Gathered {
    /// The host's boot, and what its clocks show.
    boot: Box<str>,
    moment: Moment,
    most: usize,
    most_bytes: usize,
    numbers: Ranges,
    count: usize,
    /// Encoded samples, one after the other.
    samples: Vec<u8>,
}

impl Gathered {
    /// Takes samples from one segment until there are enough.
    fn from(
        &mut self,
        segment: &Segment,
        cursor: &mut Cursor,
        wanted: impl Fn(u64) -> bool,
    ) -> io::Result<Reading> {
        let mut file = File::open(&segment.path)?;
        let mut chunk = CHUNK;
        while cursor.offset < segment.len {
            let rest = usize::try_from(segment.len - cursor.offset).unwrap_or(usize::MAX);
            let mut bytes = vec![0; rest.min(chunk)];
            file.seek(SeekFrom::Start(cursor.offset))?;
            file.read_exact(&mut bytes)?;
            let mut at = 0;
            while let Frame::Whole(record, next) = record::read(&bytes, at) {
                if let Body::Step { step, sample } = &record.body
                    && !sample.is_empty()
                    && wanted(record.number)
                {
                    let sample = self.to_send(step, sample);
                    if self.count >= self.most
                        || self.count > 0 && self.samples.len() + sample.len() > self.most_bytes
                    {
                        cursor.offset += at as u64;
                        return Ok(Reading::Full);
                    }
                    self.numbers.insert(record.number, record.number);
                    self.samples.extend_from_slice(&sample);
                    self.count += 1;
                }
                at = next;
            }
            cursor.offset += at as u64;
            if at > 0 {
                chunk = CHUNK;
            } else if bytes.len() < rest {
                // A record larger than the chunk.
                chunk = chunk.saturating_mul(4);
            } else {
                return Ok(Reading::Broken);
            }
        }
        Ok(Reading::End)
    }

    /// A sample as it is to be sent now: where it is of this boot, its time stamp
    /// follows a wall clock that was set since.
    fn to_send<'a>(&self, step: &Step, sample: &'a [u8]) -> Cow<'a, [u8]> {
        let now = (&*self.boot, self.moment.boot_ms);
        if clock::same_boot((&step.boot, step.boot_ms), now) {
            self.moment.stamped(sample, step.boot_ms)
        } else {
            Cow::Borrowed(sample)
        }
    }

    fn finish(self) -> Option<Batch> {
        let count = u16::try_from(self.count).ok().filter(|&count| count > 0)?;
        let payload = if count == 1 {
            self.samples
        } else {
            // The stored maps, one after the other, are the array's elements.
            let mut payload = Vec::with_capacity(self.samples.len() + HEADER);
            payload.push(ARRAY_16);
            payload.extend_from_slice(&count.to_be_bytes());
            payload.extend_from_slice(&self.samples);
            payload
        };
        Some(Batch { numbers: self.numbers.pairs().to_vec(), payload: payload.into() })
    }
}
