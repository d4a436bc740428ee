//! Charts: traffic over time as the geometry of an SVG picture, drawn by the
//! server. Upload lies above zero, download below it, on one scale; missing
//! time breaks the line and leaves a band. Templates only print what is here.

mod bars;
mod gaps;
mod hover;
mod line;
mod scale;
mod spark;
#[cfg(test)]
mod tests;
pub(crate) mod time;

use jiff::{Timestamp, tz::TimeZone};

pub(crate) use bars::{Bar, Bars};
pub(crate) use gaps::Gap;
pub(crate) use hover::Hover;
pub(crate) use line::Slot;
pub(crate) use scale::Scale;
pub(crate) use spark::Spark;
pub(crate) use time::{TimeTick, moment, seconds};

use line::{Canvas, points, runs, thin};

/// Space above the plot, px: half a label.
const TOP: u32 = 10;
/// Space below the plot for the labels of the time axis, px.
const BOTTOM: f64 = 22.0;
/// Units from top to bottom of the plot: fine enough to read values back
/// from the path, which the script does for its crosshair.
const UNITS: u32 = 1_000_000;
/// Units from left to right: more than the pixels of most screens.
const WIDTH: u32 = 2000;
/// Most pixel columns of a line; each keeps its lowest and highest point.
const COLUMNS: f64 = 600.0;
/// What a chart shows.
#[derive(Debug)]
pub(crate) struct Plot<'a> {
    /// Left edge.
    pub(crate) from: Timestamp,
    /// Right edge.
    pub(crate) to: Timestamp,
    /// Clock of the time axis.
    pub(crate) zone: &'a TimeZone,
    /// Height of the picture, px.
    pub(crate) height: u32,
    /// Covered time, in order.
    pub(crate) slots: &'a [Slot],
    /// Longest time between two slots that is no gap yet, seconds.
    pub(crate) tolerance: f64,
    /// From when on missing time is a gap: where the data begins; and until
    /// when data can have come at all.
    pub(crate) expected: Option<(Timestamp, Timestamp)>,
    /// Highest speeds inside the slots: when and how much, up and down.
    pub(crate) peaks: [Option<(Timestamp, f64)>; 2],
    /// 95th percentile of upload, where a line shall mark it.
    pub(crate) percentile: Option<f64>,
}

/// A mark on the value axis, in px.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Grid {
    /// Its line.
    pub(crate) y: f64,
    /// Baseline of its label.
    pub(crate) text_y: f64,
    /// Its label.
    pub(crate) label: String,
    /// Whether it is the axis itself.
    pub(crate) zero: bool,
}

/// Path data of one direction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Trace {
    /// The line.
    pub(crate) line: String,
    /// The area between line and zero.
    pub(crate) area: String,
}

/// The highest point of a direction.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Peak {
    /// Percent of the width.
    pub(crate) x: f64,
    /// In px.
    pub(crate) y: f64,
    /// When.
    pub(crate) at: Timestamp,
    /// Bytes per second.
    pub(crate) value: f64,
    /// Whether its label stands to its left.
    pub(crate) left: bool,
}

/// A chart, ready to be printed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chart {
    /// Height of the picture, px.
    pub(crate) height: u32,
    /// Height of the plot itself, px.
    pub(crate) plot: f64,
    /// The value axis, from the top.
    pub(crate) grid: Vec<Grid>,
    /// The time axis.
    pub(crate) ticks: Vec<TimeTick>,
    /// Upload.
    pub(crate) up: Trace,
    /// Download.
    pub(crate) down: Trace,
    /// Bands of missing time.
    pub(crate) gaps: Vec<Gap>,
    /// Where the data begins, percent of the width; `None`: it began before.
    pub(crate) begin: Option<f64>,
    /// Highest points, up and down.
    pub(crate) peaks: [Option<Peak>; 2],
    /// Line of upload's 95th percentile, px.
    pub(crate) percentile: Option<f64>,
    /// Left edge, Unix milliseconds.
    pub(crate) from_ms: i64,
    /// Right edge, Unix milliseconds.
    pub(crate) to_ms: i64,
    /// Place of zero in path units.
    pub(crate) zero: f64,
    /// Bytes per second of one path unit.
    pub(crate) unit: f64,
}

