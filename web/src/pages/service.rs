//! A service's own page.

use serde_json::{Map, Value};

use komandorr_wire::ServiceId;

use super::{card::CardView, part};
use crate::{hub::Frame, site::Site};

/// A mark with its words in a chart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mark {
    pub(crate) class: &'static str,
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) text_y: f64,
    pub(crate) left: bool,
    pub(crate) label: String,
}

/// The parts of a service's page that changed since a frame.
pub(crate) fn changes(_: &Site, frame: &Frame, id: &ServiceId, known: u64) -> Map<String, Value> {
    let mut parts = Map::new();
    if let Some(item) = frame.item(id).filter(|item| item.changed > known) {
        let colour = frame.colour(id).unwrap_or(1);
        let card = part(&CardView::new(&item.current, colour, false, frame.at));
        parts.insert(format!("card-{id}"), card.into());
    }
    parts
}
