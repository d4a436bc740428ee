//! Every address of the site, and the layers that all of them pass.

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{Method, StatusCode},
    middleware::{from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
};
use std::{any::Any, time::Duration};
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::{CompressionLayer, DefaultPredicate, Predicate, predicate::NotForContentType},
    timeout::RequestBodyTimeoutLayer,
};

use crate::{
    access::{
        self, Needs,
        Needs::{Manage, Nothing, Read, ReadAll},
        Row,
    },
    api, assets, compat, error,
    error::Failure,
    headers, hosts, mqtt, origin, pages, peer,
    site::Shared,
    theme, waiting,
};

/// Most bytes of a request: forms and JSON of the registry are small.
const BODY_BYTES: usize = 64 * 1024;
/// Longest pause while a client sends a body.
const BODY_PAUSE: Duration = Duration::from_secs(15);

/// A route and method, and what it needs of whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its path, parameters in braces.
    pub path: &'static str,
    /// Its method; `GET` answers `HEAD` too.
    pub method: Method,
    /// What it needs.
    pub needs: Needs,
}

/// The table of all routes.
pub fn routes() -> Vec<Route> {
    let route = |row: Row| Route { path: row.path, method: row.method, needs: row.needs };
    table().into_iter().map(route).collect()
}

/// Every route and method, with what it needs of whoever asks. There is no
/// other way to become a route.
fn table() -> Vec<Row> {
    let mut rows = page_rows();
    rows.extend(api_rows());
    rows.extend(credential_rows());
    rows.extend(compat::rows());
    rows.extend([
        Row::post("/theme", Nothing, theme::choose),
        Row::get("/assets/{name}", Nothing, assets::asset),
        Row::get("/favicon.ico", Nothing, assets::favicon),
        // MQTT brings its own credentials.
        Row::get("/mqtt", Nothing, mqtt::upgrade),
    ]);
    rows
}

fn page_rows() -> Vec<Row> {
    vec![
        Row::get("/login", Nothing, pages::login::page),
        Row::post("/login", Nothing, pages::login::enter),
        Row::post("/logout", Nothing, pages::login::leave),
        Row::get("/", ReadAll, pages::dashboard::page),
        Row::get("/analytics", ReadAll, pages::analytics::page),
        Row::get("/analytics/hours.csv", ReadAll, pages::analytics::hours),
        Row::get("/analytics/week.csv", ReadAll, pages::analytics::week_file),
        Row::get("/analytics/talkers.csv", ReadAll, pages::analytics::talkers_file),
        Row::get("/status", ReadAll, pages::status::page),
        Row::get("/docs", ReadAll, pages::docs::page),
        // Not below /services/: a service may have any name there.
        Row::get(pages::add::PATH, Manage, pages::add::page),
        Row::post(pages::add::PATH, Manage, pages::add::create),
        Row::get("/services/{id}", ReadAll, pages::service::page),
        Row::get("/services/{id}/volumes.csv", ReadAll, pages::service::volumes_file),
        Row::post("/services/{id}", Manage, pages::service::save),
        Row::post("/services/{id}/token", Manage, pages::service::rotate),
        Row::get("/services/{id}/remove", Manage, pages::service::ask_removal),
        Row::post("/services/{id}/remove", Manage, pages::service::remove),
    ]
}

fn api_rows() -> Vec<Row> {
    vec![
        Row::get("/healthz", Nothing, api::health::alive),
        Row::get("/readyz", Nothing, api::health::ready),
        Row::get("/metrics", ReadAll, api::metrics::metrics),
        Row::get("/openapi.json", Nothing, api::document::json),
        Row::get("/api/traffic/current", Read, api::traffic::current),
        Row::get("/api/traffic/history", Read, api::traffic::history),
        Row::get("/api/traffic/stream", Read, api::traffic::stream),
        Row::get("/api/traffic/export", Read, api::export::export),
        Row::get("/api/traffic/analytics/hourly", Read, api::analytics::hourly),
        Row::get("/api/traffic/analytics/weekly", Read, api::analytics::weekly),
        Row::get("/api/services", Read, api::services::list),
        Row::post("/api/services", Manage, api::services::create),
        Row::get("/api/services/", Read, api::services::list),
        Row::post("/api/services/", Manage, api::services::create),
        Row::get("/api/services/{id}", Read, api::services::one),
        Row::put("/api/services/{id}", Manage, api::services::replace),
        Row::patch("/api/services/{id}", Manage, api::services::change),
        Row::delete("/api/services/{id}", Manage, api::services::remove),
        Row::post("/api/services/{id}/token", Manage, api::services::rotate),
        Row::get("/api/backup", Manage, api::backup::backup),
        Row::get("/api/import/progress", Manage, api::import::progress),
        Row::post("/api/import/samples", Manage, api::import::samples),
    ]
}

fn credential_rows() -> Vec<Row> {
    use api::credentials as api;
    use pages::access as page;
    vec![
        Row::get("/access", Manage, page::page),
        Row::post("/access/readers", Manage, page::create_reader),
        Row::post("/access/readers/remove", Manage, page::remove_reader),
        Row::post("/access/tokens", Manage, page::create_script),
        Row::post("/access/tokens/remove", Manage, page::remove_script),
        Row::post("/access/sessions/end", Manage, page::end_session),
        Row::post("/access/sessions/end-all", Manage, page::end_all_sessions),
        Row::post("/access/password", Manage, page::set_password),
        Row::get("/api/readers", Manage, api::readers),
        Row::post("/api/readers", Manage, api::create_reader),
        Row::get("/api/readers/", Manage, api::readers),
        Row::post("/api/readers/", Manage, api::create_reader),
        Row::delete("/api/readers/{name}", Manage, api::remove_reader),
        Row::get("/api/tokens", Manage, api::scripts),
        Row::post("/api/tokens", Manage, api::create_script),
        Row::get("/api/tokens/", Manage, api::scripts),
        Row::post("/api/tokens/", Manage, api::create_script),
        Row::delete("/api/tokens/{name}", Manage, api::remove_script),
        Row::put("/api/password", Manage, api::set_password),
        Row::delete("/api/sessions", Manage, api::end_sessions),
    ]
}

/// The site.
pub(crate) fn router(site: &Shared) -> Router {
    let router = table().into_iter().fold(Router::new(), |router, row| row.join(router));
    let router = router
        .fallback(nowhere)
        .layer(from_fn_with_state(Shared::clone(site), access::admit))
        .layer(from_fn_with_state(Shared::clone(site), origin::own_pages_only))
        .layer(from_fn_with_state(Shared::clone(site), hosts::own_names_only))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(from_fn(waiting::answer_in_time))
        .layer(RequestBodyTimeoutLayer::new(BODY_PAUSE))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(Shared::clone(site), error::dress));
    // Outside of the refusals, which pages of other origins read as well.
    let router = match site.origins.layer() {
        Some(layer) => router.layer(layer),
        None => router,
    };
    router
        .layer(from_fn(headers::finish))
        .layer(from_fn_with_state(Shared::clone(site), peer::resolve))
        .layer(CompressionLayer::new().compress_when(worth_compressing()))
        .with_state(Shared::clone(site))
}

/// Databases and Parquet are compressed already.
fn worth_compressing() -> impl Predicate {
    DefaultPredicate::new()
        .and(NotForContentType::const_new("application/octet-stream"))
        .and(NotForContentType::const_new("application/vnd.apache.parquet"))
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
