//! `/api/services`: the registry.

mod change;
mod item;
mod named;

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State, http::StatusCode, response::Response};
use jiff::Timestamp;
use komandorr_collector::registry::{Service, ServiceDetails};
use komandorr_wire::ServiceId;

use super::body::Given;
use crate::{
    access::Visitor,
    error::{ErrorAnswer, Failure},
    params::{GraceParams, PageParams, Params},
    site::{Shared, Site},
};
use change::Change;
use item::{Item, NewToken, Registered};
use named::Named;

/// Longest time that an old token goes on beside a new one: 30 days, in seconds.
const LONGEST_GRACE: u32 = 30 * 24 * 60 * 60;

/// All registered services.
///
/// In the order of their ids. Where there are more than `limit`, the header `link` has the
/// address of the next page.
#[utoipa::path(
    get, path = "/api/services/", tag = "Services", operation_id = "services",
    params(PageParams),
    responses((status = 200, description = "The services", body = Vec<Item>,
        headers(("link" = String, description = "Where the next page is, if there is one"))))
)]
pub(crate) async fn list(
    State(site): State<Shared>,
    visitor: Visitor,
    params: Params,
) -> Result<Response, Failure> {
    let page = params.page()?;
    let services = site.app.registry.services();
    let seen = services.iter().filter(|service| visitor.sees(&service.id));
    let (services, last) = page.cut(seen, |service| service.id.to_string());
    let listed = services.len();
    let items: Vec<_> =
        services.into_iter().map(|service| Item::of(&site, service, listed)).collect();
    Ok(page.answer("/api/services/", &items, last.as_deref()))
}

/// One service.
#[utoipa::path(
    get, path = "/api/services/{id}", tag = "Services", operation_id = "service",
    params(("id" = String, Path, description = "Its id", example = "edge-fra-01")),
    responses((status = 200, description = "The service", body = Item))
)]
pub(crate) async fn one(State(site): State<Shared>, Named(service): Named) -> Json<Item> {
    Json(Item::of(&site, &service, 1))
}

/// Registers a service, and makes the token of its agent.
#[utoipa::path(
    post, path = "/api/services/", tag = "Services", operation_id = "register",
    request_body(content = Change, description = "All fields are optional"),
    responses(
        (status = 201, description = "It is registered; the token is shown this once", body = Registered),
        (status = 409, description = "The id is taken", body = ErrorAnswer),
    )
)]
pub(crate) async fn create(
    State(site): State<Shared>,
    Given(body): Given<Change>,
) -> Result<(StatusCode, Json<Registered>), Failure> {
    body.check()?;
    let id = body.id.clone().unwrap_or_else(uuid4);
    let id = ServiceId::new(&id).map_err(|error| Failure::invalid(format!("id: {error}")))?;
    let details = body.details(None);
    let (service, token) = site.change(move |app| app.registry.create(&id, details)).await??;
    let (service, token) = (Item::of(&site, &service, 1), token.expose().to_owned());
    Ok((StatusCode::CREATED, Json(Registered { service, token })))
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

/// Changes the given fields of a service.
#[utoipa::path(
    patch, path = "/api/services/{id}", tag = "Services", operation_id = "change",
    params(("id" = String, Path, description = "Its id", example = "edge-fra-01")),
    request_body(content = Change, description = "What is absent stays as it is"),
    responses((status = 200, description = "The service as it is now", body = Item))
)]
pub(crate) async fn change(
    State(site): State<Shared>,
    Named(service): Named,
    Given(body): Given<Change>,
) -> Result<Json<Item>, Failure> {
    body.check_for(&service)?;
    let details = without_echo(&site, body, &service).details(Some(&service));
    update(&site, &service, details).await
}

/// Says everything of a service anew.
#[utoipa::path(
    put, path = "/api/services/{id}", tag = "Services", operation_id = "replace",
    params(("id" = String, Path, description = "Its id", example = "edge-fra-01")),
    request_body(content = Change, description = "What is absent is as it would be of a new service"),
    responses((status = 200, description = "The service as it is now", body = Item))
)]
pub(crate) async fn replace(
    State(site): State<Shared>,
    Named(service): Named,
    Given(body): Given<Change>,
) -> Result<Json<Item>, Failure> {
    body.check_for(&service)?;
    let details = without_echo(&site, body, &service).details(None);
    update(&site, &service, details).await
}

fn without_echo(site: &Site, body: Change, service: &Service) -> Change {
    let current = site.app.live.one(&service.id, Timestamp::now());
    body.without_echo(service, current.and_then(|now| now.capacity_bytes_per_second))
}

async fn update(
    site: &Shared,
    service: &Arc<Service>,
    details: ServiceDetails,
) -> Result<Json<Item>, Failure> {
    let id = service.id.clone();
    let service = site.change(move |app| app.registry.update(&id, details)).await??;
    Ok(Json(Item::of(site, &service, 1)))
}

/// Removes a service with its token and all its traffic.
#[utoipa::path(
    delete, path = "/api/services/{id}", tag = "Services", operation_id = "remove",
    params(("id" = String, Path, description = "Its id", example = "edge-fra-01")),
    responses((status = 204, description = "It is gone"))
)]
pub(crate) async fn remove(
    State(site): State<Shared>,
    Named(service): Named,
) -> Result<StatusCode, Failure> {
    let id = service.id.clone();
    site.change(move |app| app.registry.remove(&id)).await??;
    Ok(StatusCode::NO_CONTENT)
}

/// A new token for a service's agent.
///
/// The old one stops at once, or after a time in which the agent can be given the new one.
#[utoipa::path(
    post, path = "/api/services/{id}/token", tag = "Services", operation_id = "rotate",
    params(("id" = String, Path, description = "Its id", example = "edge-fra-01"), GraceParams),
    responses((status = 201, description = "The token, shown this once", body = NewToken))
)]
pub(crate) async fn rotate(
    State(site): State<Shared>,
    Named(service): Named,
    params: Params,
) -> Result<(StatusCode, Json<NewToken>), Failure> {
    let grace = params.number("old_valid_seconds", 0..=LONGEST_GRACE)?.unwrap_or_default();
    let (id, grace) = (service.id.clone(), Duration::from_secs(grace.into()));
    let token = site.change(move |app| app.registry.rotate_token(&id, grace)).await??;
    Ok((StatusCode::CREATED, Json(NewToken { token: token.expose().to_owned() })))
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
