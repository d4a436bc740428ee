//! `/api/backup`: a consistent copy of the database as a download.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use komandorr_collector::BackupError;

use crate::{error::Failure, site::Shared};

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        if matches!(error, BackupError::Busy) {
            return Self::new(StatusCode::CONFLICT, "busy", error.to_string());
        }
        tracing::error!(%error, "making a backup");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "backup_failed", error.to_string())
    }
}

/// A consistent copy of the whole database, as DuckDB opens it.
///
/// Made while the server runs, in a moment; put in the place of the database it is a server's.
#[utoipa::path(
    get, path = "/api/backup", tag = "Server", operation_id = "backup",
    responses((status = 200, description = "The database", body = Vec<u8>,
        content_type = "application/octet-stream"))
)]
pub(crate) async fn backup(State(site): State<Shared>) -> Result<Response, Failure> {
    let backup = site.app.reader.backup().await?;
    let length = backup.length();
    let pieces = stream::unfold(backup, async |mut backup| {
        let piece = backup.next().await?;
        Some((piece, backup))
    });
    // Whoever compresses it asks once more after the end.
    let pieces = pieces.fuse();
    let now = Timestamp::now();
    let name = now.strftime("attachment; filename=\"komandorr-%Y%m%dT%H%M%SZ.duckdb\"");
    let name = HeaderValue::try_from(name.to_string()).ok().ok_or_else(Failure::internal)?;
    let kind = HeaderValue::from_static("application/octet-stream");
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_LENGTH, HeaderValue::from(length)),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}
