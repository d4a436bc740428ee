//! What people read: speeds, volumes, percentages and ages as `Display` types.
//!
//! Decimal throughout (1 KB = 1000 B). A number is rounded before its unit is
//! chosen, so that 999.996 KB/s reads "1.00 MB/s" and never "1000.00 KB/s".

mod age;
mod percent;

use std::fmt;

pub(crate) use age::{Age, Span};
pub(crate) use percent::{Percent, RingPercent};

/// Shown where a value is not known; a number never takes its place.
pub(crate) const UNKNOWN: &str = "–";

/// Largest number with two decimals in the largest unit: above it the
/// decimals leave, so that a figure never needs more than seven characters.
const WIDEST: f64 = 9999.995;

/// A speed in bytes per second: `842.36 MB/s`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate(f64);

/// A volume in bytes: `43.63 TB`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Volume(f64);

/// A link's capacity: like a speed, without decimals that are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Capacity(pub(crate) u64);

/// A number with its unit, ready to be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Figure {
    /// The digits, or [`UNKNOWN`].
    pub(crate) number: String,
    /// The unit; empty where the number is unknown.
    pub(crate) unit: &'static str,
}

/// Prints a figure for a page: the unit in an element of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tagged(Figure);

/// Units with their size, smallest first.
type Units = [(&'static str, f64)];

const SPEEDS: [(&str, f64); 3] = [("KB/s", 1e3), ("MB/s", 1e6), ("GB/s", 1e9)];
const VOLUMES: [(&str, f64); 4] = [("KB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12)];

/// Chooses unit and digits for a value; what is no number is unknown.
fn figure(value: f64, units: &Units) -> Figure {
    if !value.is_finite() {
        return Figure { number: UNKNOWN.to_owned(), unit: "" };
    }
    let value = value.max(0.0);
    let mut chosen = (0.0, "");
    for &(unit, size) in units {
        chosen = (value / size, unit);
        if hundredths(chosen.0) < 100_000.0 {
            break;
        }
    }
    let (scaled, unit) = chosen;
    let number = if scaled >= WIDEST { format!("{scaled:.0}") } else { format!("{scaled:.2}") };
    Figure { number, unit }
}

/// What two decimals will show, as whole hundredths.
fn hundredths(value: f64) -> f64 {
    (value * 100.0).round()
}

impl Rate {
    /// A speed in bytes per second; anything that is no number is unknown.
    pub(crate) const fn new(bytes_per_second: f64) -> Self {
        Self(bytes_per_second)
    }

    /// A speed in whole bytes per second.
    #[allow(clippy::cast_precision_loss, reason = "two decimals are shown")]
    pub(crate) const fn of(bytes_per_second: u64) -> Self {
        Self(bytes_per_second as f64)
    }

    /// A speed that may not be known.
    pub(crate) fn known(bytes_per_second: Option<u64>) -> Self {
        bytes_per_second.map_or(Self(f64::NAN), Self::of)
    }

    /// Number and unit apart.
    pub(crate) fn figure(self) -> Figure {
        figure(self.0, &SPEEDS)
    }

    /// For a page: the unit in a lighter element.
    pub(crate) fn tagged(self) -> Tagged {
        Tagged(self.figure())
    }
}

impl Volume {
    /// A volume in bytes.
    #[allow(clippy::cast_precision_loss, reason = "two decimals are shown")]
    pub(crate) const fn new(bytes: u64) -> Self {
        Self(bytes as f64)
    }

    /// A volume that may not be known.
    pub(crate) fn known(bytes: Option<u64>) -> Self {
        bytes.map_or(Self(f64::NAN), Self::new)
    }

    /// Number and unit apart.
    pub(crate) fn figure(self) -> Figure {
        figure(self.0, &VOLUMES)
    }

    /// For a page: the unit in a lighter element.
    pub(crate) fn tagged(self) -> Tagged {
        Tagged(self.figure())
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.figure().fmt(f)
    }
}

impl fmt::Display for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.figure().fmt(f)
    }
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[allow(clippy::cast_precision_loss, reason = "two decimals are shown")]
        let Figure { number, unit } = figure(self.0 as f64, &SPEEDS);
        let short = if number.contains('.') {
            number.trim_end_matches('0').trim_end_matches('.')
        } else {
            &number
        };
        write!(f, "{short} {unit}")
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.unit.is_empty() {
            return f.write_str(&self.number);
        }
        write!(f, "{} {}", self.number, self.unit)
    }
}

impl fmt::Display for Tagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}<span class=\"u\">{}</span>", self.0.number, self.0.unit)
    }
}

