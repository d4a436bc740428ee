//! The answers computed slowly and obviously: every sample is cut into its
//! five minutes, and every question walks over all pieces.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, civil::Weekday, tz::TimeZone};
use komandorr_collector::{
    Volume,
    read::{Calendar, Peak, Point, Range, Step, Summary},
};
use komandorr_wire::Sample;

const FIVE_MINUTES: i64 = 300_000;
const HOUR: i64 = 3_600_000;

/// What happened in a stretch of time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cell {
    pub(crate) up: u64,
    pub(crate) down: u64,
    pub(crate) covered: u64,
    up_peak: u64,
    down_peak: u64,
    /// Means of single services, summed.
    up_mean: u64,
    down_mean: u64,
}

/// Cells by their begin.
pub(crate) type Cells = BTreeMap<i64, Cell>;

/// Five minutes of one service.
pub(crate) fn five_minutes<'a>(samples: impl Iterator<Item = &'a Sample>) -> Cells {
    let mut cells = Cells::new();
    for sample in samples {
        let end = sample.ended_ms.expect("stamped");
        let length = i64::try_from(sample.interval_ms).expect("short");
        let begin = end - length;
        let until = |bytes: u64, at: i64| {
            let part = u128::from(bytes) * u128::try_from(at - begin).expect("after");
            u64::try_from(part / u128::try_from(length).expect("positive")).expect("less")
        };
        let peak = |bytes: u64| {
            let milli = u128::from(bytes) * 1000 * 2 + u128::from(sample.interval_ms);
            u64::try_from(milli / (2 * u128::from(sample.interval_ms))).expect("a speed")
        };
        let mut from = begin;
        while from < end {
            let start = from.div_euclid(FIVE_MINUTES) * FIVE_MINUTES;
            let to = (start + FIVE_MINUTES).min(end);
            let cell = cells.entry(start).or_default();
            cell.up += until(sample.up, to) - until(sample.up, from);
            cell.down += until(sample.down, to) - until(sample.down, from);
            cell.covered += u64::try_from(to - from).expect("forward");
            cell.up_peak = cell.up_peak.max(peak(sample.up));
            cell.down_peak = cell.down_peak.max(peak(sample.down));
            from = to;
        }
    }
    with_means(cells)
}

/// The same by the hour of UTC.
pub(crate) fn hours(five_minutes: &Cells) -> Cells {
    let mut cells = Cells::new();
    for (start, cell) in five_minutes {
        let hour = cells.entry(start.div_euclid(HOUR) * HOUR).or_default();
        hour.up += cell.up;
        hour.down += cell.down;
        hour.covered += cell.covered;
        hour.up_peak = hour.up_peak.max(cell.up_peak);
        hour.down_peak = hour.down_peak.max(cell.down_peak);
    }
    with_means(cells)
}

fn with_means(mut cells: Cells) -> Cells {
    for cell in cells.values_mut() {
        let mean = |bytes: u64| u128::from(bytes) * 1000 / u128::from(cell.covered.max(1));
        cell.up_mean = u64::try_from(mean(cell.up)).expect("a speed");
        cell.down_mean = u64::try_from(mean(cell.down)).expect("a speed");
    }
    cells
}

/// Several services together; the peak is then that of the summed means.
pub(crate) fn together<'a>(all: impl Iterator<Item = &'a Cells>) -> Cells {
    let mut sum = Cells::new();
    for (start, cell) in all.flatten() {
        let whole = sum.entry(*start).or_default();
        whole.up += cell.up;
        whole.down += cell.down;
        whole.covered += cell.covered;
        whole.up_mean += cell.up_mean;
        whole.down_mean += cell.down_mean;
        whole.up_peak = whole.up_mean;
        whole.down_peak = whole.down_mean;
    }
    sum
}

/// What is asked about: cells of one service, or of several summed.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) cells: &'a Cells,
    pub(crate) summed: bool,
    pub(crate) members: u64,
}

/// A number of the API: a whole one, rounded.
fn rounded(part: u128, whole: u128) -> u64 {
    u64::try_from((2 * part + whole) / (2 * whole)).expect("a speed")
}