impl Chart {
    /// Units of the paths from left to right.
    pub(crate) const WIDTH: u32 = WIDTH;
    /// Units of the paths from top to bottom.
    pub(crate) const UNITS: u32 = UNITS;
    /// Space above the plot, px.
    pub(crate) const TOP: u32 = TOP;

    /// Draws a plot.
    pub(crate) fn new(plot: &Plot<'_>) -> Self {
        let highest = |of: fn(&Slot) -> f64, peak: Option<(Timestamp, f64)>| {
            let line = plot.slots.iter().map(of).fold(0.0, f64::max);
            peak.map_or(line, |(_, value)| value.max(line))
        };
        let [up_peak, down_peak] = plot.peaks;
        let scale = Scale::new(highest(|s| s.up, up_peak), highest(|s| s.down, down_peak));
        let (top, units) = (f64::from(TOP), f64::from(UNITS));
        let inner = f64::from(plot.height) - top - BOTTOM;
        let y = |value: f64| top + scale.place(value) * inner;
        let frame = Frame::new(plot.from, plot.to);
        let begin = plot.expected.map(|(first, _)| first).filter(|first| *first > plot.from);
        Self {
            begin: begin.filter(|_| !plot.slots.is_empty()).map(|first| frame.x(seconds(first))),
            height: plot.height,
            plot: inner,
            grid: grid(&scale, y),
            ticks: time::time_ticks(plot.from, plot.to, plot.zone),
            up: trace(plot, &scale, |s| s.up),
            down: trace(plot, &scale, |s| -s.down),
            gaps: gaps::of(plot, &frame),
            peaks: [
                up_peak.map(|peak| frame.peak(peak, y(peak.1))),
                down_peak.map(|peak| frame.peak(peak, y(-peak.1))),
            ],
            percentile: plot.percentile.map(y),
            from_ms: plot.from.as_millisecond(),
            to_ms: plot.to.as_millisecond(),
            zero: (scale.place(0.0) * units).round(),
            unit: (scale.high - scale.low) / units,
        }
    }

    /// Whether anything is drawn.
    pub(crate) fn is_empty(&self) -> bool {
        self.up.line.is_empty()
    }

    /// Place of the axis, px.
    pub(crate) fn zero_px(&self) -> f64 {
        f64::from(TOP) + self.zero / f64::from(UNITS) * self.plot
    }
}

/// The time axis as percentages.
struct Frame {
    from: f64,
    to: f64,
}

impl Frame {
    fn new(from: Timestamp, to: Timestamp) -> Self {
        Self { from: seconds(from), to: seconds(to) }
    }

    fn x(&self, time: f64) -> f64 {
        ((time - self.from) / (self.to - self.from).max(0.001) * 100.0).clamp(0.0, 100.0)
    }

    fn peak(&self, (at, value): (Timestamp, f64), y: f64) -> Peak {
        let x = self.x(seconds(at));
        Peak { x, y, at, value, left: x > 60.0 }
    }
}

fn grid(scale: &Scale, y: impl Fn(f64) -> f64) -> Vec<Grid> {
    let ticks = scale.ticks.iter();
    ticks
        .map(|tick| Grid {
            y: y(tick.value),
            text_y: y(tick.value) + 4.0,
            label: tick.label.clone(),
            zero: tick.value == 0.0,
        })
        .collect()
}

fn trace(plot: &Plot<'_>, scale: &Scale, value: impl Fn(&Slot) -> f64) -> Trace {
    let (from, to) = (seconds(plot.from), seconds(plot.to));
    let place = |v: f64| scale.place(v) * f64::from(UNITS);
    let canvas = Canvas { from, to, width: f64::from(WIDTH), place };
    let mut trace = Trace::default();
    for run in runs(plot.slots, plot.tolerance) {
        let line = thin(&points(run, &value), (to - from) / COLUMNS);
        let path = canvas.line(&line);
        trace.area.push_str(&canvas.area(&path, &line));
        trace.line.push_str(&path);
    }
    trace
}
