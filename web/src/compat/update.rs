//! `POST /api/traffic/update`: where the original's agents post.

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{accounts, body};
use crate::{access::Visitor, error::Failure, publish::Published, site::Shared};

/// The answer, to the byte.
const SUCCESS: &str = r#"{"status":"success","message":"Traffic data updated"}"#;

/// A report of an agent of the original.
#[utoipa::path(
    post, path = "/api/traffic/update", tag = "Original", operation_id = "originalUpdate",
    request_body(content = serde_json::Value, description = "`service_id`, `bandwidth_up`, `bandwidth_down`, `total_up`, `total_down`"),
    responses(
        (status = 200, description = "It is stored", body = serde_json::Value),
        (status = "4XX", description = "Refused: `detail` says why", body = serde_json::Value),
        (status = "5XX", description = "Not now: `detail` says why", body = serde_json::Value),
    )
)]
pub(crate) async fn update(
    State(site): State<Shared>,
    visitor: Visitor,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    let body = body.map_err(|rejection| {
        Failure::new(rejection.status(), "invalid_body", rejection.body_text())
    })?;
    let kind = headers.get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default());
    let report = match body::read(kind, &body) {
        Ok(report) => report,
        Err(problems) => {
            let detail = Json(json!({"detail": problems}));
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, detail).into_response());
        }
    };
    let service = site.service(&report.service_id)?;
    if !visitor.publishes_for(&service.id) {
        return Err(Failure::forbidden());
    }
    let undoubled = service.max_bandwidth_undoubled;
    let report = if undoubled { report.doubled() } else { report };
    match accounts::take(&site, service, report).await {
        Published::Stored => {
            Ok(([(header::CONTENT_TYPE, "application/json")], SUCCESS).into_response())
        }
        Published::Refused(reason) => {
            Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "refused", reason))
        }
        Published::Unavailable(reason) => {
            let message = format!("Traffic data not stored: {reason}");
            Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", message))
        }
    }
}
