//! Browsers that are logged in: the cookie, and the session behind it.

use std::time::Duration;

use axum::{
    http::{HeaderMap, header},
    response::Response,
};
use jiff::Timestamp;
use komandorr_collector::registry::{ADMIN, LONGEST_SESSION, Session};

use crate::{
    cookie,
    error::Failure,
    peer::Peer,
    site::{Shared, Site},
};

const COOKIE: &str = "komandorr_session";
/// Longest description of a browser that is kept, in characters.
const LONGEST_CLIENT: usize = 160;

/// The session that a request's cookie belongs to.
pub(crate) fn of(site: &Site, headers: &HeaderMap) -> Option<Session> {
    site.app.registry.session(cookie::get(headers, COOKIE)?)
}

/// The session of a request; the store hears now and then that it is in use.
pub(super) fn seen(site: &Shared, headers: &HeaderMap) -> Option<Session> {
    let session = of(site, headers)?;
    if session.is_news(Timestamp::now()) {
        let (touched, hash) = (Shared::clone(site), session.hash.clone());
        drop(site.tasks.spawn_blocking(move || {
            if let Err(error) = touched.app.registry.touch_session(&hash) {
                tracing::debug!(%error, "a session was seen, which the store did not note");
            }
        }));
    }
    Some(session)
}

/// Begins a session, and gives its cookie along with an answer.
pub(crate) async fn begin(
    site: &Shared,
    peer: Peer,
    headers: &HeaderMap,
    answer: &mut Response,
) -> Result<(), Failure> {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let client = format!("{} {}", peer.address.ip().to_canonical(), agent.unwrap_or_default());
    let client: String = client.trim().chars().take(LONGEST_CLIENT).collect();
    let token = site.change(move |app| app.registry.open_session(ADMIN, &client)).await??;
    cookie::set(answer.headers_mut(), COOKIE, token.expose(), LONGEST_SESSION, peer.secure);
    Ok(())
}

/// Makes a browser forget its session.
pub(crate) fn forget(peer: Peer, answer: &mut Response) {
    cookie::set(answer.headers_mut(), COOKIE, "", Duration::ZERO, peer.secure);
}
