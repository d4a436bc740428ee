//! Whether the server lives, and whether it can work.

use axum::{
    Extension, Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Part,
    access::{Needs, Visitor},
    site::Shared,
};

/// Whether the process lives.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Alive {
    /// Always `alive`.
    #[schema(example = "alive")]
    status: &'static str,
}

/// Whether the server can do its work.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ready {
    /// `ready` or `not ready`.
    #[schema(example = "ready")]
    status: &'static str,
    /// Broker, collector and store, for whoever may read everything.
    // A reason names what lies behind: another broker, the disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    parts: Option<Vec<Part>>,
}

/// Whether the process answers at all.
#[utoipa::path(
    get, path = "/healthz", tag = "Server", operation_id = "alive",
    responses((status = 200, description = "It lives", body = Alive))
)]
pub(crate) async fn alive() -> Json<Alive> {
    Json(Alive { status: "alive" })
}

/// Whether broker, collector and store all answer.
///
/// Anybody may ask; `parts`, with the reasons, is for those who may read everything.
#[utoipa::path(
    get, path = "/readyz", tag = "Server", operation_id = "ready",
    responses(
        (status = 200, description = "All parts answer", body = Ready),
        (status = 503, description = "Some part does not", body = Ready),
    )
)]
pub(crate) async fn ready(
    State(site): State<Shared>,
    visitor: Option<Extension<Visitor>>,
) -> Response {
    let readiness = (site.app.ready)();
    let (code, status) = if readiness.is_ready() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    let told = visitor.is_some_and(|Extension(visitor)| visitor.may(Needs::ReadAll));
    (code, Json(Ready { status, parts: told.then_some(readiness.parts) })).into_response()
}
