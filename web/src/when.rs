//! Times as people read them, on the clock of the site's zone.

use jiff::{Timestamp, ZonedDateTime, tz::TimeZone};

/// Tells times in one zone.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    zone: TimeZone,
}

impl Clock {
    pub(crate) fn new(zone: TimeZone) -> Self {
        Self { zone }
    }

    pub(crate) fn zone(&self) -> &TimeZone {
        &self.zone
    }

    fn local(&self, at: Timestamp) -> ZonedDateTime {
        at.to_zoned_datetime(self.zone.clone())
    }

    fn format(&self, at: Timestamp, format: &str) -> String {
        self.local(at).strftime(format).to_string()
    }

    /// What the zone is called.
    pub(crate) fn zone_name(&self, now: Timestamp) -> String {
        match self.zone.iana_name() {
            Some(name) => name.to_owned(),
            None => format!("UTC{}", self.zone_code(now)),
        }
    }

    /// The zone as browsers know it: its name, or where it has none its present
    /// offset such as `+02:00`.
    pub(crate) fn zone_code(&self, now: Timestamp) -> String {
        match self.zone.iana_name() {
            Some(name) => name.to_owned(),
            None => self.format(now, "%:z"),
        }
    }

    /// `20:14:08`
    pub(crate) fn time(&self, at: Timestamp) -> String {
        self.format(at, "%H:%M:%S")
    }

    /// `20:14`
    pub(crate) fn minute(&self, at: Timestamp) -> String {
        self.format(at, "%H:%M")
    }

    /// `20:14` within the last day, `19 Nov 20:14` in this year, else with it.
    pub(crate) fn moment(&self, at: Timestamp, now: Timestamp) -> String {
        let (then, today) = (self.local(at), self.local(now));
        let format = if then.date() == today.date() {
            "%H:%M"
        } else if then.year() == today.year() {
            "%-d %b %H:%M"
        } else {
            "%-d %b %Y %H:%M"
        };
        then.strftime(format).to_string()
    }

    /// `at 20:34 today`, `at 20:34 yesterday`, `on 12 Nov at 20:34`.
    pub(crate) fn told(&self, at: Timestamp, now: Timestamp) -> String {
        let (then, today) = (self.local(at), self.local(now));
        let minute = then.strftime("%H:%M");
        if then.date() == today.date() {
            format!("at {minute} today")
        } else if Some(then.date()) == today.date().yesterday().ok() {
            format!("at {minute} yesterday")
        } else if then.year() == today.year() {
            format!("on {} at {minute}", then.strftime("%-d %b"))
        } else {
            format!("on {} at {minute}", then.strftime("%-d %b %Y"))
        }
    }

    /// `20 November 2026`
    pub(crate) fn date(&self, at: Timestamp) -> String {
        self.format(at, "%-d %B %Y")
    }

    /// `20 November 2026, 20:14`
    pub(crate) fn dated(&self, at: Timestamp) -> String {
        self.format(at, "%-d %B %Y, %H:%M")
    }

    /// `2026-11-20`
    pub(crate) fn iso_date(&self, at: Timestamp) -> String {
        self.format(at, "%Y-%m-%d")
    }

    /// `2026-11-20T20:14:08+01:00`
    pub(crate) fn iso(&self, at: Timestamp) -> String {
        self.format(at, "%Y-%m-%dT%H:%M:%S%:z")
    }

    /// `Fri 20 Nov`
    pub(crate) fn day(&self, at: Timestamp) -> String {
        self.format(at, "%a %-d %b")
    }

    /// `Fri 20 Nov, 19:00`
    pub(crate) fn hour(&self, at: Timestamp) -> String {
        self.format(at, "%a %-d %b, %H:%M")
    }

    /// `Week 47, 16 Nov`
    pub(crate) fn week(&self, at: Timestamp) -> String {
        let monday = self.local(at);
        format!("Week {}, {}", monday.date().iso_week_date().week(), monday.strftime("%-d %b"))
    }

    /// Number of the ISO week.
    pub(crate) fn week_number(&self, at: Timestamp) -> i8 {
        self.local(at).date().iso_week_date().week()
    }

    /// `November 2026`
    pub(crate) fn month(&self, at: Timestamp) -> String {
        self.format(at, "%B %Y")
    }

    /// `2026-11-20T20:14`, as `<input type=datetime-local>` takes it.
    pub(crate) fn field(&self, at: Timestamp) -> String {
        self.format(at, "%Y-%m-%dT%H:%M")
    }

    /// Reads what such a field sends: a local time, or one with its offset.
    pub(crate) fn read_field(&self, text: &str) -> Option<Timestamp> {
        if let Ok(at) = text.parse::<Timestamp>() {
            return Some(at);
        }
        let local: jiff::civil::DateTime = text.parse().ok()?;
        local.to_zoned_datetime(self.zone.clone()).ok().map(|zoned| zoned.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn clock() -> Clock {
        Clock::new(TimeZone::get("Europe/Berlin").unwrap())
    }

    #[test]
    fn a_time_is_told_as_far_away_as_it_is() {
        let now = at("2026-11-20T19:14:08Z");
        let told = |text| clock().told(at(text), now);
        assert_eq!(told("2026-11-20T00:24:00Z"), "at 01:24 today");
        assert_eq!(told("2026-11-19T19:34:00Z"), "at 20:34 yesterday");
        assert_eq!(told("2026-11-12T19:34:00Z"), "on 12 Nov at 20:34");
        assert_eq!(told("2025-11-12T19:34:00Z"), "on 12 Nov 2025 at 20:34");
    }

    #[test]
    fn a_field_is_read_as_it_was_written() {
        let clock = clock();
        let moment = at("2026-11-20T19:14:00Z");
        assert_eq!(clock.field(moment), "2026-11-20T20:14");
        assert_eq!(clock.read_field("2026-11-20T20:14"), Some(moment));
        assert_eq!(clock.read_field("2026-11-20T19:14:00Z"), Some(moment));
        assert_eq!(
            clock.read_field("2026-11-20").map(|t| t.to_string()).as_deref(),
            Some("2026-11-19T23:00:00Z")
        );
        assert_eq!(clock.read_field("soon"), None);
    }

    #[test]
    fn weeks_are_iso_weeks_of_the_zone() {
        let monday = at("2026-11-15T23:00:00Z");
        assert_eq!(clock().week(monday), "Week 47, 16 Nov");
        assert_eq!(clock().zone_name(monday), "Europe/Berlin");
        assert_eq!(clock().zone_code(monday), "Europe/Berlin");
    }

    #[test]
    fn a_zone_without_a_name_is_known_by_its_offset() {
        let clock = Clock::new(TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap());
        let (summer, winter) = (at("2026-07-01T00:00:00Z"), at("2026-11-15T23:00:00Z"));
        assert_eq!(
            (clock.zone_code(summer), clock.zone_code(winter)),
            ("+02:00".into(), "+01:00".into())
        );
        assert_eq!(clock.zone_name(winter), "UTC+01:00");
    }
}
