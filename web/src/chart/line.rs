//! Lines: runs of points without a gap, thinned to the pixels they get, as
//! SVG path data.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::seconds;

/// Time covered by one measured value, in seconds of Unix time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Slot {
    /// When it begins.
    pub(crate) start: f64,
    /// When it ends.
    pub(crate) end: f64,
    /// Bytes per second sent.
    pub(crate) up: f64,
    /// Bytes per second received.
    pub(crate) down: f64,
}

impl Slot {
    /// Whether any of it lies between two moments.
    pub(crate) fn is_within(&self, from: Timestamp, to: Timestamp) -> bool {
        self.end > seconds(from) && self.start < seconds(to)
    }
}

/// A place in a chart: x in seconds, y in bytes per second.
pub(crate) type Point = (f64, f64);

/// Cuts slots into runs: a new one begins where time is missing for longer
/// than `tolerance` seconds. Slots are sorted by time.
pub(crate) fn runs(slots: &[Slot], tolerance: f64) -> Vec<&[Slot]> {
    slots.chunk_by(|a, b| b.start - a.end <= tolerance).collect()
}

/// The line of one direction through a run: a point in the middle of every
/// slot, and one at either end, so that a lone slot is a stroke and not a dot.
pub(crate) fn points(run: &[Slot], value: impl Fn(&Slot) -> f64) -> Vec<Point> {
    let middle = run.iter().map(|s| (f64::midpoint(s.start, s.end), value(s)));
    let first = run.first().map(|s| (s.start, value(s)));
    let last = run.last().map(|s| (s.end, value(s)));
    first.into_iter().chain(middle).chain(last).collect()
}

/// Keeps of every pixel column the lowest and the highest point, in the order
/// of time, so that no peak is lost; a line with few points is kept whole.
pub(crate) fn thin(points: &[Point], column: f64) -> Vec<Point> {
    let column_of = |point: &Point| (point.0 / column).floor();
    let mut kept: Vec<Point> = Vec::new();
    for part in points.chunk_by(|a, b| column_of(a).total_cmp(&column_of(b)).is_eq()) {
        let lowest = part.iter().enumerate().min_by(|a, b| a.1.1.total_cmp(&b.1.1));
        let highest = part.iter().enumerate().max_by(|a, b| a.1.1.total_cmp(&b.1.1));
        let (Some((i, low)), Some((j, high))) = (lowest, highest) else { continue };
        match i.cmp(&j) {
            std::cmp::Ordering::Less => kept.extend([*low, *high]),
            std::cmp::Ordering::Equal => kept.push(*low),
            std::cmp::Ordering::Greater => kept.extend([*high, *low]),
        }
    }
    kept
}

/// Maps points to the whole units of a drawing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Canvas<F> {
    /// Time at the left edge.
    pub(crate) from: f64,
    /// Time at the right edge.
    pub(crate) to: f64,
    /// Units from left to right.
    pub(crate) width: f64,
    /// Where a value lies, in units from the top.
    pub(crate) place: F,
}

impl<F: Fn(f64) -> f64> Canvas<F> {
    fn x(&self, time: f64) -> f64 {
        ((time - self.from) / (self.to - self.from)).clamp(0.0, 1.0) * self.width
    }

    /// Path data of a line; what rounds to the same place is written once.
    pub(crate) fn line(&self, points: &[Point]) -> String {
        let mut path = String::with_capacity(points.len() * 10 + 1);
        let mut last = None;
        for &(time, value) in points {
            let at = (self.x(time).round(), (self.place)(value).round());
            if last.replace(at) == Some(at) {
                continue;
            }
            path.push(if path.is_empty() { 'M' } else { ' ' });
            // Writing to a String cannot fail.
            write!(path, "{},{}", at.0, at.1).unwrap_or_default();
        }
        path
    }

    /// Path data of the area between a line and zero.
    pub(crate) fn area(&self, line: &str, points: &[Point]) -> String {
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            return String::new();
        };
        let zero = (self.place)(0.0).round();
        let rest = line.strip_prefix('M').unwrap_or(line);
        let (left, right) = (self.x(first.0).round(), self.x(last.0).round());
        format!("M{left},{zero} L{rest} {right},{zero}Z")
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, clippy::cast_precision_loss, reason = "exactly what went in comes out")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slot(start: f64, up: f64) -> Slot {
        Slot { start, end: start + 5.0, up, down: 0.0 }
    }

    #[test]
    fn missing_time_breaks_the_line() {
        let slots = [slot(0.0, 1.0), slot(5.0, 1.0), slot(20.0, 1.0)];
        let runs = runs(&slots, 2.5);
        assert_eq!(runs.iter().map(|r| r.len()).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn a_lone_slot_is_a_stroke_as_long_as_its_time() {
        let line = points(&[slot(10.0, 7.0)], |s| s.up);
        assert_eq!(line, [(10.0, 7.0), (12.5, 7.0), (15.0, 7.0)]);
    }

    #[test]
    fn a_path_is_made_of_whole_units_without_repetition() {
        let canvas = Canvas { from: 0.0, to: 10.0, width: 100.0, place: |v: f64| 50.0 - v };
        let line = [(0.0, 10.0), (0.01, 10.2), (5.0, 20.0), (10.0, 0.0)];
        let path = canvas.line(&line);
        assert_eq!(path, "M0,40 50,30 100,50");
        assert_eq!(canvas.area(&path, &line), "M0,50 L0,40 50,30 100,50 100,50Z");
        assert_eq!(canvas.area("", &[]), "");
    }

    proptest! {
        #[test]
        fn the_highest_and_the_lowest_point_are_always_drawn(
            values in prop::collection::vec(0.0..1e12f64, 1..3000), column in 0.5..500.0f64,
        ) {
            let points: Vec<Point> =
                values.iter().enumerate().map(|(i, v)| (i as f64, *v)).collect();
            let kept = thin(&points, column);
            let top = |p: &[Point]| p.iter().map(|p| p.1).fold(f64::MIN, f64::max);
            let low = |p: &[Point]| p.iter().map(|p| p.1).fold(f64::MAX, f64::min);
            prop_assert_eq!(top(&kept), top(&points));
            prop_assert_eq!(low(&kept), low(&points));
            prop_assert!(kept.windows(2).all(|w| w[0].0 <= w[1].0));
            let columns = (points.len() as f64 / column).ceil() + 1.0;
            prop_assert!(kept.len() as f64 <= 2.0 * columns);
        }

        #[test]
        fn thinning_keeps_the_peak_of_every_column(
            values in prop::collection::vec(0.0..1e9f64, 1..500),
        ) {
            let points: Vec<Point> =
                values.iter().enumerate().map(|(i, v)| (i as f64, *v)).collect();
            let kept = thin(&points, 10.0);
            for part in points.chunks(10) {
                let peak = part.iter().map(|p| p.1).fold(f64::MIN, f64::max);
                prop_assert!(kept.iter().any(|p| p.1 == peak));
            }
        }
    }
}