impl Asked<'_> {
    fn within(self, from: i64, to: i64) -> Vec<(i64, Cell)> {
        self.cells.range(from..to).map(|(start, cell)| (*start, *cell)).collect()
    }

    /// The mean speeds of some cells.
    pub(crate) fn means(self, cells: &[Cell]) -> Option<(u64, u64)> {
        if cells.is_empty() {
            return None;
        }
        let sum =
            |of: fn(&Cell) -> u64| cells.iter().map(|cell| u128::from(of(cell))).sum::<u128>();
        Some(if self.summed {
            let count = cells.len() as u128;
            (rounded(sum(|c| c.up_mean), count), rounded(sum(|c| c.down_mean), count))
        } else {
            let covered = sum(|c| c.covered);
            (rounded(sum(|c| c.up) * 1000, covered), rounded(sum(|c| c.down) * 1000, covered))
        })
    }

    pub(crate) fn summary(self, range: Range, level: i64, now: Timestamp) -> Summary {
        let range = widened(range, level);
        let (from, to) = (range.from.as_millisecond(), range.to.as_millisecond());
        let inside = self.within(from, to);
        let cells: Vec<Cell> = inside.iter().map(|(_, cell)| *cell).collect();
        let means = self.means(&cells);
        let peak = |of: fn(&Cell) -> u64| {
            let mut highest: Option<Peak> = None;
            for (start, cell) in &inside {
                let bytes_per_second = of(cell);
                if highest.is_none_or(|peak| bytes_per_second > peak.bytes_per_second) {
                    highest = Some(Peak { bytes_per_second, at: at(*start) });
                }
            }
            highest
        };
        let past = to.min(now.as_millisecond()) - from;
        let covered: u64 = cells.iter().map(|cell| cell.covered).sum();
        Summary {
            from: range.from,
            to: range.to,
            up_bytes: cells.iter().map(|cell| cell.up).sum(),
            down_bytes: cells.iter().map(|cell| cell.down).sum(),
            up_mean_bytes_per_second: means.map(|means| means.0),
            down_mean_bytes_per_second: means.map(|means| means.1),
            up_peak: peak(|cell| cell.up_peak),
            down_peak: peak(|cell| cell.down_peak),
            up_p95_bytes_per_second: percentile(cells.iter().map(|cell| cell.up_mean).collect()),
            down_p95_bytes_per_second: percentile(cells.iter().map(|c| c.down_mean).collect()),
            coverage: share(covered, past * i64::try_from(self.members).expect("few")),
        }
    }

    pub(crate) fn points(self, range: Range, step: Step, zone: &TimeZone) -> Vec<Point> {
        let range = widened(range, FIVE_MINUTES);
        let mut periods: BTreeMap<(i64, i64), Vec<Cell>> = BTreeMap::new();
        for (start, cell) in self.within(range.from.as_millisecond(), range.to.as_millisecond()) {
            let period = match step {
                Step::Raw | Step::FiveMinutes => (start, start + FIVE_MINUTES),
                Step::Hour => period(Calendar::Hour, start, &TimeZone::UTC),
                Step::Day => period(Calendar::Day, start, zone),
                Step::Week => period(Calendar::Week, start, zone),
            };
            periods.entry(period).or_default().push(cell);
        }
        let point = |((start, end), cells): ((i64, i64), Vec<Cell>)| {
            let means = self.means(&cells).expect("there are cells");
            Point {
                t: at(start),
                up_bytes: cells.iter().map(|cell| cell.up).sum(),
                down_bytes: cells.iter().map(|cell| cell.down).sum(),
                up_bytes_per_second: means.0,
                down_bytes_per_second: means.1,
                up_peak_bytes_per_second: cells.iter().map(|c| c.up_peak).max().expect("cells"),
                down_peak_bytes_per_second: cells.iter().map(|c| c.down_peak).max().expect("cells"),
                coverage: share(cells.iter().map(|cell| cell.covered).sum(), end - start),
            }
        };
        periods.into_iter().map(point).collect()
    }

    /// Begin, end, volume and covered time of every period that a range touches.
    pub(crate) fn volumes(
        self,
        range: Range,
        unit: Calendar,
        zone: &TimeZone,
    ) -> Vec<(Timestamp, Timestamp, Volume, u64)> {
        let (from, to) = (range.from.as_millisecond(), range.to.as_millisecond());
        let moments = (from..to).step_by(300_000).chain([to - 1]);
        let touched: BTreeSet<_> = moments.map(|ms| period(unit, ms, zone)).collect();
        touched
            .into_iter()
            .map(|(start, end)| {
                let cells = self.within(start, end);
                let volume = Volume {
                    up_bytes: cells.iter().map(|(_, cell)| cell.up).sum(),
                    down_bytes: cells.iter().map(|(_, cell)| cell.down).sum(),
                };
                (at(start), at(end), volume, cells.iter().map(|(_, cell)| cell.covered).sum())
            })
            .collect()
    }

    /// Up, down and number of hours of each hour of the week.
    pub(crate) fn profile(
        self,
        weeks: i64,
        now: Timestamp,
        zone: &TimeZone,
    ) -> BTreeMap<(i8, i8), (u64, u64, u32)> {
        let now = now.as_millisecond();
        let from = period(Calendar::Hour, now - weeks * 168 * HOUR, zone).0;
        let mut hours: BTreeMap<(i8, i8), (Vec<Cell>, BTreeSet<i64>)> = BTreeMap::new();
        for (start, cell) in self.within(from, period(Calendar::Hour, now - 1, zone).1) {
            let local = at(start).to_zoned_datetime(zone.clone());
            let key = (local.weekday().to_monday_one_offset(), local.hour());
            let hour = hours.entry(key).or_default();
            hour.0.push(cell);
            hour.1.insert(period(Calendar::Hour, start, zone).0);
        }
        let mean = |(cells, seen): (Vec<Cell>, BTreeSet<i64>)| {
            let (up, down) = self.means(&cells).expect("there are cells");
            (up, down, u32::try_from(seen.len()).expect("few"))
        };
        hours.into_iter().map(|(key, hour)| (key, mean(hour))).collect()
    }
}

