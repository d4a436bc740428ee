//! `/api/readers`, `/api/tokens` and `/api/password`: who else is let in.

mod kinds;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use komandorr_collector::registry::{Credential, RegistryError};

use super::body::Given;
use crate::{
    access::{Visitor, credential_name, new_password, password},
    error::{ErrorAnswer, Failure},
    params::{PageParams, Params},
    peer::Peer,
    site::Shared,
};
use kinds::{MadeReader, MadeScript, NewPassword, NewReader, NewScript, Scope};
pub(crate) use kinds::{Reader, Script};

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
    peer: Peer,
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
