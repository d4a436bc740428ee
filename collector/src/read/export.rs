//! The points of any range as a download, made piece by piece as it is taken: however
//! long it is, some thousand points and the rows of one piece are in memory.

mod json;
mod parquet;
mod text;

use std::{str::FromStr, sync::Arc};

use bytes::Bytes;
use jiff::Timestamp;
use komandorr_wire::ServiceId;
use tokio::task::spawn_blocking;

use super::{Point, Range, ReadError, Reader, Scope, Step, query::Which};
use crate::{level::Level, registry::Service};

/// About how many points one piece has.
const PIECE_POINTS: u16 = 8192;
/// About how many rows the points of one piece are made from, some 30 MB.
const PIECE_ROWS: usize = 1 << 19;
/// How many services' samples one piece has.
const PIECE_RAW_SERVICES: usize = 4;

/// How points are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExportFormat {
    /// A line a point, with a head.
    Csv,
    /// Columns in row groups, compressed with Snappy.
    Parquet,
    /// One object, shaped as the history's, without summaries.
    Json,
}

/// A format of an export that there is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an export is csv, parquet or json")]
pub struct UnknownFormat;

impl FromStr for ExportFormat {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text {
            "csv" => Ok(Self::Csv),
            "parquet" => Ok(Self::Parquet),
            "json" => Ok(Self::Json),
            _ => Err(UnknownFormat),
        }
    }
}

impl ExportFormat {
    /// Ending of a file's name, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Json => "json",
        }
    }

    /// What HTTP calls it.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Json => "application/json",
        }
    }
}

/// What a format does with points.
trait Encode: Send {
    /// Writes what comes before all points.
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), ReadError>;
    /// Writes a service's next points; all of one service come in a row.
    fn points(
        &mut self,
        service: &ServiceId,
        points: &[Point],
        out: &mut Vec<u8>,
    ) -> Result<(), ReadError>;
    /// Writes what comes after all points.
    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), ReadError>;
}

/// Services with their points.
type Piece = Vec<(ServiceId, Vec<Point>)>;

#[allow(clippy::needless_pass_by_value, reason = "stands behind map_err")]
fn broken(error: impl ToString) -> ReadError {
    ReadError::Export(error.to_string())
}

/// A download under way. Each piece is exact at its own moment.
pub struct Export {
    reader: Reader,
    step: Step,
    level: Level,
    services: Vec<Arc<Service>>,
    windows: Vec<Range>,
    /// How many services one piece has.
    width: usize,
    /// The next piece: its first service and its window.
    next: (usize, usize),
    /// `None` when all is written.
    encoder: Option<Box<dyn Encode>>,
    begun: bool,
}

impl std::fmt::Debug for Export {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Export").field("step", &self.step).finish_non_exhaustive()
    }
}

impl Reader {
    /// The history of each service of a scope, however long, as a download:
    /// by service and time, the same points that [`history`](Self::history)
    /// gives.
    pub fn export(
        &self,
        scope: &Scope,
        range: Range,
        step: Step,
        format: ExportFormat,
    ) -> Result<Export, ReadError> {
        let services = self.services(scope)?;
        let level = self.level_of(step, range);
        let range = range.widened(level.length_ms());
        let (points, piece) = (step.points(range) + 1, usize::from(PIECE_POINTS));
        let (windows, width) = match step {
            Step::Raw => (vec![range], PIECE_RAW_SERVICES),
            _ if points <= piece => {
                let (from_ms, to_ms) = (range.from.as_millisecond(), range.to.as_millisecond());
                let rows = level.rows_between(from_ms, to_ms);
                (vec![range], (piece / points).min(PIECE_ROWS / rows).max(1))
            }
            step => (self.windows(step, range), 1),
        };
        let encoder: Box<dyn Encode> = match format {
            ExportFormat::Csv => Box::new(text::Csv),
            ExportFormat::Json => Box::new(json::Json::new(range, step)),
            ExportFormat::Parquet => Box::new(parquet::Parquet::new()?),
        };
        let (next, begun) = ((0, 0), false);
        let reader = self.clone();
        let encoder = Some(encoder);
        Ok(Export { reader, step, level, services, windows, width, next, encoder, begun })
    }

    /// The finest step that is kept over a whole range.
    pub fn finest_step(&self, range: Range) -> Step {
        if self.keeps_five_minutes(range) { Step::FiveMinutes } else { Step::Hour }
    }

    /// A range cut at ends of its periods, none of which is cut itself.
    fn windows(&self, step: Step, range: Range) -> Vec<Range> {
        let mut windows = Vec::new();
        let mut from = range.from;
        while from < range.to {
            // A little less than a piece has: days of 23 hours are shorter.
            let length = step.length_ms().unwrap_or(1) * i64::from(PIECE_POINTS);
            let until = Timestamp::from_millisecond(from.as_millisecond() + length);
            let until = until.unwrap_or(range.to).min(range.to);
            let last = self.periods(step, Range { from, to: until }).pop();
            let to = last.map_or(range.to, |(_, end)| end).min(range.to);
            windows.push(Range { from, to });
            from = to;
        }
        windows
    }
}

impl Export {
    /// The next piece; `None` at the end. After an error there is no more, and
    /// what was written is no whole file.
    pub async fn next(&mut self) -> Option<Result<Bytes, ReadError>> {
        loop {
            let encoder = self.encoder.take()?;
            let written = match self.read().await {
                Ok(piece) => self.write(encoder, piece).await,
                Err(error) => Err(error),
            };
            match written {
                Ok(bytes) if bytes.is_empty() => {}
                other => return Some(other),
            }
        }
    }

    /// The next piece; `None`: there is none any more.
    async fn read(&mut self) -> Result<Option<Piece>, ReadError> {
        let (first, window) = self.next;
        let (Some(services), Some(&range)) = (self.services.get(first..), self.windows.get(window))
        else {
            return Ok(None);
        };
        let services = services.get(..self.width).unwrap_or(services);
        if services.is_empty() {
            return Ok(None);
        }
        let which = Which::Some(services.iter().map(|service| service.number).collect());
        let mut points = self.reader.points_of_each(which, range, (self.step, self.level)).await?;
        let piece = services.iter().map(|service| {
            (service.id.clone(), points.remove(&service.number).unwrap_or_default())
        });
        let piece = piece.collect();
        self.next = if window + 1 < self.windows.len() {
            (first, window + 1)
        } else {
            (first + self.width, 0)
        };
        Ok(Some(piece))
    }

    /// Writes a piece off the async threads, and keeps the encoder while there
    /// may be more.
    async fn write(
        &mut self,
        mut encoder: Box<dyn Encode>,
        piece: Option<Piece>,
    ) -> Result<Bytes, ReadError> {
        let first = !std::mem::replace(&mut self.begun, true);
        let more = piece.is_some();
        let written = spawn_blocking(move || {
            let mut out = Vec::new();
            if first {
                encoder.begin(&mut out)?;
            }
            match piece {
                Some(piece) => piece
                    .iter()
                    .try_for_each(|(service, points)| encoder.points(service, points, &mut out))?,
                None => encoder.end(&mut out)?,
            }
            Ok::<_, ReadError>((encoder, out))
        });
        let written = written.await.map_err(|error| ReadError::Store(error.to_string()))?;
        let (encoder, out) = written?;
        self.encoder = more.then_some(encoder);
        Ok(out.into())
    }
}
