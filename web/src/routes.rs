//! Every address of the site, and the layers that all of them pass.

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::StatusCode,
    middleware::{from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use std::{any::Any, time::Duration};
use tower_http::{
    catch_panic::CatchPanicLayer, compression::CompressionLayer, timeout::RequestBodyTimeoutLayer,
};

use crate::{
    access, api, assets, error, error::Failure, headers, hosts, mqtt, origin, pages, site::Shared,
    theme,
};

/// Most bytes of a request: forms and JSON of the registry are small.
const BODY_BYTES: usize = 64 * 1024;
/// Longest pause while a client sends a body.
const BODY_PAUSE: Duration = Duration::from_secs(15);

/// The site.
pub(crate) fn router(site: &Shared) -> Router {
    Router::new()
        .merge(page_routes())
        .merge(api_routes())
        .route("/theme", post(theme::choose))
        .route("/assets/{name}", get(assets::asset))
        .route("/favicon.ico", get(assets::favicon))
        .route("/mqtt", get(mqtt::upgrade))
        .fallback(nowhere)
        .layer(from_fn(access::admit))
        .layer(from_fn(origin::own_pages_only))
        .layer(from_fn_with_state(Shared::clone(site), hosts::own_names_only))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(RequestBodyTimeoutLayer::new(BODY_PAUSE))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(Shared::clone(site), error::dress))
        .layer(from_fn(headers::finish))
        .layer(CompressionLayer::new())
        .with_state(Shared::clone(site))
}

fn page_routes() -> Router<Shared> {
    Router::new()
        .route("/", get(pages::dashboard::page))
        .route("/analytics", get(pages::analytics::page))
        .route("/status", get(pages::status::page))
        .route("/services/new", get(pages::add::page).post(pages::add::create))
        .route("/services/{id}", get(pages::service::page).post(pages::service::save))
        .route("/services/{id}/token", post(pages::service::rotate))
        .route(
            "/services/{id}/remove",
            get(pages::service::ask_removal).post(pages::service::remove),
        )
}

fn api_routes() -> Router<Shared> {
    Router::new()
        .route("/healthz", get(api::health::alive))
        .route("/readyz", get(api::health::ready))
        .route("/metrics", get(api::metrics::metrics))
        .route("/api/traffic/current", get(api::traffic::current))
        .route("/api/traffic/history", get(api::traffic::history))
        .route("/api/traffic/stream", get(api::traffic::stream))
        .route("/api/traffic/analytics/hourly", get(api::analytics::hourly))
        .route("/api/traffic/analytics/weekly", get(api::analytics::weekly))
        .route("/api/services", get(api::services::list).post(api::services::create))
        .route("/api/services/", get(api::services::list).post(api::services::create))
        .route(
            "/api/services/{id}",
            get(api::services::one)
                .put(api::services::replace)
                .patch(api::services::change)
                .delete(api::services::remove),
        )
        .route("/api/services/{id}/token", post(api::services::rotate))
}

async fn nowhere() -> Failure {
    Failure::no_page()
}

/// A bug in a handler ends one request and nothing else.
#[allow(clippy::needless_pass_by_value, reason = "the layer hands it over")]
fn panicked(reason: Box<dyn Any + Send>) -> Response {
    let text = reason.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| reason.downcast_ref::<&str>().copied()).unwrap_or_default();
    tracing::error!(reason = text, "a handler panicked");
    Failure { status: StatusCode::INTERNAL_SERVER_ERROR, ..Failure::internal() }.into_response()
}
