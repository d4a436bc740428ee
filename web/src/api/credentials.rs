//! `/api/readers`, `/api/tokens` and `/api/password`: who else is let in.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use jiff::Timestamp;
use komandorr_collector::registry::{Credential, RegistryError, Role};
use komandorr_wire::ServiceId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Given;
use crate::{
    access::{Visitor, credential_name, new_password, password},
    error::{ErrorAnswer, Failure},
    params::{PageParams, Params},
    peer::Peer,
    site::{Shared, Site},
};

/// A reader's credential, without its token.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Reader {
    /// Its name, and its user name for MQTT.
    #[schema(example = "home-assistant")]
    name: String,
    /// The only service that it reads; `null`: all.
    #[schema(value_type = Option<String>, required, example = "edge-fra-01")]
    service: Option<ServiceId>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// What a script may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scope {
    /// Read everything.
    Read,
    /// Read and change everything.
    Manage,
}

/// A script's token, without the token itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Script {
    /// Its name.
    #[schema(example = "billing")]
    name: String,
    /// What it may do.
    scope: Scope,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// A reader that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MadeReader {
    #[serde(flatten)]
    reader: Reader,
    /// Shown this once.
    token: String,
}

/// A script's token that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MadeScript {
    #[serde(flatten)]
    script: Script,
    /// Shown this once.
    token: String,
}

/// A reader to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewReader {
    /// Its name: letters, digits, `-`, `_`, `.` and `@`.
    #[schema(pattern = "^ *[A-Za-z0-9][A-Za-z0-9._@-]{0,63} *$", example = "home-assistant")]
    name: String,
    /// The only service that it may read; without it all.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", example = "edge-fra-01")]
    service: Option<String>,
}

/// A script's token to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewScript {
    /// Its name: letters, digits, `-`, `_`, `.` and `@`.
    #[schema(pattern = "^ *[A-Za-z0-9][A-Za-z0-9._@-]{0,63} *$", example = "billing")]
    name: String,
    /// What it may do; without it `read`.
    #[serde(default = "reading")]
    scope: Scope,
}

fn reading() -> Scope {
    Scope::Read
}

/// The administrator's new password.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewPassword {
    /// The new one.
    #[schema(min_length = 8, max_length = 1000, example = "a-long-sentence-of-yours")]
    password: String,
    /// The present one; the operator on this machine need not know it.
    #[schema(example = "the-one-before")]
    current: Option<String>,
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

    /// The one of a name, which has just been made.
    fn named(site: &Site, name: &str) -> Result<Self, Failure> {
        let made = site.app.registry.readers().into_iter().find(|reader| reader.name == name);
        made.map(|credential| Self::of(site, credential)).ok_or_else(Failure::internal)
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

fn unknown(error: RegistryError, what: &str) -> Failure {
    match error {
        RegistryError::Unknown(name) => {
            let message = format!("there is no {what} \"{name}\"");
            Failure::new(StatusCode::NOT_FOUND, "not_found", message)
        }
        error => error.into(),
    }
}

/// Credentials in the order of their names.
fn sorted(mut credentials: Vec<Credential>) -> Vec<Credential> {
    credentials.sort_by(|a, b| a.name.cmp(&b.name));
    credentials
}

/// All readers: who may read over MQTT and over the API.
#[utoipa::path(
    get, path = "/api/readers/", tag = "Access", operation_id = "readers",
    params(PageParams),
    responses((status = 200, description = "The readers, without their tokens", body = Vec<Reader>,
        headers(("link" = String, description = "Where the next page is, if there is one"))))
)]
pub(crate) async fn readers(
    State(site): State<Shared>,
    params: Params,
) -> Result<Response, Failure> {
    let page = params.page()?;
    let (readers, last) = page.cut(sorted(site.app.registry.readers()), |one| one.name.clone());
    let readers: Vec<_> = readers.into_iter().map(|one| Reader::of(&site, one)).collect();
    Ok(page.answer("/api/readers/", &readers, last.as_deref()))
}

/// Makes a reader, and its token.
#[utoipa::path(
    post, path = "/api/readers/", tag = "Access", operation_id = "make_reader",
    request_body(content = NewReader),
    responses(
        (status = 201, description = "It is made; the token is shown this once", body = MadeReader),
        (status = 409, description = "The name is taken", body = ErrorAnswer),
    )
)]
pub(crate) async fn create_reader(
    State(site): State<Shared>,
    Given(body): Given<NewReader>,
) -> Result<(StatusCode, Json<MadeReader>), Failure> {
    let name = credential_name(&body.name)?;
    let service = body.service.map(|id| site.service(&id)).transpose()?;
    let (target, id) = (name.clone(), service.map(|service| service.id.clone()));
    let token = site.change(move |app| app.registry.create_reader(&target, id.as_ref())).await??;
    let (reader, token) = (Reader::named(&site, &name)?, token.expose().to_owned());
    Ok((StatusCode::CREATED, Json(MadeReader { reader, token })))
}

