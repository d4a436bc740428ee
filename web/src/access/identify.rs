//! From what a request carries to whose it is.

use axum::http::{HeaderMap, header, request::Parts};
use base64::{Engine, prelude::BASE64_STANDARD};
use komandorr_collector::registry::{ADMIN, Credential, Role};
use komandorr_wire::ServiceId;

use super::{Visitor, password, session};
use crate::{
    error::Failure,
    peer::Peer,
    site::{Shared, Site},
};

/// A name with the password or token that proves it; or a token alone.
enum Shown {
    Token(String),
    Pair(String, String),
}

impl Shown {
    fn is_of_admin(&self) -> bool {
        matches!(self, Self::Pair(name, _) if name == ADMIN)
    }
}

/// Whose request it is; `None`: nobody's whom we know, and they do not claim
/// to be somebody.
pub(super) async fn visitor(site: &Shared, parts: &Parts) -> Result<Option<Visitor>, Failure> {
    let peer = parts.extensions.get::<Peer>().copied().ok_or_else(Failure::internal)?;
    if peer.local {
        return Ok(Some(Visitor::Local));
    }
    let shown = match shown(&parts.headers)? {
        Some(shown) => Some(shown),
        None => token_of_socket(parts).map(Shown::Token),
    };
    let registry = &site.app.registry;
    let credential = match &shown {
        None => return Ok(session::seen(site, &parts.headers).map(|_| Visitor::Admin)),
        Some(Shown::Token(token)) => registry.by_token(token),
        Some(Shown::Pair(name, token)) => registry.named(name, token),
    };
    if let Some(visitor) = credential.and_then(|credential| of(site, credential)) {
        return Ok(Some(visitor));
    }
    // Tokens cannot be guessed: a wrong one slows nobody down.
    if let Some(Shown::Pair(name, password)) = shown.filter(Shown::is_of_admin) {
        let how = password::Shown::Header;
        if password::is_admin(site, how, peer.address.ip(), &name, &password).await? {
            return Ok(Some(Visitor::Admin));
        }
    }
    Err(Failure::wrong_credentials())
}

/// Somebody with a token that we made.
fn of(site: &Site, credential: Credential) -> Option<Visitor> {
    let name = credential.name;
    match credential.role {
        Role::Operator => Some(Visitor::Local),
        Role::Agent => ServiceId::new(&name).ok().map(Visitor::Agent),
        Role::ApiManage => Some(Visitor::Admin),
        Role::ApiRead => Some(Visitor::Reader { name, service: None }),
        Role::Reader => match credential.service_no {
            None => Some(Visitor::Reader { name, service: None }),
            Some(number) => {
                let id = site.app.registry.by_number(number)?.id.clone();
                Some(Visitor::Reader { name, service: Some(id) })
            }
        },
    }
}

fn shown(headers: &HeaderMap) -> Result<Option<Shown>, Failure> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let value = value.to_str().ok().and_then(|value| value.trim().split_once(' '));
    let (scheme, rest) = value.ok_or_else(Failure::unreadable_credentials)?;
    let shown = if scheme.eq_ignore_ascii_case("bearer") {
        Some(Shown::Token(rest.trim().to_owned()))
    } else if scheme.eq_ignore_ascii_case("basic") {
        pair(rest.trim())
    } else {
        None
    };
    shown.map(Some).ok_or_else(Failure::unreadable_credentials)
}

fn pair(encoded: &str) -> Option<Shown> {
    let text = String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some(Shown::Pair(name.to_owned(), password.to_owned()))
}

/// Browsers cannot send headers with a WebSocket: there, and only there, a
/// token may stand in the address.
fn token_of_socket(parts: &Parts) -> Option<String> {
    let upgrade = parts.headers.get(header::UPGRADE)?.to_str().ok()?;
    let query = parts.uri.query().filter(|_| upgrade.eq_ignore_ascii_case("websocket"))?;
    // Our tokens hold no character that would be escaped.
    query.split('&').find_map(|pair| pair.strip_prefix("token=")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<(String, String)> {
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
        match shown(&headers).ok()?? {
            Shown::Token(token) => Some((String::new(), token)),
            Shown::Pair(name, password) => Some((name, password)),
        }
    }

    fn is(name: &str, secret: &str) -> (String, String) {
        (name.into(), secret.into())
    }

    #[test]
    fn bearer_and_basic_are_read_and_everything_else_is_refused() {
        assert_eq!(read("Bearer kmd_1"), Some(is("", "kmd_1")));
        assert_eq!(read("bearer  kmd_1 "), Some(is("", "kmd_1")));
        assert_eq!(read("Basic YTpiOmM="), Some(is("a", "b:c")));
        for wrong in ["Basic", "Basic ???", "Basic YQ==", "Digest x", "Bearer"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
