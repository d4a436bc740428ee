//! This week against the last, day by day and up to the same time.

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use komandorr_collector::read::{Calendar, Range, Scope};

use super::DAYS;
use crate::{
    chart::{Bar, Bars},
    error::Failure,
    site::Site,
    units::{Tagged, Volume},
};

/// The days of two weeks, as bytes.
#[derive(Debug)]
pub(super) struct Weeks {
    /// Begin of the last week and of this one.
    starts: (Timestamp, Timestamp),
    /// Which day is not over yet, Monday is 0.
    today: usize,
    now: Timestamp,
    pub(super) days: Vec<Pair>,
}

/// A day of this week and the same day of the last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub(super) day: &'static str,
    short: &'static str,
    /// Begin of this week's day.
    pub(super) start: Timestamp,
    /// `None`: it has not come yet.
    pub(super) new: Option<u64>,
    /// Of the day that is not over yet: up to the same time.
    pub(super) old: u64,
    /// The whole day of the last week.
    whole: u64,
}

/// Bars and table.
#[derive(Debug)]
pub(super) struct WeekView {
    pub(super) this: i8,
    pub(super) last: i8,
    /// Until when today is compared.
    pub(super) until: String,
    pub(super) today: &'static str,
    pub(super) ticks: Vec<(f64, String)>,
    pub(super) bars: Vec<BarPair>,
    pub(super) rows: Vec<Row>,
    pub(super) total: Row,
    /// What is compared, in words.
    pub(super) told: String,
}

/// The two bars of a day, with their places in percent of the width.
#[derive(Debug)]
pub(super) struct BarPair {
    pub(super) day: &'static str,
    pub(super) middle: f64,
    pub(super) old_x: f64,
    pub(super) new_x: f64,
    pub(super) old: Bar,
    /// Of the last week's same day what came after the present time.
    pub(super) rest: Bar,
    pub(super) new: Bar,
    /// What a pointer is told.
    pub(super) words: String,
}

#[derive(Debug)]
pub(super) struct Row {
    pub(super) day: &'static str,
    pub(super) note: String,
    pub(super) new: Tagged,
    pub(super) old: Tagged,
    pub(super) change: String,
}

/// Reads both weeks up to now.
pub(super) async fn read(site: &Site, scope: &Scope, now: Timestamp) -> Result<Weeks, Failure> {
    let before = week_before(now, site.clock.zone());
    let reader = &site.app.reader;
    let weeks = Calendar::Week.periods(Range { from: before, to: now }, site.clock.zone());
    let (Some(first), Some(last)) = (weeks.first(), weeks.last()) else {
        return Err(Failure::internal());
    };
    let range = Range { from: first.0, to: last.1 };
    let days = reader.volumes(scope, range, Calendar::Day).await?;
    let (old, new) = days.split_at_checked(7).unwrap_or((&days, &[]));
    let today = new.iter().position(|day| now < day.end).unwrap_or_default();
    // Of last week's same day only what came up to the present time counts.
    let begun = old.get(today).map_or(before, |day| day.start);
    let until = match Range::new(begun, before) {
        Ok(range) => {
            let summary = reader.summary(scope, range).await?;
            summary.up_bytes.saturating_add(summary.down_bytes)
        }
        Err(_) => 0,
    };
    let pair = |(i, (day, short)): (usize, (&'static str, &'static str))| {
        let whole = old.get(i).map_or(0, |day| day.volume.total());
        let is = new.get(i).map_or(0, |day| day.volume.total());
        Pair {
            day,
            short,
            start: new.get(i).map_or(last.0, |day| day.start),
            new: (i <= today).then_some(is),
            old: if i == today { until.min(whole) } else { whole },
            whole,
        }
    };
    let days = DAYS.into_iter().enumerate().map(pair).collect();
    Ok(Weeks { starts: (first.0, last.0), today, now, days })
}

/// The same time of the same day a week earlier, on the site's calendar: where
/// the clock was changed meanwhile that is 167 or 169 hours.
fn week_before(now: Timestamp, zone: &TimeZone) -> Timestamp {
    let earlier = now.to_zoned_datetime(zone.clone()).checked_sub(1.week());
    earlier.map_or(now, |earlier| earlier.timestamp())
}

