//! Whether the server lives, and whether it can work.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::site::Shared;

/// `GET /healthz`: the process answers.
pub(crate) async fn alive() -> Response {
    Json(json!({"status": "alive"})).into_response()
}

/// `GET /readyz`: broker, collector and store answer.
pub(crate) async fn ready(State(site): State<Shared>) -> Response {
    let readiness = (site.app.ready)();
    let (status, word) = if readiness.is_ready() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    (status, Json(json!({"status": word, "parts": readiness.parts}))).into_response()
}
