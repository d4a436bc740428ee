//! From what a request carries to whose it is, then and later.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use komandorr_collector::registry::{ADMIN, Credential, Role};
use komandorr_wire::ServiceId;

use super::{Visitor, password, session};
use crate::{
    error::Failure,
    peer::Peer,
    site::{Shared, Site},
};

/// What a request shows of whose it is.
#[derive(Clone)]
enum Shown {
    /// It comes from this machine, which is trusted.
    Place,
    /// A token alone.
    Token(String),
    /// A name with the password or token that proves it.
    Pair(String, String),
    /// The cookie of a session.
    Session(String),
}

/// What let a visitor in. Answers that go on for hours ask with it whether it
/// still does: a credential that is taken back ends them.
#[derive(Clone)]
pub(crate) struct Pass {
    shown: Shown,
    visitor: Visitor,
}

impl Pass {
    /// Whose it is.
    pub(super) fn visitor(&self) -> &Visitor {
        &self.visitor
    }

    /// Whether whoever showed it would be let in again, as the same visitor.
    pub(crate) fn holds(&self, site: &Site) -> bool {
        self.shown.visitor(site).as_ref() == Some(&self.visitor)
    }
}

impl Shown {
    /// Whom it shows, as far as that can be told at once: a password only
    /// where it was right a while ago.
    fn visitor(&self, site: &Site) -> Option<Visitor> {
        let registry = &site.app.registry;
        let credential = match self {
            Self::Place => return Some(Visitor::Local),
            Self::Session(token) => return registry.session(token).map(|_| Visitor::Admin),
            Self::Token(token) => registry.by_token(token),
            Self::Pair(name, token) => registry.named(name, token),
        };
        credential.and_then(|credential| of(site, credential)).or_else(|| match self {
            Self::Pair(name, password) if name == ADMIN => {
                registry.password_is_proven(password).then_some(Visitor::Admin)
            }
            _ => None,
        })
    }
}

/// Whose request it is; `None`: nobody's whom we know, and they do not claim
/// to be somebody.
pub(super) async fn visitor(site: &Shared, parts: &Parts) -> Result<Option<Pass>, Failure> {
    let peer = parts.extensions.get::<Peer>().copied().ok_or_else(Failure::internal)?;
    let shown = if peer.local {
        Shown::Place
    } else if let Some(shown) = shown(&parts.headers)? {
        shown
    } else if let Some(token) = token_of_socket(parts) {
        Shown::Token(token)
    } else {
        let token = session::seen(site, &parts.headers);
        return Ok(
            token.map(|token| Pass { shown: Shown::Session(token), visitor: Visitor::Admin })
        );
    };
    if let Some(visitor) = shown.visitor(site) {
        return Ok(Some(Pass { shown, visitor }));
    }
    // Tokens cannot be guessed: a wrong one slows nobody down.
    if let Shown::Pair(name, password) = &shown
        && name == ADMIN
    {
        let how = password::Shown::Header;
        if password::is_admin(site, how, peer.address.ip(), name, password).await? {
            return Ok(Some(Pass { shown, visitor: Visitor::Admin }));
        }
    }
    Err(Failure::wrong_credentials())
}

impl<S: Send + Sync> FromRequestParts<S> for Pass {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        parts.extensions.get().cloned().ok_or_else(Failure::login_required)
    }
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
            Shown::Place | Shown::Session(_) => None,
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
