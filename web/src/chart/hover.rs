//! What a pointer is told over a chart where no script runs: the values of
//! some columns as the browser's own tips.

use jiff::Timestamp;

use super::{line::Slot, moment, seconds};
use crate::units::Rate;

/// Columns of a chart.
const COLUMNS: usize = 60;

/// One column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hover {
    /// Percent of the width.
    pub(crate) x: f64,
    /// Percent of the width.
    pub(crate) width: f64,
    /// Its time and values.
    pub(crate) words: String,
}

impl Hover {
    /// The columns with data between two moments; `told` says a time.
    pub(crate) fn columns(
        from: Timestamp,
        to: Timestamp,
        slots: &[Slot],
        told: impl Fn(Timestamp) -> String,
    ) -> Vec<Self> {
        #[allow(clippy::cast_precision_loss, reason = "a small constant")]
        let width = 100.0 / COLUMNS as f64;
        let (begin, length) = (seconds(from), seconds(to) - seconds(from));
        let column_of = |slot: &Slot| {
            let middle = f64::midpoint(slot.start, slot.end);
            ((middle - begin) / length * 100.0 / width).floor()
        };
        let column = |part: &[Slot]| {
            let x = part.first().map(column_of)? * width;
            let at = moment(begin + (x + width / 2.0) / 100.0 * length)?;
            #[allow(clippy::cast_precision_loss, reason = "a few samples")]
            let mean = |of: fn(&Slot) -> f64| {
                Rate::new(part.iter().map(of).sum::<f64>() / part.len() as f64)
            };
            let (up, down) = (mean(|slot| slot.up), mean(|slot| slot.down));
            let words = format!("{}: upload {up}, download {down}", told(at));
            (0.0..100.0).contains(&x).then_some(Self { x, width, words })
        };
        let columns = slots.chunk_by(|a, b| column_of(a).total_cmp(&column_of(b)).is_eq());
        columns.filter_map(column).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_tells_its_time_and_its_means() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let slot = |start: f64, up| Slot { start, end: start + 30.0, up, down: 5_000.0 };
        let slots = [slot(0.0, 1e6), slot(30.0, 3e6), slot(120.0, 7e6)];
        let columns = Hover::columns(at(0), at(3600), &slots, |at| format!("{} s", at.as_second()));
        let words: Vec<&str> = columns.iter().map(|column| column.words.as_str()).collect();
        assert_eq!(
            words,
            [
                "30 s: upload 2.00 MB/s, download 5.00 KB/s",
                "150 s: upload 7.00 MB/s, download 5.00 KB/s"
            ]
        );
        assert!((columns[1].x - 100.0 / 30.0).abs() < 1e-9);
    }
}
