//! Adding a service: an id and a name in, a token and ready commands out.

mod recipes;

use askama::Template;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Redirect, Response},
};
use komandorr_collector::registry::{RegistryError, ServiceDetails};
use komandorr_wire::ServiceId;
use serde::Deserialize;

pub(crate) use recipes::{Commands, commands};

use super::{Link, Page, Shell, Visit, form::Wrong, part, render};
use crate::{
    error::Failure,
    peer::Peer,
    site::{Shared, Site},
};

/// Where the form lies.
pub(crate) const PATH: &str = "/add";
/// Where it lay before, below `/services/`: like a service of that id.
const FORMER: &str = "new";

/// The form as it was typed.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Form {
    #[serde(default)]
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    group: String,
    #[serde(skip)]
    wrong: Wrong,
}

#[derive(Debug, Template)]
#[template(path = "add.html")]
struct AddPage {
    shell: Shell,
    form: Form,
    /// Once the service is made.
    made: Option<(ServiceId, Commands)>,
}

/// Tells that the first sample of a new service is there.
#[derive(Debug, Template)]
#[template(path = "arrived.html")]
struct Arrived<'a> {
    id: &'a ServiceId,
    arrived: bool,
}

/// `GET /add`
pub(crate) async fn page(State(site): State<Shared>, uri: Uri, headers: HeaderMap) -> Page {
    let shell =
        Shell::new(&Visit { site: &site, uri: &uri, headers: &headers }, "Add a service", None);
    render(&AddPage { shell, form: Form::default(), made: None })
}

/// `POST /add`
pub(crate) async fn create(
    State(site): State<Shared>,
    uri: Uri,
    (peer, headers): (Peer, HeaderMap),
    axum::Form(mut form): axum::Form<Form>,
) -> Result<Response, Failure> {
    let mut shell =
        Shell::new(&Visit { site: &site, uri: &uri, headers: &headers }, "Add a service", None);
    let made = match form.details() {
        Some((id, details)) => make(&site, (peer, &headers), id, details, &mut form.wrong).await?,
        None => None,
    };
    let Some((id, commands)) = made else {
        let page = render(&AddPage { shell, form, made: None })?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    };
    shell.stream =
        Link::to("/api/traffic/stream").with("view", "service").with("service", &id).to_string();
    Ok(render(&AddPage { shell, form, made: Some((id, commands)) })?.into_response())
}

/// Leads from the form's former address to it, with what was sent, as long as
/// no service is called so.
pub(crate) fn moved(site: &Site, id: &str) -> Option<Redirect> {
    let moved = id == FORMER && site.app.registry.get(id).is_none();
    moved.then(|| Redirect::temporary(PATH))
}

impl Form {
    /// What was typed; what is wrong is noted.
    fn details(&mut self) -> Option<(ServiceId, ServiceDetails)> {
        let name = self.wrong.text("name", &self.name);
        let group = Some(self.wrong.text("group", &self.group)).filter(|group| !group.is_empty());
        let id = ServiceId::new(self.id.trim());
        let id = id.map_err(|error| self.wrong.note("id", error.to_string())).ok()?;
        let details = ServiceDetails { name, group, ..ServiceDetails::default() };
        self.wrong.is_empty().then_some((id, details))
    }
}

/// Registers it; where the id is taken that is noted.
async fn make(
    site: &Shared,
    from: (Peer, &HeaderMap),
    id: ServiceId,
    details: ServiceDetails,
    wrong: &mut Wrong,
) -> Result<Option<(ServiceId, Commands)>, Failure> {
    let target = id.clone();
    match site.change(move |app| app.registry.create(&target, details)).await? {
        Ok((_, token)) => {
            let commands = commands(site, from, &id, token.expose());
            Ok(Some((id, commands)))
        }
        Err(error @ RegistryError::Exists(_)) => {
            wrong.note("id", error.to_string());
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// What is said while the first sample is awaited, and once it came.
pub(crate) fn arrival(id: &ServiceId, arrived: bool) -> String {
    part(&Arrived { id, arrived })
}
