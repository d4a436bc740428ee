//! `/api/readers`, `/api/tokens` and `/api/password`: who else is let in.

use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use komandorr_collector::registry::{Credential, RegistryError, Role, Token};
use komandorr_wire::ServiceId;
use serde::{Deserialize, Serialize};

use crate::{
    access::{Visitor, credential_name, new_password, password},
    error::Failure,
    peer::Peer,
    site::{Shared, Site},
};

/// A reader's credential, without its token.
#[derive(Debug, Serialize)]
pub(crate) struct Reader {
    name: String,
    /// The only service that it reads; `null`: all.
    service: Option<ServiceId>,
    created_at: Timestamp,
}

/// What a script may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scope {
    /// Read everything.
    Read,
    /// Read and change everything.
    Manage,
}

/// A script's token, without the token itself.
#[derive(Debug, Serialize)]
pub(crate) struct Script {
    name: String,
    scope: Scope,
    created_at: Timestamp,
}

/// Something with its token, shown this once.
#[derive(Debug, Serialize)]
pub(crate) struct Made<T> {
    #[serde(flatten)]
    made: T,
    token: String,
}

/// A reader to be made.
#[derive(Debug, Deserialize)]
pub(crate) struct NewReader {
    name: String,
    service: Option<String>,
}

/// A script's token to be made.
#[derive(Debug, Deserialize)]
pub(crate) struct NewScript {
    name: String,
    #[serde(default = "reading")]
    scope: Scope,
}

fn reading() -> Scope {
    Scope::Read
}

/// The administrator's new password.
#[derive(Debug, Deserialize)]
pub(crate) struct NewPassword {
    password: String,
    /// The present one; the operator on this machine need not know it.
    current: Option<String>,
}

/// A body that says in JSON what is wrong with it.
type Given<T> = Result<Json<T>, JsonRejection>;

fn read<T>(body: Given<T>) -> Result<T, Failure> {
    body.map(|Json(body)| body).map_err(|rejection| {
        Failure::new(rejection.status(), "invalid_body", rejection.body_text())
    })
}

impl Reader {
    pub(crate) fn of(site: &Site, credential: Credential) -> Self {
        let service = credential.service_no.and_then(|number| site.app.registry.by_number(number));
        Self {
            name: credential.name,
            service: service.map(|service| service.id.clone()),
            created_at: credential.created_at,
        }
    }
}

impl From<Credential> for Script {
    fn from(credential: Credential) -> Self {
        let scope = match credential.role {
            Role::ApiManage => Scope::Manage,
            _ => Scope::Read,
        };
        Self { name: credential.name, scope, created_at: credential.created_at }
    }
}

/// 201 with the token of what has just been made.
fn made<T: Serialize>(made: Option<T>, token: &Token) -> Result<Response, Failure> {
    let made = made.ok_or_else(Failure::internal)?;
    let answer = Made { made, token: token.expose().to_owned() };
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

fn unknown(error: RegistryError, what: &str) -> Failure {
    match error {
        RegistryError::Unknown(name) => {
            let message = format!("there is no {what} \"{name}\"");
            Failure::new(StatusCode::NOT_FOUND, "not_found", message)
        }
        error => error.into(),
    }
}

/// `GET /api/readers`
pub(crate) async fn readers(State(site): State<Shared>) -> Json<Vec<Reader>> {
    let readers = site.app.registry.readers().into_iter();
    Json(readers.map(|credential| Reader::of(&site, credential)).collect())
}

/// `POST /api/readers`
pub(crate) async fn create_reader(
    State(site): State<Shared>,
    body: Given<NewReader>,
) -> Result<Response, Failure> {
    let body = read(body)?;
    let name = credential_name(&body.name)?;
    let service = body.service.map(|id| site.service(&id)).transpose()?;
    let (target, id) = (name.clone(), service.map(|service| service.id.clone()));
    let token = site.change(move |app| app.registry.create_reader(&target, id.as_ref())).await??;
    let reader = site.app.registry.readers().into_iter().find(|reader| reader.name == name);
    made(reader.map(|credential| Reader::of(&site, credential)), &token)
}

/// `DELETE /api/readers/{name}`
pub(crate) async fn remove_reader(
    State(site): State<Shared>,
    Path(name): Path<String>,
) -> Result<StatusCode, Failure> {
    let removed = site.change(move |app| app.registry.remove_reader(&name)).await?;
    removed.map_err(|error| unknown(error, "reader"))?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/tokens`
pub(crate) async fn scripts(State(site): State<Shared>) -> Json<Vec<Script>> {
    Json(site.app.registry.scripts().into_iter().map(Script::from).collect())
}

/// `POST /api/tokens`
pub(crate) async fn create_script(
    State(site): State<Shared>,
    body: Given<NewScript>,
) -> Result<Response, Failure> {
    let body = read(body)?;
    let (name, manages) = (credential_name(&body.name)?, body.scope == Scope::Manage);
    let target = name.clone();
    let token = site.change(move |app| app.registry.create_script(&target, manages)).await??;
    let script = site.app.registry.scripts().into_iter().find(|script| script.name == name);
    made(script.map(Script::from), &token)
}

/// `DELETE /api/tokens/{name}`
pub(crate) async fn remove_script(
    State(site): State<Shared>,
    Path(name): Path<String>,
) -> Result<StatusCode, Failure> {
    let removed = site.change(move |app| app.registry.remove_script(&name)).await?;
    removed.map_err(|error| unknown(error, "token"))?;
    Ok(StatusCode::NO_CONTENT)
}

/// `PUT /api/password`: sets the administrator's password; all sessions end.
pub(crate) async fn set_password(
    State(site): State<Shared>,
    visitor: Visitor,
    axum::Extension(peer): axum::Extension<Peer>,
    body: Given<NewPassword>,
) -> Result<StatusCode, Failure> {
    let body = read(body)?;
    let password = new_password(&body.password)?;
    let current = body.current.unwrap_or_default();
    password::prove(&site, &visitor, peer.address.ip(), &current).await?;
    site.change(move |app| app.registry.set_password(&password)).await??;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /api/sessions`: logs out every browser.
pub(crate) async fn end_sessions(State(site): State<Shared>) -> Result<StatusCode, Failure> {
    site.change(|app| app.registry.close_all_sessions()).await??;
    Ok(StatusCode::NO_CONTENT)
}