/// Removes a reader; its token stops at once.
#[utoipa::path(
    delete, path = "/api/readers/{name}", tag = "Access", operation_id = "remove_reader",
    params(("name" = String, Path, description = "Its name", example = "home-assistant")),
    responses((status = 204, description = "It is gone"))
)]
pub(crate) async fn remove_reader(
    State(site): State<Shared>,
    Path(name): Path<String>,
) -> Result<StatusCode, Failure> {
    let removed = site.change(move |app| app.registry.remove_reader(&name)).await?;
    removed.map_err(|error| unknown(error, "reader"))?;
    Ok(StatusCode::NO_CONTENT)
}

/// All tokens of scripts.
#[utoipa::path(
    get, path = "/api/tokens/", tag = "Access", operation_id = "tokens",
    params(PageParams),
    responses((status = 200, description = "What each may do, without the tokens", body = Vec<Script>,
        headers(("link" = String, description = "Where the next page is, if there is one"))))
)]
pub(crate) async fn scripts(
    State(site): State<Shared>,
    params: Params,
) -> Result<Response, Failure> {
    let page = params.page()?;
    let (scripts, last) = page.cut(sorted(site.app.registry.scripts()), |one| one.name.clone());
    let scripts: Vec<_> = scripts.into_iter().map(Script::from).collect();
    Ok(page.answer("/api/tokens/", &scripts, last.as_deref()))
}

/// Makes a token for a script.
#[utoipa::path(
    post, path = "/api/tokens/", tag = "Access", operation_id = "make_token",
    request_body(content = NewScript),
    responses(
        (status = 201, description = "It is made; the token is shown this once", body = MadeScript),
        (status = 409, description = "The name is taken", body = ErrorAnswer),
    )
)]
pub(crate) async fn create_script(
    State(site): State<Shared>,
    Given(body): Given<NewScript>,
) -> Result<(StatusCode, Json<MadeScript>), Failure> {
    let (name, manages) = (credential_name(&body.name)?, body.scope == Scope::Manage);
    let target = name.clone();
    let token = site.change(move |app| app.registry.create_script(&target, manages)).await??;
    let script = site.app.registry.scripts().into_iter().find(|script| script.name == name);
    let script = script.map(Script::from).ok_or_else(Failure::internal)?;
    Ok((StatusCode::CREATED, Json(MadeScript { script, token: token.expose().to_owned() })))
}

/// Removes a script's token, which stops at once.
#[utoipa::path(
    delete, path = "/api/tokens/{name}", tag = "Access", operation_id = "remove_token",
    params(("name" = String, Path, description = "Its name", example = "billing")),
    responses((status = 204, description = "It is gone"))
)]
pub(crate) async fn remove_script(
    State(site): State<Shared>,
    Path(name): Path<String>,
) -> Result<StatusCode, Failure> {
    let removed = site.change(move |app| app.registry.remove_script(&name)).await?;
    removed.map_err(|error| unknown(error, "token"))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sets the administrator's password; all sessions end.
#[utoipa::path(
    put, path = "/api/password", tag = "Access", operation_id = "set_password",
    request_body(content = NewPassword),
    responses((status = 204, description = "It is set"))
)]
pub(crate) async fn set_password(
    State(site): State<Shared>,
    visitor: Visitor,
    axum::Extension(peer): axum::Extension<Peer>,
    Given(body): Given<NewPassword>,
) -> Result<StatusCode, Failure> {
    let password = new_password(&body.password)?;
    let current = body.current.unwrap_or_default();
    password::prove(&site, &visitor, peer.address.ip(), &current).await?;
    site.change(move |app| app.registry.set_password(&password)).await??;
    Ok(StatusCode::NO_CONTENT)
}

/// Signs out every browser.
#[utoipa::path(
    delete, path = "/api/sessions", tag = "Access", operation_id = "end_sessions",
    responses((status = 204, description = "All sessions have ended"))
)]
pub(crate) async fn end_sessions(State(site): State<Shared>) -> Result<StatusCode, Failure> {
    site.change(|app| app.registry.close_all_sessions()).await??;
    Ok(StatusCode::NO_CONTENT)
}
