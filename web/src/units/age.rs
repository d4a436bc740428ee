//! Lengths of time in words: `2 s`, `14 min`, `3 h`, `12 days`.

use std::fmt;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// How long ago something was, in whole seconds: number and unit of its
/// largest part. What a clock ahead of ours sent is "0 s" old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Age(i64);

/// A length of time with the two largest parts that say something: `40 min`,
/// `2 h 5 min`, `3 days`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(i64);

impl Age {
    /// The age of something that happened this many seconds ago.
    pub(crate) fn seconds(seconds: i64) -> Self {
        Self(seconds.max(0))
    }

    /// The time between two moments.
    pub(crate) fn between(then: jiff::Timestamp, now: jiff::Timestamp) -> Self {
        Self::seconds(now.as_second().saturating_sub(then.as_second()))
    }
}

impl Span {
    /// A length of time in seconds.
    pub(crate) fn seconds(seconds: i64) -> Self {
        Self(seconds.max(0))
    }
}

fn days(number: i64) -> &'static str {
    if number == 1 { "day" } else { "days" }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            s if s < MINUTE => write!(f, "{s} s"),
            s if s < HOUR => write!(f, "{} min", s / MINUTE),
            s if s < 2 * DAY => write!(f, "{} h", s / HOUR),
            s => write!(f, "{} {}", s / DAY, days(s / DAY)),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let two = |f: &mut fmt::Formatter<'_>, first: i64, unit, rest: i64, small| {
            write!(f, "{first} {unit}")?;
            if rest > 0 { write!(f, " {rest} {small}") } else { Ok(()) }
        };
        match self.0 {
            s if s < MINUTE => write!(f, "{s} s"),
            s if s < HOUR => two(f, s / MINUTE, "min", s % MINUTE, "s"),
            s if s < DAY => two(f, s / HOUR, "h", s % HOUR / MINUTE, "min"),
            s => two(f, s / DAY, days(s / DAY), s % DAY / HOUR, "h"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_reads_in_its_largest_unit() {
        let age = |seconds| Age::seconds(seconds).to_string();
        assert_eq!(age(-3), "0 s");
        assert_eq!(age(59), "59 s");
        assert_eq!(age(60), "1 min");
        assert_eq!(age(3599), "59 min");
        assert_eq!(age(3600), "1 h");
        assert_eq!(age(2 * DAY - 1), "47 h");
        assert_eq!(age(2 * DAY), "2 days");
        assert_eq!(age(i64::MAX), "106751991167300 days");
    }

    #[test]
    fn a_span_says_its_two_largest_parts() {
        let span = |seconds| Span::seconds(seconds).to_string();
        assert_eq!(span(40), "40 s");
        assert_eq!(span(40 * MINUTE), "40 min");
        assert_eq!(span(90), "1 min 30 s");
        assert_eq!(span(2 * HOUR + 5 * MINUTE + 7), "2 h 5 min");
        assert_eq!(span(DAY), "1 day");
        assert_eq!(span(3 * DAY + HOUR), "3 days 1 h");
    }
}
