//! Logging in and out.

use askama::Template;
use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Redirect, Response},
};
use komandorr_collector::registry::ADMIN;
use serde::Deserialize;

use super::{Link, Page, Shell, Visit, render};
use crate::{
    access::{Visitor, password, session},
    error::Failure,
    params::Params,
    peer::Peer,
    site::Shared,
    theme::own_path,
};

/// The form as it was typed.
#[derive(Debug, Deserialize)]
pub(crate) struct Form {
    #[serde(default)]
    name: String,
    #[serde(default)]
    password: String,
    /// Where the visitor was going.
    #[serde(default)]
    next: String,
    /// Why it did not work.
    #[serde(skip)]
    error: Option<String>,
}

#[derive(Debug, Template)]
#[template(path = "login.html")]
struct LoginPage {
    shell: Shell,
    form: Form,
}

/// `GET /login`
pub(crate) async fn page(
    State(site): State<Shared>,
    visitor: Option<Extension<Visitor>>,
    uri: Uri,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Failure> {
    let next = own_path(params.text("next").unwrap_or_default()).to_owned();
    if visitor.is_some() {
        return Ok(Redirect::to(&next).into_response());
    }
    let form = Form { name: ADMIN.into(), password: String::new(), next, error: None };
    let visit = Visit { site: &site, uri: &uri, headers: &headers };
    Ok(show(&visit, form)?.into_response())
}

fn show(visit: &Visit<'_>, form: Form) -> Page {
    let mut shell = Shell::new(visit, "Log in", None);
    shell.bare = true;
    shell.stream = String::new();
    // The form answers under the same address as it is asked for.
    shell.back = Link::to("/login").with("next", &form.next).to_string();
    render(&LoginPage { shell, form })
}

/// `POST /login`: on to where the visitor was going, or the form again.
pub(crate) async fn enter(
    State(site): State<Shared>,
    peer: Peer,
    uri: Uri,
    headers: HeaderMap,
    axum::Form(mut form): axum::Form<Form>,
) -> Result<Response, Failure> {
    let (name, how) = (form.name.trim().to_owned(), password::Shown::Form);
    let looked = password::is_admin(&site, how, peer.address.ip(), &name, &form.password).await;
    let failure = match looked {
        Ok(true) => {
            let mut answer = Redirect::to(own_path(&form.next)).into_response();
            session::begin(&site, peer, &headers, &mut answer).await?;
            return Ok(answer);
        }
        Ok(false) => {
            Failure::new(StatusCode::UNAUTHORIZED, "wrong_credentials", "name or password is wrong")
        }
        Err(failure) => failure,
    };
    form.error = Some(failure.message.clone());
    form.password.clear();
    form.next = own_path(&form.next).to_owned();
    let visit = Visit { site: &site, uri: &uri, headers: &headers };
    let mut answer = (failure.status, show(&visit, form)?).into_response();
    failure.head(&mut answer);
    Ok(answer)
}

/// `POST /logout`: ends this browser's session.
pub(crate) async fn leave(
    State(site): State<Shared>,
    peer: Peer,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    if let Some(session) = session::of(&site, &headers) {
        site.change(move |app| app.registry.close_session(&session.hash)).await??;
    }
    let mut answer = Redirect::to("/login").into_response();
    session::forget(peer, &mut answer);
    Ok(answer)
}
