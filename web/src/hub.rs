//! The live state as frames: one is made when something changed, and every
//! page and stream reads the newest. What did not change between two frames
//! is shared, drawn once, and never sent again.

mod frame;
mod stream;
mod totals;

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use komandorr_collector::{
    Current, Live, State,
    live::{FLEET_SLOT_MS, FleetSlot},
};
use komandorr_wire::ServiceId;
use parking_lot::Mutex;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

pub(crate) use frame::{Card, CurrentAnswer, FleetHour, Frame, Item};
pub(crate) use stream::{View, stream};
pub(crate) use totals::Totals;

use crate::{
    App,
    top::{Contender, TopFive},
};

/// While streams follow, a frame is made at most this often: a page sees a
/// change at once, and a busy pipeline costs no more than four frames a second.
const AT_MOST_EVERY: Duration = Duration::from_millis(250);
/// And at least this often: services fall silent without anything happening,
/// and the five busiest are remembered from one frame to the next.
const AT_LEAST_EVERY: Duration = Duration::from_secs(1);
/// The fleet's chart waits for samples no longer than this, seconds: who
/// reports every hour does not hold up the others.
const LONGEST_WAIT: f64 = 120.0;
/// How long a sample may be on its way, seconds.
const ON_THE_WAY: f64 = 1.5;

/// Makes frames and keeps the newest.
#[derive(Debug)]
pub(crate) struct Hub {
    live: Arc<Live>,
    newest: watch::Sender<Arc<Frame>>,
    /// Held while a frame is made.
    making: Mutex<Making>,
}

/// What is remembered from one frame to the next.
#[derive(Debug)]
struct Making {
    version: watch::Receiver<u64>,
    top: TopFive,
}

impl Hub {
    pub(crate) fn new(app: &App) -> Self {
        let making = Making { version: app.live.subscribe(), top: TopFive::default() };
        // Numbers begin with the time, so that they grow across restarts and
        // a page of the program's former life is told everything.
        let number = Timestamp::now().as_millisecond().unsigned_abs();
        Self {
            live: Arc::clone(&app.live),
            newest: watch::Sender::new(Arc::new(Frame::empty(number))),
            making: Mutex::new(making),
        }
    }

    /// Every frame from now on.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Frame>> {
        self.newest.subscribe()
    }

    /// How many streams follow the frames.
    pub(crate) fn followers(&self) -> usize {
        self.newest.receiver_count()
    }

    /// The state of this moment.
    pub(crate) fn fresh(&self) -> Arc<Frame> {
        let mut making = self.making.lock();
        let now = Timestamp::now();
        let version = *making.version.borrow_and_update();
        let last = self.newest.borrow().clone();
        let age = now.duration_since(last.at);
        if last.version == Some(version) && age.unsigned_abs() < AT_LEAST_EVERY {
            return last;
        }
        let frame = Arc::new(self.next(&mut making.top, &last, version, now));
        // A frame like the last one is kept for its time, but nobody is woken.
        self.newest.send_if_modified(|newest| {
            let changed = frame.number != newest.number;
            *newest = Arc::clone(&frame);
            changed
        });
        frame
    }

    /// Whether something has happened since the newest frame was made.
    fn is_behind(&self) -> bool {
        self.newest.borrow().version != Some(*self.live.subscribe().borrow())
    }

    fn next(&self, top: &mut TopFive, last: &Frame, version: u64, now: Timestamp) -> Frame {
        let number = last.number + 1;
        let items = items(self.live.current(now), last, number);
        let changed = items.iter().any(|item| item.changed == number);
        let same_services = items.len() == last.items.len()
            && items.iter().zip(&last.items).all(|(a, b)| a.is_listed_like(b));
        let roster = if same_services { last.roster } else { number };
        let places = top.update(&contenders(&items, now));
        let cards: Vec<_> = places
            .iter()
            .filter_map(|place| {
                let item = item_of(&items, &place.id)?;
                Some(Card::after(item, place.colour, last, number))
            })
            .collect();
        let order = |cards: &[Arc<Card>]| -> Vec<_> {
            cards.iter().map(|card| (card.item.current.service.clone(), card.colour)).collect()
        };
        let same_cards = order(&cards) == order(&last.cards);
        let slots = settled(self.live.fleet_last_hour(now), &items, now);
        let fleet = FleetHour::after(&last.fleet, slots, number);
        let news = changed || !same_services || !same_cards || fleet.changed == number;
        Frame {
            number: if news { number } else { last.number },
            data: if changed || !same_services { number } else { last.data },
            version: Some(version),
            at: now,
            totals: Totals::of(&items),
            items,
            cards,
            card_order: if same_cards { last.card_order } else { number },
            roster,
            fleet,
            json: std::sync::OnceLock::new(),
        }
    }

    /// Makes frames as things change, until `stop`.
    pub(crate) async fn run(&self, stop: CancellationToken) {
        let mut version = self.live.subscribe();
        let mut last = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = version.changed() => if changed.is_err() { return },
                () = sleep_until(last + AT_LEAST_EVERY) => {}
            }
            // Whoever asks gets a fresh one; only streams wait for the next.
            let pause = if self.followers() == 0 { AT_LEAST_EVERY } else { AT_MOST_EVERY };
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep_until(last + pause) => {}
            }
            version.mark_unchanged();
            last = Instant::now();
            drop(self.fresh());
        }
    }
}

