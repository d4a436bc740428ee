//! `/api/services`: the registry.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use komandorr_collector::registry::{Service, ServiceDetails};
use komandorr_wire::ServiceId;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::{
    access::Visitor,
    error::Failure,
    site::{Shared, Site},
};

/// Kinds of services, as in the original.
const KINDS: [&str; 5] = ["app", "website", "panel", "project", "server"];
/// Longest text of a field, in characters.
const LONGEST: usize = 500;

/// What a client says of a service; a field that is absent stays as it is.
#[allow(clippy::option_option, reason = "absent, null and given are three things")]
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Body {
    id: Option<String>,
    name: Option<String>,
    url: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "given")]
    group: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    description: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    icon: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    capacity_bytes_per_second: Option<Option<u64>>,
}

/// Tells `null` (take it away) from absence (leave it).
#[allow(clippy::option_option, reason = "absent, null and given are three things")]
fn given<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// A body that says in JSON what is wrong with it.
type Given = Result<Json<Body>, JsonRejection>;

fn read(body: Given) -> Result<Body, Failure> {
    body.map(|Json(body)| body).map_err(|rejection| {
        Failure::new(rejection.status(), "invalid_body", rejection.body_text())
    })
}

impl Body {
    fn check(&self) -> Result<(), Failure> {
        let texts = [
            ("name", self.name.as_deref()),
            ("url", self.url.as_deref()),
            ("group", self.group.as_ref().and_then(Option::as_deref)),
            ("description", self.description.as_ref().and_then(Option::as_deref)),
            ("icon", self.icon.as_ref().and_then(Option::as_deref)),
        ];
        for (field, text) in texts {
            if text.is_some_and(|text| text.chars().count() > LONGEST) {
                let message = format!("{field} must be at most {LONGEST} characters long");
                return Err(Failure::invalid(message));
            }
        }
        match self.kind.as_deref() {
            Some(kind) if !KINDS.contains(&kind) => {
                Err(Failure::invalid(format!("type must be one of {}", KINDS.join(", "))))
            }
            _ if self.capacity_bytes_per_second == Some(Some(0)) => {
                Err(Failure::invalid("capacity_bytes_per_second must be above 0, or null"))
            }
            _ => Ok(()),
        }
    }

    /// Over what is there; `None`: over nothing.
    fn details(self, old: Option<&Service>) -> ServiceDetails {
        let old = old.map(details_of).unwrap_or_default();
        let group = self.group.unwrap_or(old.group).filter(|group| !group.is_empty());
        ServiceDetails {
            name: self.name.unwrap_or(old.name),
            group,
            kind: self.kind.unwrap_or(old.kind),
            url: self.url.unwrap_or(old.url),
            description: self.description.unwrap_or(old.description),
            icon: self.icon.unwrap_or(old.icon),
            capacity_bytes_per_second: self
                .capacity_bytes_per_second
                .unwrap_or(old.capacity_bytes_per_second),
        }
    }
}

fn details_of(service: &Service) -> ServiceDetails {
    ServiceDetails {
        name: service.name.clone(),
        group: service.group.clone(),
        kind: service.kind.clone(),
        url: service.url.clone(),
        description: service.description.clone(),
        icon: service.icon.clone(),
        capacity_bytes_per_second: service.capacity_bytes_per_second,
    }
}

/// A service as JSON: the original's fields that we have, and ours.
fn item(site: &Site, service: &Service) -> Value {
    let current = site.app.live.one(&service.id, Timestamp::now());
    json!({
        "id": service.id,
        "name": service.name,
        "url": service.url,
        "type": service.kind,
        "description": service.description,
        "icon": service.icon,
        "group": service.group,
        "created_at": service.created_at,
        "state": current.as_ref().map(|current| current.state),
        "capacity_bytes_per_second":
            current.as_ref().and_then(|current| current.capacity_bytes_per_second),
        "interval_seconds": current.as_ref().and_then(|current| current.interval_seconds),
    })
}

/// `GET /api/services`
pub(crate) async fn list(State(site): State<Shared>, visitor: Visitor) -> Json<Vec<Value>> {
    let services = site.app.registry.services();
    let seen = services.iter().filter(|service| visitor.sees(&service.id));
    Json(seen.map(|service| item(&site, service)).collect())
}

/// `GET /api/services/{id}`
pub(crate) async fn one(
    State(site): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    let service = site.service(&id)?;
    if !visitor.sees(&service.id) {
        return Err(Failure::unknown_service(&id));
    }
    Ok(Json(item(&site, &service)))
}

/// `POST /api/services`: 201 with the token, which is shown this once.
pub(crate) async fn create(State(site): State<Shared>, body: Given) -> Result<Response, Failure> {
    let body = read(body)?;
    body.check()?;
    let id = body.id.clone().unwrap_or_else(uuid4);
    let id = ServiceId::new(&id).map_err(|error| Failure::invalid(format!("id: {error}")))?;
    let details = body.details(None);
    let (service, token) = site.change(move |app| app.registry.create(&id, details)).await??;
    let mut answer = item(&site, &service);
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("token".into(), token.expose().into());
    }
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// A random id, as the original gives where none was chosen.
fn uuid4() -> String {
    let bits: u128 = rand::random();
    // Version 4 and the usual variant.
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

/// `PATCH /api/services/{id}`: changes the given fields.
pub(crate) async fn change(
    State(site): State<Shared>,
    Path(id): Path<String>,
    body: Given,
) -> Result<Json<Value>, Failure> {
    let service = site.service(&id)?;
    let body = read(body)?;
    body.check()?;
    let details = body.details(Some(&service));
    update(&site, &service, details).await
}

/// `PUT /api/services/{id}`: says everything anew.
pub(crate) async fn replace(
    State(site): State<Shared>,
    Path(id): Path<String>,
    body: Given,
) -> Result<Json<Value>, Failure> {
    let service = site.service(&id)?;
    let body = read(body)?;
    body.check()?;
    update(&site, &service, body.details(None)).await
}

async fn update(
    site: &Shared,
    service: &Arc<Service>,
    details: ServiceDetails,
) -> Result<Json<Value>, Failure> {
    let id = service.id.clone();
    let service = site.change(move |app| app.registry.update(&id, details)).await??;
    Ok(Json(item(site, &service)))
}

/// `DELETE /api/services/{id}`
pub(crate) async fn remove(
    State(site): State<Shared>,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    let id = site.service(&id)?.id.clone();
    site.change(move |app| app.registry.remove(&id)).await??;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/services/{id}/token`: a new token; the old one stops at once.
pub(crate) async fn rotate(
    State(site): State<Shared>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = site.service(&id)?.id.clone();
    let token = site.change(move |app| app.registry.rotate_token(&id, Duration::ZERO)).await??;
    Ok((StatusCode::CREATED, Json(json!({"token": token.expose()}))).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_id_is_a_uuid_of_version_4_and_a_service_id() {
        let id = uuid4();
        assert_eq!(id.len(), 36);
        assert_eq!((id.as_bytes()[14], id.as_bytes()[8]), (b'4', b'-'));
        assert!(matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{id}");
        assert!(ServiceId::new(&id).is_ok());
    }
}
