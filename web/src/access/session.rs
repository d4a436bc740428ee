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
/// What browsers say of themselves, and what people call them. Most say that
/// they are several: the first that fits counts.
const BROWSERS: [(&str, &str); 5] = [
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
];
const SYSTEMS: [(&str, &str); 6] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
];

/// The session that a request's cookie belongs to.
pub(crate) fn of(site: &Site, headers: &HeaderMap) -> Option<Session> {
    site.app.registry.session(cookie::get(headers, COOKIE)?)
}

/// The token of a request's session; the store hears now and then that it is
/// in use.
pub(super) fn seen(site: &Shared, headers: &HeaderMap) -> Option<String> {
    let token = cookie::get(headers, COOKIE)?;
    let session = site.app.registry.session(token)?;
    if session.is_news(Timestamp::now()) {
        let (touched, hash) = (Shared::clone(site), session.hash.clone());
        drop(site.tasks.spawn_blocking(move || {
            if let Err(error) = touched.app.registry.touch_session(&hash) {
                tracing::debug!(%error, "a session was seen, which the store did not note");
            }
        }));
    }
    Some(token.to_owned())
}

/// Begins a session, and gives its cookie along with an answer.
pub(crate) async fn begin(
    site: &Shared,
    peer: Peer,
    headers: &HeaderMap,
    answer: &mut Response,
) -> Result<(), Failure> {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let browser = describe(agent.unwrap_or_default());
    let client = format!("{browser}, {}", peer.address.ip().to_canonical());
    let token = site.change(move |app| app.registry.open_session(ADMIN, &client)).await??;
    cookie::set(answer.headers_mut(), COOKIE, token.expose(), LONGEST_SESSION, peer.secure);
    Ok(())
}

/// Makes a browser forget its session.
pub(crate) fn forget(peer: Peer, answer: &mut Response) {
    cookie::set(answer.headers_mut(), COOKIE, "", Duration::ZERO, peer.secure);
}

/// A browser in people's words.
fn describe(agent: &str) -> String {
    let find = |known: &[(&str, &'static str)]| {
        known.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
    };
    let browser = find(&BROWSERS).unwrap_or("a program");
    find(&SYSTEMS).map_or_else(|| browser.to_owned(), |system| format!("{browser} on {system}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_called_what_people_call_them() {
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0";
        assert_eq!(describe(edge), "Edge on Windows");
        let phone = "Mozilla/5.0 (Android 15; Mobile; rv:132.0) Gecko/132.0 Firefox/132.0";
        assert_eq!(describe(phone), "Firefox on Android");
        assert_eq!(describe("curl/8.9"), "a program");
    }
}
