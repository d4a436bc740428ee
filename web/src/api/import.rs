//! `/api/import`: history from elsewhere, as samples that are stored once.

use std::time::Duration;

use axum::{
    Json,
    body::{Body, to_bytes},
    extract::State,
    http::StatusCode,
};
use jiff::Timestamp;
use komandorr_collector::{
    read::{ImportProgress, ReadError},
    registry::Service,
};
use komandorr_wire::{IMPORT_AGENT, Origin, Sample, decode};
use serde_json::{Value, json};

use crate::{
    error::Failure,
    hash::hash,
    params::Params,
    publish::Published,
    site::{Shared, Site},
};

/// Most bytes of one request, as of one MQTT packet.
const BODY_BYTES: usize = 1 << 20;
/// How long the store may take.
const PATIENCE: Duration = Duration::from_secs(50);
/// Bytes of the hash in an identity: enough that no two sources share one.
const IDENTITY_BYTES: usize = 16;
/// Longest name of a source, in characters.
const LONGEST_SOURCE: usize = 200;

/// Under which identity a source is imported, and how far it has come.
#[utoipa::path(
    get, path = "/api/import/progress", tag = "Server", operation_id = "importProgress",
    params(
        ("service" = String, Query, description = "The service's id",
            pattern = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", example = "edge-fra-01"),
        ("source" = String, Query, description = "Any name of what is imported",
            min_length = 1, max_length = 200, example = "vnstat/eth0"),
    ),
    responses((status = 200, description = "The identity `agent`, the last sample, and from when the service reports by itself", body = serde_json::Value))
)]
pub(crate) async fn progress(
    State(site): State<Shared>,
    params: Params,
) -> Result<Json<Value>, Failure> {
    let service = service(&site, &params)?;
    let source = params.text("source").ok_or_else(|| Failure::invalid("source is missing"))?;
    if source.chars().count() > LONGEST_SOURCE {
        let message = format!("source must be at most {LONGEST_SOURCE} characters long");
        return Err(Failure::invalid(message));
    }
    let identity = identity(&service, source);
    let last = site.app.reader.import_progress(&identity).await?;
    let last = last.map(|last| {
        json!({
            "seq": last.seq,
            "ended_at": last.ended_at,
            "up_bytes_total": last.up_total,
            "down_bytes_total": last.down_total,
        })
    });
    let own_since = site.app.live.own_since(&service.id);
    Ok(Json(json!({"agent": identity, "own_since": own_since, "last": last})))
}

/// One identity for each source of each service; a service that was removed
/// and registered again is another one.
fn identity(service: &Service, source: &str) -> String {
    let born = format!("{}/{}/{source}", service.number, service.created_at);
    format!("{IMPORT_AGENT}{}", hash(born.as_bytes(), IDENTITY_BYTES))
}

/// How far the database of the original is imported for a service.
pub(crate) async fn original_progress(
    site: &Site,
    service: &Service,
) -> Result<Option<ImportProgress>, ReadError> {
    site.app.reader.import_progress(&identity(service, Origin::ORIGINAL)).await
}

/// Takes samples with the identity of an import; answers when they are stored.
#[utoipa::path(
    post, path = "/api/import/samples", tag = "Server", operation_id = "importSamples",
    params(("service" = String, Query, description = "The service's id",
        pattern = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", example = "edge-fra-01")),
    request_body(content = Vec<u8>, content_type = "application/msgpack", description = "An array of 1 to 1000 samples as MessagePack"),
    responses((status = 200, description = "They are stored", body = serde_json::Value))
)]
pub(crate) async fn samples(
    State(site): State<Shared>,
    params: Params,
    body: Body,
) -> Result<Json<Value>, Failure> {
    let service = service(&site, &params)?;
    let payload = to_bytes(body, BODY_BYTES).await.map_err(|error| {
        let message = format!("the body must be at most {BODY_BYTES} bytes long: {error}");
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    })?;
    let samples = decode(&payload).map_err(|error| Failure::invalid(error.to_string()))?;
    let now_ms = Timestamp::now().as_millisecond();
    samples.iter().try_for_each(|sample| check(sample, now_ms))?;
    let publish = site.app.publish.publish(service.id.clone(), payload);
    let unavailable = |reason: String| {
        let message = format!("the samples are not stored: {reason}");
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", message)
    };
    match tokio::time::timeout(PATIENCE, publish).await {
        Ok(Published::Stored) => Ok(Json(json!({"samples": samples.len()}))),
        Ok(Published::Refused(reason)) => Err(Failure::invalid(reason)),
        Ok(Published::Unavailable(reason)) => Err(unavailable(reason)),
        Err(_elapsed) => Err(unavailable("the store is busy; send them again".to_owned())),
    }
}

fn service(site: &Site, params: &Params) -> Result<std::sync::Arc<Service>, Failure> {
    let id = params.service()?.ok_or_else(|| Failure::invalid("service is missing"))?;
    site.service(id.as_str())
}

/// Only what is stored once, however often it comes, and lies in the past.
fn check(sample: &Sample, now_ms: i64) -> Result<(), Failure> {
    let numbered = sample.agent.as_ref().is_some_and(|agent| agent.seq.is_some());
    if Origin::of(sample) != Origin::Import || !numbered {
        let message = format!("`agent` must begin with {IMPORT_AGENT}, and `seq` be there");
        return Err(Failure::invalid(message));
    }
    if sample.ended_ms.is_none_or(|ended_ms| ended_ms > now_ms) {
        return Err(Failure::invalid("`ts` must be there, and not in the future"));
    }
    Ok(())
}
