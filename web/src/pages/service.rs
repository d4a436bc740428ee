//! A service's own page: its card, its traffic over any range, its interfaces
//! and what a person can change.

mod coverage;
mod edit;
mod figures;
mod history;
mod interfaces;
mod nothing;
mod slots;
mod span;
mod volumes;

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use komandorr_collector::registry::Service;
use komandorr_wire::ServiceId;
use serde_json::{Map, Value};

pub(crate) use edit::{ask_removal, remove, rotate, save};

pub(crate) use volumes::file as volumes_file;

use super::{Link, Shell, Tab, Visit, add, card::CardView, part, render};
use crate::{
    error::Failure,
    hub::Frame,
    params::Params,
    site::{Shared, Site},
};
use edit::Form;
use history::HistoryView;
use interfaces::InterfaceRow;
use span::{OwnRange, Span, SpanLink};
use volumes::VolumesView;

#[derive(Debug, Template)]
#[template(path = "service.html")]
struct ServicePage {
    shell: Shell,
    service: Arc<Service>,
    card: String,
    spans: Vec<SpanLink>,
    own: Option<OwnRange>,
    history: HistoryView,
    volumes: VolumesView,
    interfaces: Vec<InterfaceRow>,
    form: Form,
}

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

/// `GET /services/{id}`
pub(crate) async fn page(
    State(site): State<Shared>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Failure> {
    if let Some(moved) = add::moved(&site, &id) {
        return Ok(moved.into_response());
    }
    let service = site.service(&id)?;
    let form = Form { saved: params.text("saved").is_some(), ..Form::of(&service) };
    let visit = Visit { site: &site, uri: &uri, headers: &headers };
    show(&visit, service, &params, form).await
}

/// The page, with what was typed into its forms and what is wrong with that.
async fn show(
    visit: &Visit<'_>,
    service: Arc<Service>,
    params: &Params,
    form: Form,
) -> Result<Response, Failure> {
    let site = visit.site;
    let now = Timestamp::now();
    let frame = site.hub.fresh();
    let path = format!("/services/{}", service.id);
    let begins = site.app.reader.begins(&service.id).await?;
    let (span, wrong) = Span::or_last_day(params, &site.clock, begins, now)?;
    let unit = volumes::unit(params)?;
    let page = volumes::Page::of(params, unit, begins, now)?;
    let refused = wrong.is_some() || !form.wrong.is_empty();
    let history = history::view(site, &service, &span, unit, begins, now);
    let volumes = volumes::view(site, &service.id, &span, &page, now);
    let (history, volumes) = tokio::try_join!(history, volumes)?;
    let mut shell = Shell::new(visit, &service.name, Some(Tab::Dashboard));
    shell.stream = Link::to("/api/traffic/stream")
        .with("view", "service")
        .with("service", &service.id)
        .with("since", frame.number)
        .to_string();
    // What is wrong with the form, and what was typed, would be gone with the first one.
    shell.refresh = if refused { 0 } else { span.refresh_seconds() };
    let page = render(&ServicePage {
        shell,
        card: card(site, &frame, &service.id),
        spans: span.links(&path, unit),
        own: span.form(params, &site.clock, unit, wrong),
        history,
        volumes,
        interfaces: interfaces::rows(&site.app.live.interfaces(&service.id)),
        form,
        service,
    })?;
    let status = if refused { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok((status, page).into_response())
}

fn card(site: &Site, frame: &Frame, id: &ServiceId) -> String {
    let colour = frame.colour(id).unwrap_or(1);
    let view = |item: &Arc<crate::hub::Item>| {
        part(&CardView::new(&site.clock, &item.current, colour, false, frame.at))
    };
    frame.item(id).map(view).unwrap_or_default()
}

/// The parts of a service's page that changed since a frame.
pub(crate) fn changes(
    site: &Site,
    frame: &Frame,
    id: &ServiceId,
    known: u64,
) -> Map<String, Value> {
    let mut parts = Map::new();
    if frame.item(id).is_some_and(|item| item.changed > known) {
        parts.insert(format!("card-{id}"), card(site, frame, id).into());
        // The page that added the service waits for this.
        if frame.item(id).is_some_and(|item| item.current.sampled_at.is_some()) {
            parts.insert(format!("wait-{id}"), add::arrival(id, true).into());
        }
        let rows = interfaces::rows(&site.app.live.interfaces(id));
        // The page says in words where there are none.
        if !rows.is_empty() {
            parts.insert("interfaces".into(), part(&interfaces::Table { rows: &rows }).into());
        }
    }
    parts
}

/// A service by the id in a path, checked.
fn known(site: &Site, id: &str) -> Result<(ServiceId, Arc<Service>), Failure> {
    let service = site.service(id)?;
    Ok((service.id.clone(), service))
}
