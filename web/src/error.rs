//! What goes wrong: a status, a word for machines and a sentence that helps.
//! Handlers return it; one layer dresses it, as JSON below `/api` and as a page
//! of the site elsewhere. Internals go to the log and never to a visitor.

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use komandorr_collector::{read::ReadError, registry::RegistryError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    access::{self, Visitor},
    api, compat,
    pages::{self, Visit},
    site::Shared,
};

/// Longest part of a name from outside that a message repeats, in characters.
const SHOWN: usize = 64;

/// What every refusal of the API says.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorAnswer {
    error: ErrorWords,
}

/// Why a request was refused.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorWords {
    /// For machines: one word for each reason, such as `invalid_parameter`,
    /// `unknown_service` or `store_unavailable`.
    #[schema(example = "invalid_parameter")]
    code: &'static str,
    /// For people: which parameter or field is wrong, and what is allowed.
    #[schema(example = "hours must be above 0 and at most 96624")]
    message: String,
}

/// A request that got no answer, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    /// For machines; part of the API's contract.
    pub(crate) code: &'static str,
    /// For people.
    pub(crate) message: String,
    /// After how many seconds it may go better.
    pub(crate) retry_after: Option<u64>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    /// The same, to be tried again after some seconds.
    pub(crate) fn after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// Writes what an answer's head says of it.
    pub(crate) fn head(&self, answer: &mut Response) {
        if let Some(seconds) = self.retry_after {
            answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
    }

    /// A parameter or field that cannot be used; the message names it.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_parameter", message)
    }

    /// No service of that id.
    pub(crate) fn unknown_service(id: &str) -> Self {
        let shown: String = id.chars().take(SHOWN).collect();
        let message = format!("there is no service \"{shown}\"");
        Self::new(StatusCode::NOT_FOUND, "unknown_service", message)
    }

    /// No service is in a group of that name.
    pub(crate) fn unknown_group(name: &str) -> Self {
        let shown: String = name.chars().take(SHOWN).collect();
        let message = format!("there is no group \"{shown}\"");
        Self::new(StatusCode::NOT_FOUND, "unknown_group", message)
    }

    /// Nothing lies at this path.
    pub(crate) fn no_page() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "nothing lies at this address")
    }

    /// Something of ours broke; the log says what.
    pub(crate) fn internal() -> Self {
        let message = "something went wrong here; the server's log says what";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    /// The database does not answer.
    pub(crate) fn store() -> Self {
        let message = "the database does not answer right now; what is live still works";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", message)
    }

    /// The store cannot read what was asked for, however often it is.
    pub(crate) fn damaged() -> Self {
        let message = "a part of the database is damaged: this cannot be shown, what is live and other times still can; the server's log says what to do";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "store_damaged", message)
    }

    /// What a bare status of axum's says.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::no_page(),
            StatusCode::METHOD_NOT_ALLOWED => {
                Self::new(status, "method_not_allowed", "this address does not take that method")
            }
            StatusCode::PAYLOAD_TOO_LARGE => {
                Self::new(status, "too_large", "that is more than a request may carry")
            }
            StatusCode::REQUEST_TIMEOUT => {
                Self::new(status, "timeout", "the request took too long")
            }
            status if status.is_client_error() => {
                Self::new(status, "bad_request", "the request could not be understood")
            }
            status => Self { status, ..Self::internal() },
        }
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unknown(id) => Self::unknown_service(&id),
            ReadError::TooManyPoints(_) | ReadError::EmptyRange => {
                Self::new(StatusCode::BAD_REQUEST, "invalid_range", error.to_string())
            }
            ReadError::Damaged { .. } => {
                tracing::error!("{error}");
                Self::damaged()
            }
            ReadError::Store(reason) => {
                tracing::error!(reason, "the store did not answer");
                Self::store()
            }
            ReadError::Export(reason) => {
                tracing::error!(reason, "an export could not be written");
                Self::internal()
            }
        }
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Exists(_) => {
                Self::new(StatusCode::CONFLICT, "exists", error.to_string())
            }
            RegistryError::Unknown(id) => Self::unknown_service(&id),
            RegistryError::Store(reason) => {
                tracing::error!(reason, "the registry did not take a change");
                Self::store()
            }
        }
    }
}

impl From<askama::Error> for Failure {
    fn from(error: askama::Error) -> Self {
        tracing::error!(%error, "a template did not render");
        Self::internal()
    }
}

/// Bare; [`dress`] makes of it what the visitor can read.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Whether machines read what lies at this path.
pub(crate) fn for_machines(path: &str) -> bool {
    api::is_at(path) || path.starts_with("/assets/") || path == "/mqtt"
}

/// The layer that turns a [`Failure`] into JSON or a page.
pub(crate) async fn dress(
    State(site): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
    request: Request,
    next: Next,
) -> Response {
    let asks = request.method().is_safe();
    let mut response = next.run(request).await;
    let visitor = response.extensions_mut().remove::<Visitor>();
    let failure = match response.extensions_mut().remove::<Failure>() {
        Some(failure) => failure,
        // Extractors of axum answer bare texts; their words are for developers.
        None if is_bare(&response) => Failure::of_status(response.status()),
        None => return response,
    };
    let status = failure.status;
    let body = if let Some(detail) = compat::refusal(uri.path(), &headers, &failure) {
        Json(detail).into_response()
    } else if for_machines(uri.path()) {
        let Failure { code, message, .. } = failure.clone();
        Json(ErrorAnswer { error: ErrorWords { code, message } }).into_response()
    } else {
        // What takes a form can often not be asked for.
        let again = if asks { uri } else { Uri::default() };
        let visit = Visit { site: &site, uri: &again, headers: &headers };
        pages::error::page(&visit, visitor.as_ref(), &failure)
    };
    let mut dressed = (status, body).into_response();
    // Headers that say how to do better.
    if let Some(allow) = response.headers_mut().remove(header::ALLOW) {
        dressed.headers_mut().insert(header::ALLOW, allow);
    }
    failure.head(&mut dressed);
    if status == StatusCode::UNAUTHORIZED {
        access::challenge(&headers, dressed.headers_mut());
    }
    dressed
}

/// A failure that is not JSON or HTML yet.
fn is_bare(response: &Response) -> bool {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let dressed = kind
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/json") || kind.starts_with("text/html"));
    (status.is_client_error() || status.is_server_error()) && !dressed
}
