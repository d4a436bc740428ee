//! Whether the server lives, and whether it can work.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Part, site::Shared};

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
    /// Broker, collector and store.
    parts: Vec<Part>,
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
#[utoipa::path(
    get, path = "/readyz", tag = "Server", operation_id = "ready",
    responses(
        (status = 200, description = "All parts answer", body = Ready),
        (status = 503, description = "Some part does not, and says why", body = Ready),
    )
)]
pub(crate) async fn ready(State(site): State<Shared>) -> Response {
    let readiness = (site.app.ready)();
    let (code, status) = if readiness.is_ready() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    (code, Json(Ready { status, parts: readiness.parts })).into_response()
}
