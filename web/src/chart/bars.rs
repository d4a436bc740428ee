//! Bars side by side, one pair per day: this week against the last.

use super::scale::round_step;
use crate::units::{Figure, Volume};

/// Steps of the value axis.
const STEPS: f64 = 3.0;

/// One bar, in percent of the plot's height, measured from its top.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bar {
    /// Upper edge.
    pub(crate) y: f64,
    /// Height.
    pub(crate) height: f64,
}

/// The axis that bars of volumes share.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bars {
    highest: f64,
    /// Labels with their place in percent from the top; the first has the unit.
    pub(crate) ticks: Vec<(f64, String)>,
}

impl Bars {
    /// An axis that holds the largest of these volumes in bytes.
    #[allow(clippy::cast_precision_loss, reason = "drawn in pixels")]
    pub(crate) fn new(volumes: impl Iterator<Item = u64>) -> Self {
        let highest = volumes.max().unwrap_or_default().max(1000) as f64;
        let step = round_step(highest / STEPS);
        let steps = (highest / step).ceil();
        let highest = steps * step;
        let mut ticks = Vec::new();
        let mut k = steps;
        while k >= 0.0 {
            let Figure { number, unit } = volume(highest);
            let top: f64 = number.parse().unwrap_or_default();
            let text = format!("{:.2}", top * k / steps);
            let text = text.trim_end_matches('0').trim_end_matches('.');
            let label = if ticks.is_empty() { format!("{text} {unit}") } else { text.to_owned() };
            ticks.push((100.0 - k / steps * 100.0, label));
            k -= 1.0;
        }
        Self { highest, ticks }
    }

    /// The bar of a volume.
    #[allow(clippy::cast_precision_loss, reason = "drawn in pixels")]
    pub(crate) fn bar(&self, bytes: u64) -> Bar {
        let height = (bytes as f64 / self.highest * 100.0).min(100.0);
        Bar { y: 100.0 - height, height }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative")]
fn volume(bytes: f64) -> Figure {
    Volume::new(bytes as u64).figure()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_is_round_and_holds_the_highest_bar() {
        let bars = Bars::new([91_200_000_000_000, 118_470_000_000_000].into_iter());
        let labels: Vec<&str> = bars.ticks.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(labels, ["150 TB", "100", "50", "0"]);
        let bar = bars.bar(75_000_000_000_000);
        assert_eq!((bar.y, bar.height), (50.0, 50.0));
    }

    #[test]
    fn no_volume_at_all_still_has_an_axis() {
        assert!(Bars::new([].into_iter()).bar(0).height.abs() < f64::EPSILON);
    }
}
