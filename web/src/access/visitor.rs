//! Whoever asks, and what they may do.

use axum::{extract::FromRequestParts, http::StatusCode, http::request::Parts};
use komandorr_collector::read::Scope;
use komandorr_wire::ServiceId;

use crate::error::Failure;

/// What a row of the table asks of a visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: anybody.
    Nothing,
    /// To read traffic. The answer holds what the visitor sees: a reader bound
    /// to one service gets that one alone.
    Read,
    /// To read everything: of the whole fleet, or of the pipeline.
    ReadAll,
    /// To publish for a service; the handler checks for which.
    Publish,
    /// To change things, and to see who has access.
    Manage,
}

/// Whose request it is. Lies in the extensions of every request of somebody
/// who is known; handlers take it as an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Visitor {
    /// Trusted by the machine: a client on a trusted listener, or a command of
    /// the operator. May do everything.
    Local,
    /// The administrator, or a script whose token may manage.
    Admin,
    /// Reads all services, or one.
    Reader {
        /// The credential's name.
        name: String,
        /// The only service that it sees, when it is bound to one.
        service: Option<ServiceId>,
    },
    /// A service's agent: publishes for it.
    Agent(ServiceId),
}

impl Visitor {
    /// Whether a row may answer this visitor.
    pub(crate) fn may(&self, needs: Needs) -> bool {
        match self {
            Self::Local | Self::Admin => true,
            Self::Reader { service, .. } => match needs {
                Needs::Nothing | Needs::Read => true,
                Needs::ReadAll => service.is_none(),
                Needs::Publish | Needs::Manage => false,
            },
            Self::Agent(_) => matches!(needs, Needs::Nothing | Needs::Publish),
        }
    }

    /// Whether this visitor may read a service.
    pub(crate) fn sees(&self, id: &ServiceId) -> bool {
        match self {
            Self::Local | Self::Admin => true,
            Self::Reader { service, .. } => service.as_ref().is_none_or(|own| own == id),
            Self::Agent(_) => false,
        }
    }

    /// Whether this visitor may publish for a service.
    pub(crate) fn publishes_for(&self, id: &ServiceId) -> bool {
        match self {
            Self::Local | Self::Admin => true,
            Self::Agent(own) => own == id,
            Self::Reader { .. } => false,
        }
    }

    /// The part of a question that this visitor may ask: who is bound to one
    /// service means that one by "all". Another service is as if it were not.
    pub(crate) fn narrow(&self, scope: Scope) -> Result<Scope, Failure> {
        let Self::Reader { service: Some(own), .. } = self else { return Ok(scope) };
        match scope {
            Scope::All => Ok(Scope::One(own.clone())),
            Scope::One(id) if id == *own => Ok(Scope::One(id)),
            Scope::One(id) => Err(Failure::unknown_service(id.as_str())),
            Scope::Several(ids) => match ids.iter().find(|id| *id != own) {
                Some(other) => Err(Failure::unknown_service(other.as_str())),
                None => Ok(Scope::One(own.clone())),
            },
            Scope::Group(_) => Err(Failure::forbidden()),
        }
    }

    /// [`Self::narrow`] for questions about one service or all.
    pub(crate) fn narrow_to(
        &self,
        service: Option<ServiceId>,
    ) -> Result<Option<ServiceId>, Failure> {
        match self.narrow(service.map_or(Scope::All, Scope::One))? {
            Scope::One(id) => Ok(Some(id)),
            Scope::All | Scope::Several(_) | Scope::Group(_) => Ok(None),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        parts.extensions.get().cloned().ok_or_else(Failure::login_required)
    }
}

impl Failure {
    /// Nobody knows who asks.
    pub(crate) fn login_required() -> Self {
        let message = "log in, or send a token: this needs a credential";
        Self::new(StatusCode::UNAUTHORIZED, "login_required", message)
    }

    /// What was sent proves nothing.
    pub(crate) fn wrong_credentials() -> Self {
        let message = "name, password or token is wrong, or no longer valid";
        Self::new(StatusCode::UNAUTHORIZED, "wrong_credentials", message)
    }

    /// The `Authorization` header is of no kind that is known here.
    pub(crate) fn unreadable_credentials() -> Self {
        let message =
            "the Authorization header must be Bearer TOKEN, or Basic with name and password";
        Self::new(StatusCode::UNAUTHORIZED, "unreadable_credentials", message)
    }

    /// Known, but not allowed.
    pub(crate) fn forbidden() -> Self {
        let message = "this credential does not allow that";
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ServiceId {
        ServiceId::new(text).unwrap()
    }

    fn reader(service: Option<&str>) -> Visitor {
        Visitor::Reader { name: "r".into(), service: service.map(id) }
    }

    #[test]
    fn a_bound_reader_asks_of_its_own_service_alone() {
        let bound = reader(Some("a"));
        assert!(bound.sees(&id("a")) && !bound.sees(&id("b")));
        assert_eq!(bound.narrow(Scope::All), Ok(Scope::One(id("a"))));
        assert_eq!(bound.narrow(Scope::One(id("b"))), Err(Failure::unknown_service("b")));
        assert_eq!(bound.narrow(Scope::Group("g".into())), Err(Failure::forbidden()));
        assert_eq!(bound.narrow_to(None), Ok(Some(id("a"))));
        assert!(!bound.may(Needs::ReadAll));
    }

    #[test]
    fn whoever_is_not_bound_asks_what_they_like() {
        for visitor in [Visitor::Local, Visitor::Admin, reader(None)] {
            assert_eq!(visitor.narrow(Scope::All), Ok(Scope::All));
            assert_eq!(visitor.narrow_to(Some(id("b"))), Ok(Some(id("b"))));
            assert!(visitor.may(Needs::ReadAll) && visitor.sees(&id("a")));
        }
    }

    #[test]
    fn agents_publish_for_themselves_and_read_nothing() {
        let agent = Visitor::Agent(id("a"));
        assert!(agent.publishes_for(&id("a")) && !agent.publishes_for(&id("b")));
        assert!(agent.may(Needs::Publish) && !agent.may(Needs::Read) && !agent.may(Needs::Manage));
        assert!(!agent.sees(&id("a")) && !reader(None).publishes_for(&id("a")));
    }
}