/// Shares what is as it was.
fn items(current: Vec<Current>, last: &Frame, number: u64) -> Vec<Arc<Item>> {
    let before: HashMap<&ServiceId, &Arc<Item>> =
        last.items.iter().map(|item| (&item.current.service, item)).collect();
    let item = |current: Current| match before.get(&current.service) {
        Some(item) if item.current == current => Arc::clone(item),
        _ => Arc::new(Item::new(current, number)),
    };
    current.into_iter().map(item).collect()
}

fn item_of<'a>(items: &'a [Arc<Item>], id: &ServiceId) -> Option<&'a Arc<Item>> {
    let index = items.binary_search_by(|item| item.current.service.cmp(id)).ok()?;
    items.get(index)
}

/// Services that ever reported.
fn contenders(items: &[Arc<Item>], now: Timestamp) -> Vec<Contender> {
    let reported = items.iter().filter(|item| item.current.state != State::New);
    reported
        .map(|item| {
            let current = &item.current;
            let silent = current.state == State::Silent;
            let last = current.sampled_at.unwrap_or(now);
            Contender {
                id: current.service.clone(),
                speed: current.total_bytes_per_second(),
                silent_for: silent.then(|| now.as_second().saturating_sub(last.as_second())),
            }
        })
        .collect()
}

/// The slots that have had the time to fill: a sample arrives when its interval
/// is over, and until the slowest one's is, the sum looks like a fall.
fn settled(mut slots: Vec<FleetSlot>, items: &[Arc<Item>], now: Timestamp) -> Vec<FleetSlot> {
    let reports = |item: &&Arc<Item>| matches!(item.current.state, State::Live | State::Idle);
    let intervals = items.iter().filter(reports).filter_map(|item| item.current.interval_seconds);
    let wait = intervals.fold(0.0, f64::max).min(LONGEST_WAIT) + ON_THE_WAY;
    #[allow(clippy::cast_possible_truncation, reason = "two minutes at most")]
    let complete_ms = now.as_millisecond() - (wait * 1000.0) as i64 - FLEET_SLOT_MS;
    let settled = slots.partition_point(|slot| slot.start.as_millisecond() <= complete_ms);
    slots.truncate(settled);
    slots
}

#[cfg(test)]
mod tests {
    use komandorr_collector::live::Volume;

    use super::*;

    fn item(interval_seconds: f64) -> Arc<Item> {
        let current = Current {
            service: ServiceId::new("web-1").unwrap(),
            name: String::new(),
            group: None,
            state: State::Live,
            up_bytes_per_second: None,
            down_bytes_per_second: None,
            up_bytes_total: 0,
            down_bytes_total: 0,
            capacity_bytes_per_second: None,
            utilisation_percent: None,
            cpu_percent: None,
            memory_percent: None,
            sampled_at: None,
            interval_seconds: Some(interval_seconds),
            today: Volume::default(),
            month: Volume::default(),
        };
        Arc::new(Item::new(current, 1))
    }

    #[test]
    fn a_slot_is_shown_once_the_slowest_sample_of_it_is_there() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let slot = |start| FleetSlot {
            start: at(start),
            up_bytes_per_second: 1,
            down_bytes_per_second: 1,
            covered: true,
        };
        let shown = |items: &[Arc<Item>]| {
            let slots = (0..10).map(|i| slot(i * 10)).collect();
            settled(slots, items, at(107)).len()
        };
        assert_eq!(shown(&[]), 10);
        assert_eq!(shown(&[item(5.0)]), 10);
        assert_eq!(shown(&[item(5.0), item(30.0)]), 7);
        assert_eq!(shown(&[item(86_400.0)]), 0);
    }
}
