//! The original's `komandorr.db`: an SQLite file with the services and the
//! last points of their traffic, opened for reading only.

use std::{collections::HashMap, path::Path};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use komandorr_wire::{
    ServiceId,
    meter::{Interval, MIB, Tally, count},
};
use rusqlite::{Connection, OpenFlags, Row};

use crate::{AgentState, Bytes, History, ImportError, Piece, Skipped};

/// The interval of the original's agent, milliseconds.
const USUAL_MS: u64 = 2_000;

/// What the database holds.
#[derive(Debug)]
pub struct Original {
    /// Its services in the order of their creation.
    pub services: Vec<OriginalService>,
    /// Ids that no service of ours can have.
    pub unusable: Vec<String>,
}

/// A service of the original.
#[derive(Debug, Clone, PartialEq)]
pub struct OriginalService {
    /// Its id.
    pub id: ServiceId,
    /// What people call it.
    pub name: String,
    /// Its address for people.
    pub url: String,
    /// `app`, `website`, `panel`, `project` or `server`.
    pub kind: String,
    /// The group it is shown in.
    pub group: Option<String>,
    /// A line about it.
    pub description: Option<String>,
    /// A picture's name.
    pub icon: Option<String>,
    /// Oldest first; the last one may come from the service's own row.
    points: Vec<Point>,
    /// Points whose time could not be read, or that are impossible.
    unreadable: usize,
}

/// A report of its agent, as the original kept it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    at_ms: i64,
    /// MiB/s.
    bandwidth: (f64, f64),
    /// GiB.
    total: (f64, f64),
}

/// Reads a database of the original. Nothing is changed in it.
pub fn read_original(path: &Path) -> Result<Original, ImportError> {
    if let Err(error) = std::fs::File::open(path) {
        let (place, reason) = (path.display().to_string(), error.to_string());
        return Err(ImportError::Unreadable { place, reason });
    }
    read(path).map_err(|error| ImportError::Damaged {
        place: path.display().to_string(),
        kind: "a database of the original Komandorr",
        reason: error.to_string().split_whitespace().collect::<Vec<_>>().join(" "),
    })
}

fn read(path: &Path) -> rusqlite::Result<Original> {
    let connection = open(path)?;
    let mut points: HashMap<String, Vec<Option<Point>>> = HashMap::new();
    if has(&connection, "traffic_history", None)? {
        let mut statement = connection.prepare(
            "SELECT service_id, timestamp, bandwidth_up, bandwidth_down, total_up, total_down
             FROM traffic_history",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            points.entry(row.get(0)?).or_default().push(Point::of(row, 1)?);
        }
    }
    let mut original = Original { services: Vec::new(), unusable: Vec::new() };
    let column = |name: &str| -> rusqlite::Result<String> {
        // Databases of older versions lack some columns.
        let known = has(&connection, "services", Some(name))?;
        Ok(if known { format!("\"{name}\"") } else { "NULL".to_owned() })
    };
    let columns = [
        "id",
        "name",
        "url",
        "type",
        "group",
        "description",
        "icon",
        "traffic_last_updated",
        "bandwidth_up",
        "bandwidth_down",
        "total_up",
        "total_down",
    ];
    let columns = columns.into_iter().map(column).collect::<rusqlite::Result<Vec<_>>>()?;
    let sql = format!("SELECT {} FROM services ORDER BY rowid", columns.join(", "));
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        let found = points.remove(&id).unwrap_or_default();
        match ServiceId::new(&id) {
            Ok(id) => original.services.push(OriginalService::of(id, row, found)?),
            Err(_) => original.unusable.push(id),
        }
    }
    Ok(original)
}

/// Also where the file, or its folder, may only be read.
fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let intact: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if intact == "ok" {
        return Ok(connection);
    }
    let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(rusqlite::Error::SqliteFailure(corrupt, Some(format!("it is damaged: {intact}"))))
}

/// Whether there is such a table, or such a column of it.
fn has(connection: &Connection, table: &str, column: Option<&str>) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) > 0 FROM pragma_table_info(?1) WHERE ?2 IS NULL OR name = ?2";
    connection.query_row(sql, (table, column), |row| row.get(0))
}

