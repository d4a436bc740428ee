//! One moment of everything that is live.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use komandorr_collector::{Current, live::FleetSlot};
use komandorr_wire::ServiceId;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Totals, item_of};

/// A service in a frame, shared by all frames between two of its changes.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) current: Current,
    /// Number of the frame in which it changed.
    pub(crate) changed: u64,
    /// What of its table row does not age, once somebody asked for it.
    pub(crate) cells: OnceLock<String>,
}

/// One of the five cards.
#[derive(Debug)]
pub(crate) struct Card {
    pub(crate) item: Arc<Item>,
    /// 1 to 5.
    pub(crate) colour: u8,
    pub(crate) changed: u64,
    pub(crate) html: OnceLock<String>,
}

/// The fleet's last hour and its chart.
#[derive(Debug)]
pub(crate) struct FleetHour {
    pub(crate) slots: Vec<FleetSlot>,
    pub(crate) changed: u64,
    pub(crate) html: OnceLock<String>,
}

/// One moment.
#[derive(Debug)]
pub(crate) struct Frame {
    /// Grows with every change of anything.
    pub(crate) number: u64,
    /// Number of the frame in which a service last changed.
    pub(crate) data: u64,
    /// The live state's version of which it is; `None`: nothing read yet.
    pub(crate) version: Option<u64>,
    pub(crate) at: Timestamp,
    /// In the order of ids.
    pub(crate) items: Vec<Arc<Item>>,
    pub(crate) totals: Totals,
    pub(crate) cards: Vec<Arc<Card>>,
    /// Number of the frame in which cards came, went or moved.
    pub(crate) card_order: u64,
    /// Number of the frame in which services came, went or were renamed.
    pub(crate) roster: u64,
    pub(crate) fleet: Arc<FleetHour>,
    pub(super) json: OnceLock<String>,
}

/// What goes on now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CurrentAnswer<'a> {
    /// The moment of which this is.
    #[schema(value_type = String, format = DateTime)]
    as_of: Timestamp,
    /// Their sums.
    totals: Totals,
    /// In the order of ids.
    services: Vec<&'a Current>,
}

impl Item {
    pub(super) fn new(current: Current, changed: u64) -> Self {
        Self { current, changed, cells: OnceLock::new() }
    }

    /// Whether lists show it at the same place under the same name.
    pub(super) fn is_listed_like(&self, other: &Self) -> bool {
        let (a, b) = (&self.current, &other.current);
        a.service == b.service && a.name == b.name && a.group == b.group
    }
}

impl Card {
    /// The card of a service, the former one where nothing changed.
    pub(super) fn after(item: &Arc<Item>, colour: u8, last: &Frame, number: u64) -> Arc<Self> {
        let same = |card: &&Arc<Self>| Arc::ptr_eq(&card.item, item) && card.colour == colour;
        let fresh =
            || Self { item: Arc::clone(item), colour, changed: number, html: OnceLock::new() };
        last.cards.iter().find(same).cloned().unwrap_or_else(|| Arc::new(fresh()))
    }
}

impl FleetHour {
    pub(super) fn after(last: &Arc<Self>, slots: Vec<FleetSlot>, number: u64) -> Arc<Self> {
        // Late samples still fill the newest slots; older ones rarely change,
        // and then wait for the next slot.
        if slots.last().map(|slot| slot.start) == last.slots.last().map(|slot| slot.start) {
            return Arc::clone(last);
        }
        Arc::new(Self { slots, changed: number, html: OnceLock::new() })
    }
}

impl Frame {
    pub(super) fn empty(number: u64) -> Self {
        let fleet = FleetHour { slots: Vec::new(), changed: number, html: OnceLock::new() };
        Self {
            number,
            data: number,
            version: None,
            at: Timestamp::UNIX_EPOCH,
            items: Vec::new(),
            totals: Totals::default(),
            cards: Vec::new(),
            card_order: number,
            roster: number,
            fleet: Arc::new(fleet),
            json: OnceLock::new(),
        }
    }

    /// A service of this moment.
    pub(crate) fn item(&self, id: &ServiceId) -> Option<&Arc<Item>> {
        item_of(&self.items, id)
    }

    /// The card's colour of a service that is among the five.
    pub(crate) fn colour(&self, id: &ServiceId) -> Option<u8> {
        self.cards.iter().find(|card| card.item.current.service == *id).map(|card| card.colour)
    }

    /// `/api/traffic/current` as JSON; made once for all who ask.
    pub(crate) fn json(&self) -> &str {
        self.json.get_or_init(|| self.answer(self.totals, self.items.iter()))
    }

    /// The same for one service; whoever may see only this one sees no sums of
    /// the others either.
    pub(crate) fn json_of(&self, id: &ServiceId) -> Option<String> {
        let item = self.item(id)?;
        Some(self.answer(Totals::of(std::slice::from_ref(item)), [item].into_iter()))
    }

    fn answer<'a>(&self, totals: Totals, items: impl Iterator<Item = &'a Arc<Item>>) -> String {
        let answer = CurrentAnswer {
            as_of: self.at,
            totals,
            services: items.map(|item| &item.current).collect(),
        };
        // Plain numbers and texts: this cannot fail.
        serde_json::to_string(&answer).unwrap_or_default()
    }
}
