//! This week against the last, day by day and up to the same time.

use jiff::{SignedDuration, Timestamp};
use komandorr_collector::read::{Calendar, PeriodVolume, Range, Scope};

use crate::{
    chart::{Bar, Bars},
    error::Failure,
    site::Site,
    units::{Tagged, Volume},
};

const DAYS: [(&str, &str); 7] = [
    ("Monday", "Mon"),
    ("Tuesday", "Tue"),
    ("Wednesday", "Wed"),
    ("Thursday", "Thu"),
    ("Friday", "Fri"),
    ("Saturday", "Sat"),
    ("Sunday", "Sun"),
];

/// Bars and table.
#[derive(Debug)]
pub(super) struct WeekView {
    pub(super) this: i8,
    pub(super) last: i8,
    /// Until when today is compared.
    pub(super) until: String,
    pub(super) today: &'static str,
    pub(super) ticks: Vec<(f64, String)>,
    pub(super) bars: Vec<Bars2>,
    pub(super) rows: Vec<Row>,
    pub(super) total: Row,
    pub(super) any: bool,
}

/// The two bars of a day, with their places in percent of the width.
#[derive(Debug)]
pub(super) struct Bars2 {
    pub(super) day: &'static str,
    pub(super) middle: f64,
    pub(super) old_x: f64,
    pub(super) new_x: f64,
    pub(super) old: Bar,
    /// Of the last week's same day what came after the present time.
    pub(super) rest: Bar,
    pub(super) new: Bar,
}

#[derive(Debug)]
pub(super) struct Row {
    pub(super) day: &'static str,
    pub(super) note: String,
    pub(super) new: Tagged,
    pub(super) old: Tagged,
    pub(super) change: String,
}

pub(super) async fn view(site: &Site, scope: &Scope, now: Timestamp) -> Result<WeekView, Failure> {
    let week = SignedDuration::from_hours(7 * 24);
    let before = now.checked_sub(week).unwrap_or(now);
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
    Ok(compare(site, old, new, Today { index: today, until }, (first.0, last.0), now))
}

/// The day that is not over yet.
#[derive(Clone, Copy)]
struct Today {
    index: usize,
    /// Bytes of last week's same day up to this time.
    until: u64,
}

fn compare(
    site: &Site,
    old: &[PeriodVolume],
    new: &[PeriodVolume],
    today: Today,
    (last, this): (Timestamp, Timestamp),
    now: Timestamp,
) -> WeekView {
    let total = |days: &[PeriodVolume], i: usize| days.get(i).map_or(0, |day| day.volume.total());
    let volumes = old.iter().chain(new).map(|day| day.volume.total());
    let axis = Bars::new(volumes.clone());
    let (mut rows, mut bars, mut sums) = (Vec::new(), Vec::new(), (0u64, 0u64));
    let minute = site.clock.minute(now);
    for (i, (day, short)) in DAYS.into_iter().enumerate() {
        let (was, is) = (total(old, i), total(new, i));
        let same = if i == today.index { today.until.min(was) } else { was };
        let over = i > today.index;
        if !over {
            sums = (sums.0.saturating_add(is), sums.1.saturating_add(same));
        }
        rows.push(Row {
            day,
            note: if i == today.index { format!("until {minute}") } else { String::new() },
            new: Volume::known((!over).then_some(is)).tagged(),
            old: Volume::new(same).tagged(),
            change: if over { "–".into() } else { change(is, same) },
        });
        bars.push(pair(&axis, i, short, (was, if over { was } else { same }, is)));
    }
    WeekView {
        this: site.clock.week_number(this),
        last: site.clock.week_number(last),
        today: DAYS.get(today.index).map_or("today", |(day, _)| day),
        until: minute,
        any: volumes.clone().any(|bytes| bytes > 0),
        ticks: axis.ticks,
        bars,
        rows,
        total: Row {
            day: "To the same time",
            note: String::new(),
            new: Volume::new(sums.0).tagged(),
            old: Volume::new(sums.1).tagged(),
            change: change(sums.0, sums.1),
        },
    }
}

fn pair(axis: &Bars, i: usize, day: &'static str, (was, same, is): (u64, u64, u64)) -> Bars2 {
    #[allow(clippy::cast_precision_loss, reason = "one of seven")]
    let left = i as f64 * 100.0 / 7.0;
    let whole = axis.bar(was);
    let old = axis.bar(same);
    Bars2 {
        day,
        middle: left + 50.0 / 7.0,
        old_x: left + 2.6,
        new_x: left + 7.2,
        rest: Bar { y: whole.y, height: whole.height - old.height },
        old,
        new: axis.bar(is),
    }
}

/// `+5.4`, in percent.
#[allow(clippy::cast_precision_loss, reason = "one decimal is shown")]
fn change(new: u64, old: u64) -> String {
    if old == 0 {
        return "–".into();
    }
    format!("{:+.1}", (new as f64 / old as f64 - 1.0) * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_has_its_sign_and_none_without_a_week_before() {
        assert_eq!(change(1054, 1000), "+5.4");
        assert_eq!(change(900, 1000), "-10.0");
        assert_eq!(change(5, 0), "–");
    }
}