/// The period that holds a moment, by the clock on the wall.
pub(crate) fn period(unit: Calendar, ms: i64, zone: &TimeZone) -> (i64, i64) {
    let local = at(ms).to_zoned_datetime(zone.clone());
    let date = local.date();
    let (first, next) = match unit {
        Calendar::Hour => {
            let past = i64::from(local.minute()) * 60_000
                + i64::from(local.second()) * 1000
                + i64::from(local.millisecond());
            return (ms - past, ms - past + HOUR);
        }
        Calendar::Day => (date, date.tomorrow().expect("a day")),
        Calendar::Week => {
            let mut monday = date;
            while monday.weekday() != Weekday::Monday {
                monday = monday.yesterday().expect("a day");
            }
            let mut next = date.tomorrow().expect("a day");
            while next.weekday() != Weekday::Monday {
                next = next.tomorrow().expect("a day");
            }
            (monday, next)
        }
        Calendar::Month => {
            let last = date.last_of_month();
            (date.first_of_month(), last.tomorrow().expect("a day"))
        }
        Calendar::Year => (date.first_of_year(), date.last_of_year().tomorrow().expect("a day")),
    };
    let midnight = |date: jiff::civil::Date| {
        date.to_zoned_datetime(zone.clone()).expect("a time").timestamp().as_millisecond()
    };
    (midnight(first), midnight(next))
}

/// The smallest that at least 95 of 100 do not exceed.
fn percentile(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    let enough = |(at, _): &(usize, &u64)| (at + 1) * 100 >= values.len() * 95;
    values.iter().enumerate().find(enough).map(|(_, value)| *value)
}

fn share(covered: u64, whole: i64) -> f64 {
    let whole = u64::try_from(whole).unwrap_or_default().max(1);
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of a year")]
    let share = covered as f64 / whole as f64;
    share.min(1.0)
}

fn widened(range: Range, level: i64) -> Range {
    let down = |ms: i64| ms.div_euclid(level) * level;
    Range {
        from: at(down(range.from.as_millisecond())),
        to: at(down(range.to.as_millisecond() - 1) + level),
    }
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).expect("a time")
}