/// Number and unit are ours alone: nothing in them needs escaping.
impl askama::filters::HtmlSafe for Tagged {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(value: f64) -> String {
        Rate::new(value).to_string()
    }

    fn volume(bytes: u64) -> String {
        Volume::new(bytes).to_string()
    }

    #[test]
    fn a_speed_steps_from_kilobytes_to_gigabytes_a_second() {
        assert_eq!(rate(0.0), "0.00 KB/s");
        assert_eq!(rate(4.9), "0.00 KB/s");
        assert_eq!(rate(5.0), "0.01 KB/s");
        assert_eq!(rate(999.0), "1.00 KB/s");
        assert_eq!(rate(999_400.0), "999.40 KB/s");
        assert_eq!(rate(999_950.0), "999.95 KB/s");
        assert_eq!(rate(999_994.9), "999.99 KB/s");
        assert_eq!(rate(999_995.0), "1.00 MB/s");
        assert_eq!(rate(1_000_000.0), "1.00 MB/s");
        assert_eq!(rate(999_994_000.0), "999.99 MB/s");
        assert_eq!(rate(999_996_000.0), "1.00 GB/s");
        assert_eq!(rate(1.25e9), "1.25 GB/s");
        assert_eq!(rate(1e12), "1000.00 GB/s");
    }

    #[test]
    fn a_volume_steps_to_terabytes_at_a_thousand_gigabytes() {
        assert_eq!(volume(0), "0.00 KB");
        assert_eq!(volume(999_994), "999.99 KB");
        assert_eq!(volume(999_995), "1.00 MB");
        assert_eq!(volume(999_990_000), "999.99 MB");
        assert_eq!(volume(1_000_000_000), "1.00 GB");
        assert_eq!(volume(999_990_000_000), "999.99 GB");
        assert_eq!(volume(999_994_999_999), "999.99 GB");
        assert_eq!(volume(999_995_000_000), "1.00 TB");
        assert_eq!(volume(1_000_000_000_000), "1.00 TB");
        assert_eq!(volume(1_204_550_000_000_000), "1204.55 TB");
        assert_eq!(volume(9_999_990_000_000_000), "9999.99 TB");
        assert_eq!(volume(9_999_995_000_000_000), "10000 TB");
        assert_eq!(volume(u64::MAX), "18446744 TB");
    }

    #[test]
    fn what_is_not_known_is_a_dash_and_never_a_number() {
        assert_eq!(rate(f64::NAN), "–");
        assert_eq!(rate(f64::INFINITY), "–");
        assert_eq!(Rate::known(None).tagged().to_string(), "–<span class=\"u\"></span>");
        assert_eq!(Volume::known(None).to_string(), "–");
        assert_eq!(rate(-1.0), "0.00 KB/s");
    }

    #[test]
    fn a_unit_has_its_own_element() {
        assert_eq!(Rate::new(1.5e6).tagged().to_string(), "1.50<span class=\"u\">MB/s</span>");
        assert_eq!(Volume::known(Some(7)).tagged().to_string(), "0.01<span class=\"u\">KB</span>");
    }

    #[test]
    fn a_capacity_drops_decimals_that_say_nothing() {
        assert_eq!(Capacity(1_250_000_000).to_string(), "1.25 GB/s");
        assert_eq!(Capacity(125_000_000).to_string(), "125 MB/s");
        assert_eq!(Capacity(12_500_000).to_string(), "12.5 MB/s");
        assert_eq!(Capacity(999_999_999).to_string(), "1 GB/s");
        assert_eq!(Capacity(100).to_string(), "0.1 KB/s");
    }

    proptest! {
        #[test]
        fn any_value_is_short_and_never_a_thousand_of_a_smaller_unit(value in any::<f64>()) {
            let Figure { number, unit } = Rate::new(value).figure();
            prop_assert!(!number.contains("NaN") && !number.contains('-'));
            prop_assert!(unit == "GB/s" || !number.starts_with("1000"), "{number} {unit}");
        }

        #[test]
        fn a_larger_volume_never_reads_smaller(a in any::<u64>(), b in any::<u64>()) {
            let read = |bytes| {
                let Figure { number, unit } = Volume::new(bytes).figure();
                let size = VOLUMES.iter().find(|(name, _)| *name == unit).map(|(_, size)| *size);
                number.parse::<f64>().unwrap_or_default() * size.unwrap_or_default()
            };
            prop_assert!(read(a.min(b)) <= read(a.max(b)));
        }
    }
}
