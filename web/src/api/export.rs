//! `/api/traffic/export`: the points of a range as a download, streamed.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use jiff::Timestamp;
use komandorr_collector::read::{Export, ExportFormat, Range, ReadError, Scope, Step};

use crate::{
    access::Visitor,
    error::Failure,
    params::{Params, RangeParams, ScopeParams, StepParams},
    site::Shared,
};

/// What went on, as a file: the points of the history, however many.
///
/// Made while it is sent, by service and time. Without `step` the finest that is kept over the
/// whole range: five minutes, or hours.
#[utoipa::path(
    get, path = "/api/traffic/export", tag = "Traffic", operation_id = "export",
    params(
        ("format" = String, Query, description = "How the points are written.",
            pattern = "^(csv|parquet|json)$", example = "csv"),
        RangeParams, ScopeParams, StepParams,
    ),
    responses((status = 200, description = "The file, under a name that tells what it is", content(
        (Vec<u8> = "text/csv"),
        (Vec<u8> = "application/vnd.apache.parquet"),
        (serde_json::Value = "application/json"),
    )))
)]
pub(crate) async fn export(
    State(site): State<Shared>,
    visitor: Visitor,
    params: Params,
) -> Result<Response, Failure> {
    let format: Option<ExportFormat> = params.parse("format", "csv, parquet or json")?;
    let format =
        format.ok_or_else(|| Failure::invalid("format is missing: csv, parquet or json"))?;
    let scope = visitor.narrow(params.scope()?)?;
    site.check(&scope)?;
    let range = params.range(Timestamp::now())?;
    let reader = &site.app.reader;
    let step = params.step()?.unwrap_or_else(|| reader.finest_step(range));
    let mut export = reader.export(&scope, range, step, format)?;
    // Before the first piece an error can still be an answer.
    let Some(first) = export.next().await.transpose()? else {
        return Err(Failure::internal());
    };
    let first = stream::once(async { Ok::<_, ReadError>(first) });
    let body = Body::from_stream(first.chain(rest(export)));
    let name = file_name(&scope, range, step, format);
    let name = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
    let name = name.ok().ok_or_else(Failure::internal)?;
    let kind = HeaderValue::from_static(format.media_type());
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)], body).into_response())
}

/// The pieces of an export; an error ends the connection, so that nobody takes
/// a part for the whole.
fn rest(export: Export) -> impl Stream<Item = Result<Bytes, ReadError>> {
    stream::unfold(export, async |mut export| {
        let piece = export.next().await?;
        if let Err(error) = &piece {
            tracing::error!(%error, "an export broke off");
        }
        Some((piece, export))
    })
    // Whoever compresses it asks once more after the end.
    .fuse()
}

/// Such as `komandorr-edge-1-20261101T0000Z-20261201T0000Z-5m.csv`.
fn file_name(scope: &Scope, range: Range, step: Step, format: ExportFormat) -> String {
    let of = match scope {
        Scope::All => "all",
        Scope::One(id) => id.as_str(),
        Scope::Several(_) => "several",
        Scope::Group(_) => "group",
    };
    let time = |at: Timestamp| at.strftime("%Y%m%dT%H%MZ").to_string();
    let (from, to) = (time(range.from), time(range.to));
    format!("komandorr-{of}-{from}-{to}-{}.{}", step.word(), format.extension())
}
