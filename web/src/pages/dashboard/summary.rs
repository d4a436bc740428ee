//! The four figures above everything.

use askama::Template;
use jiff::Timestamp;
use komandorr_collector::live::FleetSlot;

use crate::{
    hub::{Frame, Totals},
    pages::part,
    site::Site,
    units::{Rate, Tagged, Volume},
};

#[derive(Debug, Template)]
#[template(path = "sum.html")]
struct Summary {
    totals: Totals,
    /// How many are in each state, but for the silent ones.
    states: String,
    directions: [Direction; 2],
    today: Option<Day>,
    /// What the live region says now and then.
    say: String,
}

#[derive(Debug)]
struct Direction {
    class: &'static str,
    arrow: &'static str,
    word: &'static str,
    now: Option<Tagged>,
    note: String,
}

#[derive(Debug)]
struct Day {
    total: Tagged,
    up: Volume,
    down: Volume,
}

/// The summary of a moment.
pub(super) fn html(site: &Site, frame: &Frame) -> String {
    let totals = frame.totals;
    let reported = totals.any_reported();
    let (up, down) = (totals.up_bytes_per_second, totals.down_bytes_per_second);
    let direction = |class, arrow, word, now: u64, of: fn(&FleetSlot) -> u64| Direction {
        class,
        arrow,
        word,
        now: reported.then(|| Rate::of(now).tagged()),
        note: match peak(&frame.fleet.slots, of) {
            Some((at, speed)) if reported => {
                format!("peak of the hour {} at {}", Rate::of(speed), site.clock.minute(at))
            }
            _ if reported => "no peak yet".to_owned(),
            _ => "no samples".to_owned(),
        },
    };
    let (up_today, down_today) = (totals.up_bytes_today, totals.down_bytes_today);
    part(&Summary {
        totals,
        states: states(&totals),
        directions: [
            direction("up", "↑", "Upload", up, |slot| slot.up_bytes_per_second),
            direction("down", "↓", "Download", down, |slot| slot.down_bytes_per_second),
        ],
        today: reported.then(|| Day {
            total: Volume::new(up_today.saturating_add(down_today)).tagged(),
            up: Volume::new(up_today),
            down: Volume::new(down_today),
        }),
        say: format!(
            "{} of {} services live, upload {}, download {}.",
            totals.live,
            totals.services,
            Rate::of(up),
            Rate::of(down)
        ),
    })
}

/// The highest slot of the hour and when it was.
pub(super) fn peak(slots: &[FleetSlot], of: fn(&FleetSlot) -> u64) -> Option<(Timestamp, u64)> {
    let covered = slots.iter().filter(|slot| slot.covered);
    covered.max_by_key(|slot| of(slot)).map(|slot| (slot.start, of(slot)))
}

fn states(totals: &Totals) -> String {
    if totals.services == 0 {
        return "none yet".into();
    }
    let states = [(totals.live, "live"), (totals.idle, "idle"), (totals.new, "new")];
    let some = states.into_iter().filter(|(number, _)| *number > 0);
    let words: Vec<String> = some.map(|(number, word)| format!("{number} {word}")).collect();
    words.join(", ")
}
