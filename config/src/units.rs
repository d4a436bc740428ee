//! What people write in settings: `5s`, `400 days`, `64MiB`, `1Gbps`.

use std::time::Duration;

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {kind}: write {examples}")]
pub struct InvalidQuantity {
    text: String,
    kind: &'static str,
    examples: &'static str,
}

/// Seconds in each unit; a year is the mean Gregorian one, so that "10 years"
/// is what a calendar says.
const MINUTE: f64 = 60.0;
const HOUR: f64 = 60.0 * MINUTE;
const DAY: f64 = 24.0 * HOUR;
const YEAR: f64 = 31_556_952.0;

/// Reads a length of time: a bare number is seconds; else `ms`, `s`, `m`
/// (`min`), `h`, `d`, `w`, `y` or the words, with or without a space.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidQuantity> {
    let error = || InvalidQuantity {
        text: text.to_owned(),
        kind: "length of time",
        examples: "5s, 1m, 12h, 400 days or 10 years",
    };
    let (number, unit) = split(text).ok_or_else(error)?;
    let seconds = match unit.as_str() {
        "ms" => 0.001,
        "" | "s" | "sec" | "second" | "seconds" => 1.0,
        "m" | "min" | "minute" | "minutes" => MINUTE,
        "h" | "hour" | "hours" => HOUR,
        "d" | "day" | "days" => DAY,
        "w" | "week" | "weeks" => 7.0 * DAY,
        "y" | "year" | "years" => YEAR,
        _ => return Err(error()),
    };
    // Rounded to milliseconds: 0.1 s must not become 100.000001 ms.
    let millis = (number * seconds * 1000.0).round();
    if millis > 1000.0 * 1000.0 * YEAR {
        return Err(error());
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    Ok(Duration::from_millis(millis as u64))
}

/// Reads a number of bytes: `1000`, `64MiB` (binary), `1.5GB` (decimal).
pub fn parse_size(text: &str) -> Result<u64, InvalidQuantity> {
    let error = || InvalidQuantity {
        text: text.to_owned(),
        kind: "size",
        examples: "a number of bytes, 64MiB or 1.5GB",
    };
    let (number, unit) = split(text).ok_or_else(error)?;
    let factor: f64 = match unit.as_str() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err(error()),
    };
    whole(number * factor).ok_or_else(error)
}

/// Reads a link's capacity per direction as bytes per second: a bare number is
/// MB/s as in `MAX_BANDWIDTH=125`; else `1Gbps`, `100 Mbit/s`, `12.5MB/s`.
pub fn parse_bandwidth(text: &str) -> Result<u64, InvalidQuantity> {
    let error = || InvalidQuantity {
        text: text.to_owned(),
        kind: "bandwidth",
        examples: "125 (MB/s), 1Gbps, 100Mbps or 12.5MB/s",
    };
    let (number, unit) = split(text).ok_or_else(error)?;
    let bytes_per_second: f64 = match unit.as_str() {
        "" | "mb/s" | "mbyte/s" => 1e6,
        "kb/s" => 1e3,
        "gb/s" => 1e9,
        "b/s" => 1.0,
        "kbps" | "kbit/s" => 1e3 / 8.0,
        "mbps" | "mbit/s" => 1e6 / 8.0,
        "gbps" | "gbit/s" => 1e9 / 8.0,
        "tbps" | "tbit/s" => 1e12 / 8.0,
        _ => return Err(error()),
    };
    whole(number * bytes_per_second).filter(|&n| n > 0).ok_or_else(error)
}

/// Splits `12.5 MB` into its number and its unit in lower case.
fn split(text: &str) -> Option<(f64, String)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let number: f64 = number.parse().ok()?;
    Some((number, unit.trim().to_ascii_lowercase()))
}

/// The nearest whole number, when a database column can hold it.
fn whole(value: f64) -> Option<u64> {
    let rounded = value.round();
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the range is checked"
    )]
    (0.0..=i64::MAX as f64 / 2.0).contains(&rounded).then_some(rounded as u64)
}

/// `#[serde(with = "komandorr_config::duration")]` for a [`Duration`].
pub mod duration {
    use std::{fmt, time::Duration};

    use serde::de::{Deserializer, Error, Visitor};

    /// Reads `"5s"`, `"400 days"`, or a bare number of seconds.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        deserializer.deserialize_any(super::Quantity {
            parse: super::parse_duration,
            expected: "a length of time such as \"5s\" or \"400 days\"",
        })
    }

    impl<T> Visitor<'_> for super::Quantity<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.expected)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            (self.parse)(text).map_err(E::custom)
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }

        fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }
    }
}

/// `#[serde(with = "komandorr_config::size")]` for a number of bytes.
pub mod size {
    use serde::de::Deserializer;

    /// Reads `"64MiB"`, `"1.5GB"`, or a bare number of bytes.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_any(super::Quantity {
            parse: super::parse_size,
            expected: "a size such as \"64MiB\"",
        })
    }
}

/// Deserializes whatever [`parse_duration`] and its like understand.
struct Quantity<T> {
    parse: fn(&str) -> Result<T, InvalidQuantity>,
    expected: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        let ms = |text| parse_duration(text).map(|d| d.as_millis());
        assert_eq!(ms("5"), Ok(5000));
        assert_eq!(ms("0.1s"), Ok(100));
        assert_eq!(ms("250ms"), Ok(250));
        assert_eq!(ms("1m"), Ok(60_000));
        assert_eq!(ms("400 days"), Ok(34_560_000_000));
        assert_eq!(ms("10 years"), Ok(315_569_520_000));
        for text in ["", "s", "5 parsecs", "-1s", "1e3s", "1.2.3s", "NaN", "99999999 years"] {
            assert!(ms(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(parse_size("64MiB"), Ok(67_108_864));
        assert_eq!(parse_size("1.5 GB"), Ok(1_500_000_000));
        assert_eq!(parse_size("17"), Ok(17));
        assert!(parse_size("1 MBit").is_err());
    }

    #[test]
    fn bandwidths() {
        assert_eq!(parse_bandwidth("125"), Ok(125_000_000));
        assert_eq!(parse_bandwidth("1Gbps"), Ok(125_000_000));
        assert_eq!(parse_bandwidth("100 Mbit/s"), Ok(12_500_000));
        assert_eq!(parse_bandwidth("12.5MB/s"), Ok(12_500_000));
        for text in ["0", "-5", "fast", "1 Gb", ""] {
            assert!(parse_bandwidth(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_error_says_what_to_write() {
        assert_eq!(
            parse_bandwidth("fast").unwrap_err().to_string(),
            "\"fast\" is no bandwidth: write 125 (MB/s), 1Gbps, 100Mbps or 12.5MB/s"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            drop((parse_duration(&text), parse_size(&text), parse_bandwidth(&text)));
        }
    }
}
