//! The value axis: from the data's highest points to round ticks in one unit.

/// Most steps between the ticks: more would crowd 280 px.
const MOST_STEPS: f64 = 6.0;
/// Room above the highest point, so that its line is not cut at the edge.
const HEADROOM: f64 = 1.04;
/// Scale of a chart without any traffic, so that its axis still has a unit.
const LEAST: f64 = 1000.0;

/// One mark on the value axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tick {
    /// Where, in bytes per second; below the axis negative.
    pub(crate) value: f64,
    /// What stands there; the topmost one carries the unit.
    pub(crate) label: String,
}

/// Upload above zero and download below it, on one scale.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scale {
    /// Upper end in bytes per second.
    pub(crate) high: f64,
    /// Lower end, zero or negative.
    pub(crate) low: f64,
    /// From the topmost down.
    pub(crate) ticks: Vec<Tick>,
}

impl Scale {
    /// A scale that holds both peaks; what is no number counts as nothing.
    pub(crate) fn new(up_peak: f64, down_peak: f64) -> Self {
        let clean = |v: f64| if v.is_finite() { v.max(0.0) } else { 0.0 };
        let (up, down) = (clean(up_peak), clean(down_peak));
        let (up, down) = if up + down < 1.0 { (LEAST, LEAST / 4.0) } else { (up, down) };
        let (high, low) = (up * HEADROOM, -down * HEADROOM);
        let step = round_step((high - low) / MOST_STEPS);
        let (size, unit) = unit_for((high / step).floor().max((-low / step).floor()) * step);
        let steps = |end: f64| (end / step).floor();
        let mut ticks = Vec::new();
        let mut k = steps(high);
        while k >= -steps(-low) {
            let value = k * step;
            let number = plain(value.abs() / size);
            let label = if ticks.is_empty() { format!("{number} {unit}") } else { number };
            ticks.push(Tick { value, label });
            k -= 1.0;
        }
        Self { high, low, ticks }
    }

    /// Where a value lies, from 0 at the top to 1 at the bottom.
    pub(crate) fn place(&self, value: f64) -> f64 {
        ((self.high - value) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// The smallest of 1, 2, 2.5 and 5 times a power of ten that is no smaller.
pub(super) fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 2.5, 5.0].into_iter().find(|f| f * power >= least * 0.999_999);
    factor.unwrap_or(10.0) * power
}

/// Unit of a whole axis, chosen by its longest tick.
fn unit_for(longest: f64) -> (f64, &'static str) {
    if longest >= 1e9 {
        (1e9, "GB/s")
    } else if longest >= 1e6 {
        (1e6, "MB/s")
    } else {
        (1e3, "KB/s")
    }
}

/// A tick's number without decimals that are zero.
fn plain(number: f64) -> String {
    let text = format!("{number:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(up: f64, down: f64) -> Vec<String> {
        Scale::new(up, down).ticks.into_iter().map(|t| t.label).collect()
    }

    #[test]
    fn ticks_are_round_in_the_unit_of_the_axis() {
        assert_eq!(labels(1.55e9, 734e6), ["1.5 GB/s", "1", "0.5", "0", "0.5"]);
        assert_eq!(labels(882e6, 147e6), ["800 MB/s", "600", "400", "200", "0"]);
        assert_eq!(labels(5.0e3, 0.0), ["5 KB/s", "4", "3", "2", "1", "0"]);
    }

    #[test]
    fn a_chart_without_traffic_still_has_an_axis() {
        assert_eq!(labels(0.0, 0.0), ["1 KB/s", "0.75", "0.5", "0.25", "0", "0.25"]);
        assert_eq!(labels(f64::NAN, f64::INFINITY), labels(0.0, 0.0));
    }

    #[test]
    fn download_alone_is_read_below_zero() {
        assert_eq!(labels(0.0, 3.0e6), ["0 MB/s", "1", "2", "3"]);
    }

    proptest! {
        #[test]
        fn every_scale_holds_its_peaks_and_has_few_round_ticks(
            up in 0.0..1e13f64, down in 0.0..1e13f64,
        ) {
            let scale = Scale::new(up, down);
            prop_assert!(scale.high >= up && scale.low <= -down);
            prop_assert!((2..=8).contains(&scale.ticks.len()), "{:?}", scale.ticks);
            prop_assert!(scale.ticks.iter().any(|t| t.value == 0.0));
            for pair in scale.ticks.windows(2) {
                let step = pair[0].value - pair[1].value;
                let mantissa = step / 10f64.powf(step.log10().floor());
                let round = [1.0, 2.0, 2.5, 5.0, 10.0];
                prop_assert!(round.iter().any(|r| (r - mantissa).abs() < 1e-6), "{mantissa}");
            }
            for tick in &scale.ticks {
                prop_assert!(tick.value <= scale.high && tick.value >= scale.low);
            }
        }
    }
}