impl Weeks {
    /// Both weeks up to the present time: this one and the last.
    pub(super) fn sums(&self) -> (u64, u64) {
        let past = self.days.iter().filter_map(|day| day.new.map(|new| (new, day.old)));
        past.fold((0, 0), |(a, b), (new, old)| (a.saturating_add(new), b.saturating_add(old)))
    }

    /// Today's name.
    fn day(&self) -> &'static str {
        DAYS.get(self.today).map_or("today", |(day, _)| day)
    }

    /// Bars and table of them.
    pub(super) fn view(&self, site: &Site) -> WeekView {
        let both = self.days.iter().flat_map(|day| [day.whole, day.new.unwrap_or_default()]);
        let axis = Bars::new(both.clone());
        let minute = site.clock.minute(self.now);
        let today = |i: usize| i == self.today;
        let row = |(i, day): (usize, &Pair)| Row {
            day: day.day,
            note: if today(i) { format!("until {minute}") } else { String::new() },
            new: Volume::known(day.new).tagged(),
            old: Volume::new(day.old).tagged(),
            change: signed(day.change()),
        };
        let (new, old) = self.sums();
        WeekView {
            this: site.clock.week_number(self.starts.1),
            last: site.clock.week_number(self.starts.0),
            today: self.day(),
            told: if both.clone().any(|bytes| bytes > 0) {
                format!("Both weeks up to {} {minute}.", self.day())
            } else {
                "No samples in these two weeks.".to_owned()
            },
            ticks: axis.ticks.clone(),
            bars: self.days.iter().enumerate().map(|(i, day)| day.bars(&axis, i)).collect(),
            rows: self.days.iter().enumerate().map(row).collect(),
            total: Row {
                day: "To the same time",
                note: String::new(),
                new: Volume::new(new).tagged(),
                old: Volume::new(old).tagged(),
                change: signed(change(new, old)),
            },
            until: minute,
        }
    }
}

impl Pair {
    /// Percent; `None` where there is nothing to compare.
    pub(super) fn change(&self) -> Option<f64> {
        self.new.and_then(|new| change(new, self.old))
    }

    fn bars(&self, axis: &Bars, i: usize) -> BarPair {
        #[allow(clippy::cast_precision_loss, reason = "one of seven")]
        let left = i as f64 * 100.0 / 7.0;
        let whole = axis.bar(self.whole);
        let old = axis.bar(self.old);
        let now = self.new.map(|new| format!(", this week {}", Volume::new(new)));
        BarPair {
            day: self.short,
            middle: left + 50.0 / 7.0,
            old_x: left + 2.6,
            new_x: left + 7.2,
            rest: Bar { y: whole.y, height: whole.height - old.height },
            old,
            new: axis.bar(self.new.unwrap_or_default()),
            words: format!(
                "{}: last week {}{}",
                self.day,
                Volume::new(self.whole),
                now.unwrap_or_default()
            ),
        }
    }
}

/// Percent; `None` without a week before.
#[allow(clippy::cast_precision_loss, reason = "one decimal is shown")]
pub(super) fn change(new: u64, old: u64) -> Option<f64> {
    (old > 0).then(|| (new as f64 / old as f64 - 1.0) * 100.0)
}

/// `+5.4`; what rounds to nothing has no sign.
fn signed(percent: Option<f64>) -> String {
    let Some(percent) = percent else { return "–".to_owned() };
    match format!("{percent:+.1}") {
        nothing if nothing == "+0.0" || nothing == "-0.0" => "0.0".to_owned(),
        signed => signed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_earlier_is_the_same_day_and_hour_where_the_clock_was_changed() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let before = |now: &str| week_before(now.parse().unwrap(), &zone).to_string();
        assert_eq!(before("2026-11-20T12:00:00Z"), "2026-11-13T12:00:00Z");
        // Sunday 23:30, an hour after the clock went back on that day.
        assert_eq!(before("2026-10-25T22:30:00Z"), "2026-10-18T21:30:00Z");
        // Monday 00:30, after it went forward.
        assert_eq!(before("2027-03-28T22:30:00Z"), "2027-03-21T23:30:00Z");
    }

    #[test]
    fn a_change_has_its_sign_and_none_without_a_week_before() {
        assert_eq!(signed(change(1054, 1000)), "+5.4");
        assert_eq!(signed(change(900, 1000)), "-10.0");
        assert_eq!(signed(change(9_999, 10_000)), "0.0");
        assert_eq!(signed(change(10_001, 10_000)), "0.0");
        assert_eq!(signed(change(5, 0)), "–");
    }
}
