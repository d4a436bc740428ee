//! Percentages: one decimal in tables, what fits the ring in its middle.

use std::fmt;

use super::UNKNOWN;

/// A percentage with one decimal: `67.4`. The sign stands beside it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Percent(f64);

/// The large number in a ring: whole from 10, one decimal below, `0` for what
/// is too little to draw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RingPercent(f64);

/// Below this share of the ring its arc would be a dot that says "something":
/// it is not drawn, and the number reads 0.
const NOTHING: f64 = 0.05;

impl Percent {
    /// A percentage; anything that is no number is unknown.
    pub(crate) const fn new(value: f64) -> Self {
        Self(value)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.is_finite() {
            return f.write_str(UNKNOWN);
        }
        // Never "-0.0".
        let value = if self.0.abs() < NOTHING { 0.0 } else { self.0 };
        write!(f, "{value:.1}")
    }
}

impl RingPercent {
    /// A percentage between 0 and 100; what lies outside is cut.
    pub(crate) fn new(value: f64) -> Self {
        Self(if value.is_finite() { value.clamp(0.0, 100.0) } else { 0.0 })
    }

    /// Length of the arc, where there is one to draw.
    pub(crate) fn arc(self) -> Option<String> {
        (self.0 >= NOTHING).then(|| format!("{:.1}", self.0))
    }
}

impl fmt::Display for RingPercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 * 10.0).round();
        if self.0 < NOTHING {
            f.write_str("0")
        } else if tenths < 100.0 {
            write!(f, "{:.1}", self.0)
        } else {
            write!(f, "{:.0}", self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_shows_whole_numbers_from_ten_and_one_decimal_below() {
        let ring = |value| RingPercent::new(value).to_string();
        assert_eq!(ring(67.4), "67");
        assert_eq!(ring(99.6), "100");
        assert_eq!(ring(100.5), "100");
        assert_eq!(ring(10.0), "10");
        assert_eq!(ring(9.95), "10");
        assert_eq!(ring(9.94), "9.9");
        assert_eq!(ring(4.3), "4.3");
        assert_eq!(ring(0.05), "0.1");
        assert_eq!(ring(0.049), "0");
        assert_eq!(ring(0.0), "0");
        assert_eq!(ring(f64::NAN), "0");
    }

    #[test]
    fn an_arc_too_short_to_see_is_not_drawn() {
        assert_eq!(RingPercent::new(0.04).arc(), None);
        assert_eq!(RingPercent::new(0.05).arc().as_deref(), Some("0.1"));
        assert_eq!(RingPercent::new(250.0).arc().as_deref(), Some("100.0"));
    }

    #[test]
    fn a_table_shows_one_decimal() {
        assert_eq!(Percent::new(67.44).to_string(), "67.4");
        assert_eq!(Percent::new(-0.01).to_string(), "0.0");
        assert_eq!(Percent::new(100.0).to_string(), "100.0");
        assert_eq!(Percent::new(f64::NAN).to_string(), "–");
    }
}
