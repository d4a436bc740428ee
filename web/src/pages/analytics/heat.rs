//! The heat map: seven days of 24 hours.

use komandorr_collector::read::{HourCell, HourProfile};

use super::DAYS;
use crate::units::Rate;

/// Steps of colour.
const STEPS: f64 = 9.0;

/// The map, its ends and its words.
#[derive(Debug)]
pub(super) struct HeatView {
    pub(super) days: Vec<Day>,
    pub(super) low: Rate,
    pub(super) high: Rate,
    pub(super) busiest: Option<Extreme>,
    pub(super) quietest: Option<Extreme>,
    /// Hours of which there is any data.
    pub(super) seen: usize,
    /// How much of the week that is, in words.
    pub(super) told: String,
}

#[derive(Debug)]
pub(super) struct Day {
    pub(super) short: &'static str,
    pub(super) long: &'static str,
    pub(super) cells: Vec<Cell>,
}

#[derive(Debug)]
pub(super) struct Cell {
    /// Class of its colour; none without data.
    pub(super) step: Option<u8>,
    pub(super) extreme: bool,
    pub(super) hour: String,
    pub(super) value: Rate,
}

/// The busiest or the quietest hour.
#[derive(Debug)]
pub(super) struct Extreme {
    pub(super) when: String,
    pub(super) mean: Rate,
}

fn total(cell: &HourCell) -> Option<u64> {
    let (up, down) = cell.up_bytes_per_second.zip(cell.down_bytes_per_second)?;
    Some(up.saturating_add(down))
}

pub(super) fn view(profile: &HourProfile) -> HeatView {
    let totals = || profile.cells.iter().filter_map(total);
    let (low, high) = (totals().min().unwrap_or_default(), totals().max().unwrap_or_default());
    let extreme = |cell: &HourCell| {
        let same = |other: &Option<HourCell>| {
            other.as_ref().is_some_and(|o| (o.weekday, o.hour) == (cell.weekday, cell.hour))
        };
        same(&profile.busiest) || same(&profile.quietest)
    };
    let cell = |cell: &HourCell| Cell {
        step: total(cell).map(|total| step(total, low, high)),
        extreme: extreme(cell),
        hour: format!("{:02}:00", cell.hour),
        value: Rate::known(total(cell)),
    };
    let days = profile.cells.chunks(24).zip(DAYS);
    let seen = totals().count();
    HeatView {
        told: match seen {
            0 => "No samples in this range.".to_owned(),
            seen if seen == profile.cells.len() => "Means of both directions together.".to_owned(),
            seen => format!("Samples of {seen} of the week's {} hours.", profile.cells.len()),
        },
        days: days
            .map(|(cells, (long, short))| Day {
                short,
                long,
                cells: cells.iter().map(cell).collect(),
            })
            .collect(),
        low: Rate::of(low),
        high: Rate::of(high),
        busiest: profile.busiest.as_ref().map(told),
        quietest: profile.quietest.as_ref().map(told),
        seen,
    }
}

/// The colour of a value between the lowest and the highest.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a number from 0 to 8"
)]
fn step(value: u64, low: u64, high: u64) -> u8 {
    let share = (value.saturating_sub(low)) as f64 / (high.saturating_sub(low)).max(1) as f64;
    (share * STEPS).min(STEPS - 1.0) as u8
}

fn told(cell: &HourCell) -> Extreme {
    let day = usize::try_from(cell.weekday - 1).ok().and_then(|i| DAYS.get(i));
    let day = day.map_or("", |(long, _)| long);
    Extreme {
        when: format!("{day}, {:02}:00 to {:02}:00", cell.hour, cell.hour + 1),
        mean: Rate::known(total(cell)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_is_palest_and_the_highest_fullest() {
        assert_eq!(step(10, 10, 100), 0);
        assert_eq!(step(100, 10, 100), 8);
        assert_eq!(step(55, 10, 100), 4);
        assert_eq!(step(7, 7, 7), 0);
    }
}
