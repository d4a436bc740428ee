//! The forms of the page about access.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Redirect, Response},
};
use komandorr_collector::registry::{RegistryError, Token};
use serde::Deserialize;

use super::{Form, News, show};
use crate::{
    App,
    access::{Visitor, credential_name, new_password, password, session},
    error::Failure,
    pages::Visit,
    peer::Peer,
    site::Shared,
};

/// A credential to be made or removed.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Named {
    #[serde(default)]
    pub(super) name: String,
    /// The only service of a reader; empty: all.
    #[serde(default)]
    pub(super) service: String,
    /// `manage`, or what else a script may.
    #[serde(default)]
    pub(super) scope: String,
}

/// A session to be ended.
#[derive(Debug, Deserialize)]
pub(crate) struct Ended {
    hash: String,
}

/// A password to be changed.
#[derive(Debug, Deserialize)]
pub(crate) struct Passwords {
    #[serde(default)]
    current: String,
    #[serde(default)]
    password: String,
}

/// Who sent a form, and how.
struct Sender {
    site: Shared,
    visitor: Visitor,
    uri: Uri,
    headers: HeaderMap,
}

impl Sender {
    /// The page again, with what came of it.
    fn show(&self, status: StatusCode, news: News) -> Result<Response, Failure> {
        let visit = Visit { site: &self.site, uri: &self.uri, headers: &self.headers };
        Ok((status, show(&visit, &self.visitor, news)?).into_response())
    }

    /// The page with what is wrong with a form; what the store did wrong is
    /// for the page about errors.
    fn wrong(&self, form: Form, given: Named, failure: Failure) -> Result<Response, Failure> {
        if failure.status.is_server_error() {
            return Err(failure);
        }
        let wrong = Some((form, failure.message));
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        self.show(status, News { wrong, given, ..News::default() })
    }

    /// Makes a credential and shows its token.
    async fn make(
        &self,
        form: Form,
        given: Named,
        make: impl FnOnce(&App, &str) -> Result<Token, RegistryError> + Send + 'static,
    ) -> Result<Response, Failure> {
        let name = match credential_name(&given.name) {
            Ok(name) => name,
            Err(failure) => return self.wrong(form, given, failure),
        };
        let target = name.clone();
        match self.site.change(move |app| make(app, &target)).await? {
            Ok(token) => {
                let shown = Some((name, token.expose().to_owned()));
                self.show(StatusCode::OK, News { made: shown, ..News::default() })
            }
            Err(error) => self.wrong(form, given, error.into()),
        }
    }
}

/// `POST /access/readers`
pub(crate) async fn create_reader(
    State(site): State<Shared>,
    visitor: Visitor,
    uri: Uri,
    headers: HeaderMap,
    axum::Form(given): axum::Form<Named>,
) -> Result<Response, Failure> {
    let bound = Some(given.service.as_str()).filter(|id| !id.is_empty());
    let service = bound.map(|id| site.service(id)).transpose()?.map(|service| service.id.clone());
    let sender = Sender { site, visitor, uri, headers };
    let make = move |app: &App, name: &str| app.registry.create_reader(name, service.as_ref());
    sender.make(Form::Reader, given, make).await
}

/// `POST /access/tokens`
pub(crate) async fn create_script(
    State(site): State<Shared>,
    visitor: Visitor,
    uri: Uri,
    headers: HeaderMap,
    axum::Form(given): axum::Form<Named>,
) -> Result<Response, Failure> {
    let manages = given.scope == "manage";
    let sender = Sender { site, visitor, uri, headers };
    let make = move |app: &App, name: &str| app.registry.create_script(name, manages);
    sender.make(Form::Script, given, make).await
}

/// `POST /access/readers/remove`
pub(crate) async fn remove_reader(
    State(site): State<Shared>,
    axum::Form(given): axum::Form<Named>,
) -> Result<Redirect, Failure> {
    let removed = site.change(move |app| app.registry.remove_reader(&given.name)).await?;
    gone(removed, "/access#readers")
}

/// `POST /access/tokens/remove`
pub(crate) async fn remove_script(
    State(site): State<Shared>,
    axum::Form(given): axum::Form<Named>,
) -> Result<Redirect, Failure> {
    let removed = site.change(move |app| app.registry.remove_script(&given.name)).await?;
    gone(removed, "/access#tokens")
}

/// What somebody else has removed meanwhile is as gone as it should be.
fn gone(removed: Result<(), RegistryError>, back: &str) -> Result<Redirect, Failure> {
    match removed {
        Ok(()) | Err(RegistryError::Unknown(_)) => Ok(Redirect::to(back)),
        Err(error) => Err(error.into()),
    }
}

/// `POST /access/sessions/end`
pub(crate) async fn end_session(
    State(site): State<Shared>,
    axum::Form(given): axum::Form<Ended>,
) -> Result<Redirect, Failure> {
    site.change(move |app| app.registry.close_session(&given.hash)).await??;
    Ok(Redirect::to("/access#sessions"))
}

/// `POST /access/sessions/end-all`: this browser's too.
pub(crate) async fn end_all_sessions(State(site): State<Shared>) -> Result<Redirect, Failure> {
    site.change(|app| app.registry.close_all_sessions()).await??;
    Ok(Redirect::to("/access#sessions"))
}

/// `POST /access/password`: all sessions end, and this browser gets a new one.
pub(crate) async fn set_password(
    State(site): State<Shared>,
    visitor: Visitor,
    peer: Peer,
    uri: Uri,
    headers: HeaderMap,
    axum::Form(given): axum::Form<Passwords>,
) -> Result<Response, Failure> {
    let sender = Sender { site, visitor, uri, headers };
    let site = &sender.site;
    let address = peer.address.ip();
    let allowed = match new_password(&given.password) {
        Ok(_) => password::prove(site, &sender.visitor, address, &given.current).await,
        Err(failure) => Err(failure),
    };
    if let Err(failure) = allowed {
        return sender.wrong(Form::Password, Named::default(), failure);
    }
    let logged_in = session::of(site, &sender.headers).is_some();
    site.change(move |app| app.registry.set_password(&given.password)).await??;
    let mut answer = Redirect::to("/access?changed=1#password").into_response();
    if logged_in {
        session::begin(site, peer, &sender.headers, &mut answer).await?;
    }
    Ok(answer)
}
