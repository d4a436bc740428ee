//! What a person can change: details, token, and whether it is there at all.

use std::{sync::Arc, time::Duration};

use askama::Template;
use axum::{
    extract::{Path, State},
    http::{HeaderMap, Uri},
    response::{IntoResponse, Redirect, Response},
};
use komandorr_collector::registry::{Service, ServiceDetails};
use serde::Deserialize;

use super::{known, show};
use crate::{
    error::Failure,
    pages::{
        Page, Shell, Visit,
        add::{self, Commands},
        form::Wrong,
        render,
    },
    params::Params,
    peer::Peer,
    site::Shared,
    units::{Capacity, Volume},
};

/// The form of details as it was typed.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Form {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) group: String,
    #[serde(default)]
    pub(super) capacity: String,
    /// A box that is not checked is not sent.
    #[serde(default)]
    pub(super) undoubled: bool,
    #[serde(skip)]
    pub(super) wrong: Wrong,
    #[serde(skip)]
    pub(super) saved: bool,
}

/// Asks before a service is removed.
#[derive(Debug, Template)]
#[template(path = "remove.html")]
struct RemovePage {
    shell: Shell,
    service: Arc<Service>,
    volume: Volume,
    /// Since when it was counted.
    since: String,
}

/// A new token, once.
#[derive(Debug, Template)]
#[template(path = "token.html")]
struct TokenPage {
    shell: Shell,
    service: Arc<Service>,
    commands: Commands,
}

impl Form {
    pub(super) fn of(service: &Service) -> Self {
        Self {
            name: service.name.clone(),
            group: service.group.clone().unwrap_or_default(),
            capacity: shown(service.capacity_bytes_per_second),
            undoubled: service.max_bandwidth_undoubled,
            ..Self::default()
        }
    }

    /// The details that were typed; what is wrong is noted.
    fn details(&mut self, old: &Service) -> Option<ServiceDetails> {
        let name = self.wrong.text("name", &self.name);
        let group = self.wrong.text("group", &self.group);
        let capacity = capacity(self.capacity.trim(), old).unwrap_or_else(|error| {
            self.wrong.note("capacity", error);
            None
        });
        self.wrong.is_empty().then(|| ServiceDetails {
            name,
            group: Some(group).filter(|group| !group.is_empty()),
            kind: old.kind.clone(),
            url: old.url.clone(),
            description: old.description.clone(),
            icon: old.icon.clone(),
            capacity_bytes_per_second: capacity,
            max_bandwidth_undoubled: self.undoubled,
        })
    }
}

/// A capacity as the form shows it, in two decimals.
fn shown(capacity: Option<u64>) -> String {
    capacity.map(|capacity| Capacity(capacity).to_string()).unwrap_or_default()
}

/// The capacity that was typed. What stands there as it was shown is as it was:
/// its two decimals are not all of it.
fn capacity(typed: &str, old: &Service) -> Result<Option<u64>, String> {
    if typed == shown(old.capacity_bytes_per_second) {
        return Ok(old.capacity_bytes_per_second);
    }
    let capacity = (!typed.is_empty()).then(|| komandorr_config::units::parse_bandwidth(typed));
    capacity.transpose().map_err(|error| error.to_string())
}

/// `POST /services/{id}`: takes the form, or shows it again with what is wrong.
pub(crate) async fn save(
    State(site): State<Shared>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    params: Params,
    axum::Form(mut form): axum::Form<Form>,
) -> Result<Response, Failure> {
    if let Some(moved) = add::moved(&site, &id) {
        return Ok(moved.into_response());
    }
    let (id, service) = known(&site, &id)?;
    if let Some(details) = form.details(&service) {
        let target = id.clone();
        site.change(move |app| app.registry.update(&target, details)).await??;
        return Ok(Redirect::to(&format!("/services/{id}?saved=1#details")).into_response());
    }
    let visit = Visit { site: &site, uri: &uri, headers: &headers };
    show(&visit, service, &params, form).await
}

/// `POST /services/{id}/token`
pub(crate) async fn rotate(
    State(site): State<Shared>,
    Path(id): Path<String>,
    uri: Uri,
    (peer, headers): (Peer, HeaderMap),
) -> Page {
    let (id, service) = known(&site, &id)?;
    let rotate = move |app: &crate::App| app.registry.rotate_token(&id, Duration::ZERO);
    let token = site.change(rotate).await??;
    let visit = Visit { site: &site, uri: &uri, headers: &headers };
    let mut shell = Shell::new(&visit, "New token", None);
    // This address takes forms alone.
    shell.back = format!("/services/{}", service.id);
    let commands = add::commands(&site, (peer, &headers), &service.id, token.expose());
    render(&TokenPage { shell, service, commands })
}

/// `GET /services/{id}/remove`
pub(crate) async fn ask_removal(
    State(site): State<Shared>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Page {
    let (id, service) = known(&site, &id)?;
    let shell = Shell::new(&Visit { site: &site, uri: &uri, headers: &headers }, "Remove", None);
    let current = site.app.live.one(&id, jiff::Timestamp::now());
    let begins = site.app.reader.begins(&id).await?.unwrap_or(service.created_at);
    let since = site.clock.date(begins);
    let bytes = current.map_or(0, |now| now.up_bytes_total.saturating_add(now.down_bytes_total));
    render(&RemovePage { shell, service, volume: Volume::new(bytes), since })
}

/// `POST /services/{id}/remove`
pub(crate) async fn remove(
    State(site): State<Shared>,
    Path(id): Path<String>,
) -> Result<Redirect, Failure> {
    let (id, _) = known(&site, &id)?;
    site.change(move |app| app.registry.remove(&id)).await??;
    Ok(Redirect::to("/"))
}