impl Point {
    /// `None` where its time is none.
    fn of(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Self>> {
        let at: Option<String> = row.get(first)?;
        let number = |at: usize| -> rusqlite::Result<f64> {
            // Of a service that never reported: null.
            Ok(row.get::<_, Option<f64>>(first + at)?.filter(|n| n.is_finite()).unwrap_or(0.0))
        };
        let bandwidth = (number(1)?.max(0.0), number(2)?.max(0.0));
        let total = (number(3)?, number(4)?);
        Ok(at.as_deref().and_then(utc).map(|at_ms| Self { at_ms, bandwidth, total }))
    }
}

/// Times are naive UTC; `2026-11-22 23:56:51.909765`, with `T` or a zone too.
fn utc(text: &str) -> Option<i64> {
    let zoned = text.parse::<Timestamp>().ok();
    let naive = || {
        let local: DateTime = text.parse().ok()?;
        local.to_zoned_datetime(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    };
    zoned.or_else(naive).map(Timestamp::as_millisecond).filter(|ms| *ms > 0)
}

impl OriginalService {
    fn of(id: ServiceId, row: &Row<'_>, found: Vec<Option<Point>>) -> rusqlite::Result<Self> {
        let text = |at: usize| row.get::<_, Option<String>>(at);
        let unreadable = found.iter().filter(|point| point.is_none()).count();
        let mut points: Vec<Point> = found.into_iter().flatten().collect();
        points.extend(Point::of(row, 7)?);
        points.sort_by_key(|point| point.at_ms);
        points.dedup_by_key(|point| point.at_ms);
        Ok(Self {
            name: text(1)?.unwrap_or_default(),
            url: text(2)?.unwrap_or_default(),
            kind: text(3)?.unwrap_or_default(),
            group: text(4)?,
            description: text(5)?,
            icon: text(6)?,
            id,
            points,
            unreadable,
        })
    }

    /// How many points of traffic the database has.
    pub fn points(&self) -> usize {
        self.points.len()
    }

    /// Its traffic, up to `now_ms`; with its agent's own state, where that is
    /// newer than the database.
    pub fn history(&self, agent: Option<AgentState>, now_ms: i64) -> History {
        let mut builder = Builder::default();
        let (past, future): (Vec<&Point>, Vec<&Point>) =
            self.points.iter().partition(|point| point.at_ms <= now_ms);
        for point in past {
            builder.add(point.at_ms, point.bandwidth, point.total, USUAL_MS);
        }
        let mut history = builder.history;
        let left_out = self.unreadable + future.len();
        if left_out > 0 {
            let reason = format!("{left_out} points whose time cannot be");
            history.skipped.push(Skipped { reason, bytes: Bytes::default() });
        }
        let Some(agent) = agent else { return history };
        let mut builder = Builder { history, ..builder };
        if agent.ended_ms > builder.history.until_ms && agent.ended_ms <= now_ms {
            builder.add_total(agent);
        } else {
            let reason = "the agent's state: it is not newer than the database";
            let skipped = Skipped { reason: reason.to_owned(), bytes: Bytes::default() };
            builder.history.skipped.push(skipped);
        }
        builder.history
    }
}

/// Counts points as reports are counted when they come over HTTP.
#[derive(Debug, Default)]
struct Builder {
    history: History,
    up: Option<Tally>,
    down: Option<Tally>,
}

impl Builder {
    fn add(&mut self, at_ms: i64, bandwidth: (f64, f64), total: (f64, f64), usual_ms: u64) {
        let last = self.history.until_ms;
        let elapsed = (last > 0).then(|| u64::try_from(at_ms - last).unwrap_or_default());
        let interval = Interval::after(elapsed, usual_ms);
        let up = count(self.up, bandwidth.0 * MIB, total.0, interval);
        let down = count(self.down, bandwidth.1 * MIB, total.1, interval);
        (self.up, self.down) = (up.tally, down.tally);
        let from_ms = at_ms - i64::try_from(interval.last_ms()).unwrap_or_default();
        if let Interval::Gap { before_ms, .. } = interval {
            let begin_ms = from_ms - i64::try_from(before_ms).unwrap_or_default();
            self.piece(begin_ms, from_ms, Bytes { up: up.gap, down: down.gap });
        }
        self.piece(from_ms, at_ms, Bytes { up: up.last, down: down.last });
        self.history.until_ms = at_ms;
        // A total that fell began anew: what was counted before stays counted.
        let reached = |before: u64, tally: Option<Tally>, new: u64| {
            let counted = tally.map_or(0, |tally| tally.counted);
            counted.max(before.saturating_add(new))
        };
        let before = self.history.total;
        self.history.total = Bytes {
            up: reached(before.up, up.tally, up.gap + up.last),
            down: reached(before.down, down.tally, down.gap + down.last),
        };
    }

    /// A total alone, whose agent was not heard of since the last point.
    fn add_total(&mut self, agent: AgentState) {
        if self.history.until_ms == 0 {
            let bytes = |gib: f64| Tally::begin(gib.max(0.0)).counted;
            self.history.total = Bytes { up: bytes(agent.sent), down: bytes(agent.received) };
            self.history.until_ms = agent.ended_ms;
            return;
        }
        let grown =
            |tally: Option<Tally>, total: f64| tally.is_some_and(|tally| total >= tally.reported);
        if grown(self.up, agent.sent) && grown(self.down, agent.received) {
            self.add(agent.ended_ms, (0.0, 0.0), (agent.sent, agent.received), USUAL_MS);
        } else {
            let reason = "the agent's state: its totals are below the database's";
            let skipped = Skipped { reason: reason.to_owned(), bytes: Bytes::default() };
            self.history.skipped.push(skipped);
        }
    }

    fn piece(&mut self, from_ms: i64, to_ms: i64, bytes: Bytes) {
        if !bytes.is_nothing() {
            self.history.pieces.push(Piece { from_ms, to_ms, bytes });
        }
    }
}

#[cfg(test)]
mod tests;
