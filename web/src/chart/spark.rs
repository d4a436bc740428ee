//! The sparkline of a table row: the chart's own lines, without axes.

use super::{
    Trace,
    line::{Canvas, Slot, points, runs, thin},
};

/// Units of the drawing; its strokes do not scale.
const WIDTH: u32 = 96;
const HEIGHT: u32 = 48;
/// Columns with at most two points each: more would weigh more than they show.
const COLUMNS: f64 = 16.0;
/// Room above and below the peaks, so that the stroke is not cut.
const MARGIN: f64 = 1.05;

/// A small picture of the last samples.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Spark {
    /// Upload, above zero.
    pub(crate) up: Trace,
    /// Download, below zero.
    pub(crate) down: Trace,
}

impl Spark {
    /// Units of the paths: width and height.
    pub(crate) const BOX: (u32, u32) = (WIDTH, HEIGHT);

    /// Draws the slots between two moments, in seconds of Unix time.
    pub(crate) fn new(slots: &[Slot], from: f64, to: f64, tolerance: f64) -> Self {
        if slots.is_empty() || to <= from {
            return Self::default();
        }
        let peak = |of: fn(&Slot) -> f64| slots.iter().map(of).fold(0.0, f64::max) * MARGIN;
        let (high, low) = (peak(|s| s.up), peak(|s| s.down));
        let all = (high + low).max(1.0);
        let place = |value: f64| (high - value) / all * f64::from(HEIGHT);
        let canvas = Canvas { from, to, width: f64::from(WIDTH), place };
        let trace = |value: fn(&Slot) -> f64| {
            let mut trace = Trace::default();
            for run in runs(slots, tolerance) {
                let line = thin(&points(run, value), (to - from) / COLUMNS);
                let path = canvas.line(&line);
                trace.area.push_str(&canvas.area(&path, &line));
                trace.line.push_str(&path);
            }
            trace
        };
        Self { up: trace(|s| s.up), down: trace(|s| -s.down) }
    }

    /// Whether there is nothing to draw.
    pub(crate) fn is_empty(&self) -> bool {
        self.up.line.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparkline_is_short_however_many_samples_there_are() {
        let slots: Vec<Slot> = (0..100)
            .map(|i| f64::from(i) * 5.0)
            .map(|start| Slot { start, end: start + 5.0, up: start * 7.0 % 90.0, down: 5.0 })
            .collect();
        let spark = Spark::new(&slots, 0.0, 500.0, 5.0);
        assert!(spark.up.line.split(' ').count() <= 34, "{}", spark.up.line);
        assert!(spark.up.line.len() < 260, "{}", spark.up.line);
    }

    #[test]
    fn no_traffic_is_a_flat_line_and_no_samples_are_nothing() {
        let slots = [Slot { start: 0.0, end: 10.0, up: 0.0, down: 0.0 }];
        assert_eq!(Spark::new(&slots, 0.0, 10.0, 1.0).up.line, "M0,0 48,0 96,0");
        assert!(Spark::new(&[], 0.0, 10.0, 1.0).is_empty());
    }
}
