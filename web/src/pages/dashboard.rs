//! The dashboard: the fleet in four figures, five cards, an hour and a table.

mod fleet;
mod row;
mod summary;
mod table;

use std::{borrow::Cow, sync::Arc};

use askama::Template;
use axum::{
    extract::State,
    http::{HeaderMap, Uri},
};
use jiff::Timestamp;
use komandorr_collector::State as Activity;
use komandorr_wire::ServiceId;
use serde_json::{Map, Value};

use super::{Page, Shell, Tab, Visit, card::CardView, part, render};
use crate::{
    hub::{Card, Frame, Item},
    params::Params,
    peer::Peer,
    site::{Shared, Site},
};
use table::{Column, Pager, Selection, TabLink, Table};

/// After so many seconds the script asks for the page anew, so that the order
/// of the rows follows the traffic.
const REFRESH_SECONDS: u32 = 60;

#[derive(Debug, Template)]
#[template(path = "dashboard.html")]
struct Dashboard<'a> {
    shell: Shell,
    sum: String,
    /// How many services there are.
    all: usize,
    /// Adds the first service from this machine, where that takes no token.
    command: Option<String>,
    cards: Vec<Cow<'a, str>>,
    fleet: &'a str,
    search: &'a str,
    hidden: Vec<(&'static str, String)>,
    tabs: Vec<TabLink>,
    columns: Vec<Column>,
    caption: String,
    rows: Vec<String>,
    nothing: String,
    pager: Pager,
}

/// `GET /`
pub(crate) async fn page(
    State(site): State<Shared>,
    uri: Uri,
    (peer, headers): (Peer, HeaderMap),
    params: Params,
) -> Page {
    let doors = &site.app.agent_doors;
    let frame = site.hub.fresh();
    let selection = Selection::of(&params)?;
    let table = Table::new(&frame.items, &selection);
    let mut shell =
        Shell::new(&Visit { site: &site, uri: &uri, headers: &headers }, "", Some(Tab::Dashboard));
    shell.stream = table.stream(frame.number);
    shell.refresh = REFRESH_SECONDS;
    render(&Dashboard {
        shell,
        sum: summary::html(&site, &frame),
        all: frame.items.len(),
        command: doors
            .is_open_to(peer)
            .then(|| format!("komandorr-agent --url {}", doors.url(peer, &headers))),
        cards: frame.cards.iter().map(|card| card_html(&site, card, frame.at)).collect(),
        fleet: fleet::html(&site, &frame),
        search: selection.search(),
        hidden: selection.hidden(),
        tabs: table.tabs(&frame.items),
        columns: selection.columns(),
        caption: selection.caption(),
        rows: table.rows.iter().map(|item| row::html(&site, item, frame.at)).collect(),
        nothing: selection.nothing(),
        pager: table.pager(),
    })
}

/// A card, drawn once for each of its changes; one that tells an age grows old
/// without any.
fn card_html<'a>(site: &Site, card: &'a Card, now: Timestamp) -> Cow<'a, str> {
    let current = &card.item.current;
    let draw = || part(&CardView::new(&site.clock, current, card.colour, true, now));
    match current.state {
        Activity::Silent => draw().into(),
        Activity::Live | Activity::Idle | Activity::New => card.html.get_or_init(draw).into(),
    }
}

/// The parts of a dashboard that changed since a frame.
pub(crate) fn changes(
    site: &Site,
    frame: &Frame,
    rows: &[ServiceId],
    known: u64,
) -> Map<String, Value> {
    let mut parts = Map::new();
    let mut add = |id: String, html: &str| drop(parts.insert(id, html.into()));
    let items = rows.iter().filter_map(|id| frame.item(id)).filter(|item| item.changed > known);
    for item in items {
        add(format!("row-{}", item.current.service), &row::html(site, item, frame.at));
    }
    let html = |card: &Arc<Card>| card_html(site, card, frame.at).into_owned();
    if frame.card_order > known {
        add("cards".into(), &frame.cards.iter().map(html).collect::<String>());
    } else {
        for card in frame.cards.iter().filter(|card| card.changed > known) {
            add(format!("card-{}", card.item.current.service), &html(card));
        }
    }
    if frame.data > known {
        add("sum".into(), &summary::html(site, frame));
    }
    if frame.fleet.changed > known {
        add("fleet".into(), fleet::html(site, frame));
    }
    parts
}

/// What a list of services is sorted and searched by.
fn name_of(item: &Item) -> &str {
    &item.current.name
}
