//! Time of which nothing is known: bands behind the lines.

use jiff::Timestamp;

use super::{Frame, Plot, moment, seconds};

/// A band narrower than this is drawn all the same, percent of the width.
const NARROWEST_GAP: f64 = 0.15;
/// A band needs this much width to carry its label, percent.
const LABELLED_GAP: f64 = 6.0;

/// Time without data.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Gap {
    /// Where it begins.
    pub(crate) from: Timestamp,
    /// Where it ends.
    pub(crate) to: Timestamp,
    /// Left edge, percent of the width.
    pub(crate) x: f64,
    /// Percent of the width.
    pub(crate) width: f64,
    /// Whether a label fits.
    pub(crate) labelled: bool,
}

/// Missing time between the first moment that can have data and the last.
pub(super) fn of(plot: &Plot<'_>, frame: &Frame) -> Vec<Gap> {
    let Some((first, last)) = plot.expected else { return Vec::new() };
    let mut gaps = Vec::new();
    let mut covered = seconds(first.max(plot.from));
    let end = seconds(last.min(plot.to));
    let starts = plot.slots.iter().map(|s| (s.start, s.end));
    for (start, stop) in starts.chain([(end, end)]) {
        if start - covered > plot.tolerance {
            let (x, right) = (frame.x(covered), frame.x(start));
            let width = (right - x).max(NARROWEST_GAP);
            let at = |s: f64| moment(s).unwrap_or(plot.from);
            gaps.push(Gap {
                from: at(covered),
                to: at(start),
                x,
                width,
                labelled: width >= LABELLED_GAP,
            });
        }
        covered = covered.max(stop);
    }
    gaps
}
