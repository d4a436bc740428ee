//! `vnstat --json`: rows of five minutes, hours, days, months and years, each
//! kept for its own time. A year's bytes are those of its months and more; the
//! finest rows that cover a time are taken, and what a coarser one has beyond
//! them lies in the rest of its time.

use jiff::{Timestamp, ToSpan, civil, tz::TimeZone};
use serde::Deserialize;

use crate::{Bytes, History, ImportError, Piece, Skipped};

/// The version of the format that vnStat 2 writes.
const JSON_VERSION: &str = "2";

#[derive(Debug, Deserialize)]
struct Document {
    jsonversion: serde_json::Value,
    interfaces: Vec<Interface>,
}

#[derive(Debug, Deserialize)]
struct Interface {
    name: String,
    created: Moment,
    updated: Moment,
    traffic: Traffic,
}

#[derive(Debug, Deserialize)]
struct Traffic {
    total: Counted,
    #[serde(default)]
    fiveminute: Vec<Row>,
    #[serde(default)]
    hour: Vec<Row>,
    #[serde(default)]
    day: Vec<Row>,
    #[serde(default)]
    month: Vec<Row>,
    #[serde(default)]
    year: Vec<Row>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Counted {
    rx: u64,
    tx: u64,
}

#[derive(Debug, Deserialize)]
struct Row {
    #[serde(flatten)]
    begin: Moment,
    rx: u64,
    tx: u64,
}

/// A time as the host's clock shows it; newer versions add what it is in UTC.
#[derive(Debug, Deserialize)]
struct Moment {
    date: Date,
    time: Option<Time>,
    timestamp: Option<i64>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Date {
    year: i16,
    #[serde(default = "one")]
    month: i8,
    #[serde(default = "one")]
    day: i8,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Time {
    hour: i8,
    minute: i8,
}

fn one() -> i8 {
    1
}

/// How long a row is.
#[derive(Debug, Clone, Copy)]
enum Length {
    Minutes(i64),
    Days(i64),
    Months(i64),
}

impl From<Counted> for Bytes {
    fn from(counted: Counted) -> Self {
        Self { up: counted.tx, down: counted.rx }
    }
}

impl Moment {
    /// Where a version tells no UTC, the time is read in `zone`.
    fn at(&self, zone: &TimeZone) -> Result<Timestamp, String> {
        if let Some(seconds) = self.timestamp {
            return Timestamp::from_second(seconds).map_err(|error| error.to_string());
        }
        let Date { year, month, day } = self.date;
        let Time { hour, minute } = self.time.unwrap_or(Time { hour: 0, minute: 0 });
        civil::DateTime::new(year, month, day, hour, minute, 0, 0)
            .and_then(|local| local.to_zoned_datetime(zone.clone()))
            .map(|zoned| zoned.timestamp())
            .map_err(|error| error.to_string())
    }
}

/// Reads what `vnstat --json` printed: the interfaces with their histories.
/// `zone` is the clock of the host that it comes from.
pub fn read_vnstat(
    text: &[u8],
    place: &str,
    zone: &TimeZone,
) -> Result<Vec<(String, History)>, ImportError> {
    let damaged = |reason: String| ImportError::Damaged {
        place: place.to_owned(),
        kind: "the output of `vnstat --json`",
        reason,
    };
    let document: Document =
        serde_json::from_slice(text).map_err(|error| damaged(error.to_string()))?;
    let version = document.jsonversion.to_string();
    if version.trim_matches('"') != JSON_VERSION {
        let reason = format!("its jsonversion is {version}, and only \"2\" of vnStat 2 is known");
        return Err(damaged(reason));
    }
    let read = |interface: Interface| {
        let name = interface.name.clone();
        let history = interface
            .history(zone)
            .map_err(|reason| damaged(format!("interface {name}: {reason}")))?;
        Ok((name, history))
    };
    document.interfaces.into_iter().map(read).collect()
}

impl Interface {
    fn history(&self, zone: &TimeZone) -> Result<History, String> {
        let created_ms = self.created.at(zone)?.as_millisecond();
        let until_ms = self.updated.at(zone)?.as_millisecond();
        let mut history =
            History { total: self.traffic.total.into(), until_ms, ..History::default() };
        let levels = [
            (&self.traffic.fiveminute, Length::Minutes(5)),
            (&self.traffic.hour, Length::Minutes(60)),
            (&self.traffic.day, Length::Days(1)),
            (&self.traffic.month, Length::Months(1)),
            (&self.traffic.year, Length::Months(12)),
        ];
        for (rows, length) in levels {
            let rows = rows.iter().map(|row| row.piece(length, zone, created_ms, until_ms));
            let rows = rows.collect::<Result<Vec<_>, _>>()?;
            for row in rows.into_iter().flatten() {
                history.add(row);
            }
            history.pieces.sort_by_key(|piece| piece.from_ms);
        }
        Ok(history)
    }
}

impl Row {
    /// The row's time, as far as it lies between the database's first and last
    /// moment.
    fn piece(
        &self,
        length: Length,
        zone: &TimeZone,
        created_ms: i64,
        until_ms: i64,
    ) -> Result<Option<Piece>, String> {
        let begin = self.begin.at(zone)?;
        let span = match length {
            Length::Minutes(minutes) => minutes.minutes(),
            Length::Days(days) => days.days(),
            Length::Months(months) => months.months(),
        };
        let end =
            begin.to_zoned_datetime(zone.clone()).checked_add(span).map_err(|e| e.to_string())?;
        let from_ms = begin.as_millisecond();
        let to_ms = end.timestamp().as_millisecond().min(until_ms);
        // An interface is not older than its database; its clock may have been.
        let from_ms = if created_ms < to_ms { from_ms.max(created_ms) } else { from_ms };
        let bytes = Counted { rx: self.rx, tx: self.tx }.into();
        Ok((from_ms < to_ms).then_some(Piece { from_ms, to_ms, bytes }))
    }
}

impl History {
    /// Adds a row that is coarser than all before it: what it has beyond them
    /// is shared out among the times that they leave open.
    fn add(&mut self, row: Piece) {
        let inside = |piece: &&Piece| piece.from_ms < row.to_ms && row.from_ms < piece.to_ms;
        let known: Vec<Piece> = self.pieces.iter().filter(inside).copied().collect();
        let sum = known.iter().fold(Bytes::default(), |sum, piece| sum.plus(piece.bytes));
        let rest = row.bytes.minus(sum);
        if rest.is_nothing() {
            return;
        }
        let mut open = Vec::new();
        let mut from_ms = row.from_ms;
        for piece in &known {
            if from_ms < piece.from_ms {
                open.push((from_ms, piece.from_ms));
            }
            from_ms = from_ms.max(piece.to_ms);
        }
        if from_ms < row.to_ms {
            open.push((from_ms, row.to_ms));
        }
        let length = |(from, to): &(i64, i64)| u64::try_from(to - from).unwrap_or_default();
        let whole: u64 = open.iter().map(length).sum();
        if whole == 0 {
            // Rows that say different things of the same time.
            let reason = "more in a coarser row than in the finer ones of all its time";
            self.skipped.push(Skipped { reason: reason.to_owned(), bytes: rest });
            return;
        }
        let (mut before, mut given) = (0, Bytes::default());
        for stretch in open {
            before += length(&stretch);
            let until = rest.share(before, whole);
            let bytes = until.minus(given);
            given = until;
            self.pieces.push(Piece { from_ms: stretch.0, to_ms: stretch.1, bytes });
        }
    }
}

#[cfg(test)]
mod tests;
