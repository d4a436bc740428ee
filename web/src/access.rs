//! Who may see and change what. Every request passes [`admit`], which finds
//! out whose it is; every [`Row`] of the table in `routes.rs` says what it
//! needs, and lets in whoever may.

mod identify;
mod names;
pub(crate) mod password;
mod row;
pub(crate) mod session;
mod visitor;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    middleware::Next,
    response::Response,
};

pub(crate) use identify::Pass;
pub(crate) use names::{credential_name, new_password};
pub(crate) use password::Checks;
pub(crate) use row::Row;
pub use visitor::Needs;
pub(crate) use visitor::Visitor;

use crate::site::Shared;

/// How the site decides who somebody is, beside the registry's credentials.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Whether the listener trusts the machine that it is on: clients with a
    /// loopback address may do everything.
    pub trusted: bool,
}

/// Finds out whose request it is. Handlers ask for the [`Visitor`]; what is
/// wrong with a credential is told where one is needed. The answer carries the
/// visitor as well, for the page that a failure becomes.
pub(crate) async fn admit(State(site): State<Shared>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut visitor = None;
    match identify::visitor(&site, &parts).await {
        Ok(Some(pass)) => {
            visitor = Some(pass.visitor().clone());
            drop(parts.extensions.insert(pass.visitor().clone()));
            drop(parts.extensions.insert(pass));
        }
        Ok(None) => {}
        Err(failure) => drop(parts.extensions.insert(row::Refused(failure))),
    }
    let mut answer = next.run(Request::from_parts(parts, body)).await;
    if let Some(visitor) = visitor {
        drop(answer.extensions_mut().insert(visitor));
    }
    answer
}

/// Says which credentials would do. A browser would answer `Basic` with a box
/// of its own, over our pages: it is told of tokens alone.
pub(crate) fn challenge(asked: &HeaderMap, answer: &mut HeaderMap) {
    let bearer = HeaderValue::from_static("Bearer realm=\"komandorr\"");
    answer.insert(header::WWW_AUTHENTICATE, bearer);
    if !asked.contains_key("sec-fetch-mode") {
        let basic = HeaderValue::from_static("Basic realm=\"komandorr\", charset=\"UTF-8\"");
        answer.append(header::WWW_AUTHENTICATE, basic);
    }
}
