//! The API of the original Komandorr: its agents and dashboards keep working
//! when only their URL is changed. Units and words are the original's; what is
//! stored and shown behind it is ours.

mod account;
mod accounts;
mod body;
pub(crate) mod read;
mod refusal;
mod service;
mod shown;
pub(crate) mod socket;
pub(crate) mod update;

use axum::{
    http::{HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

use crate::access::{
    Needs::{Nothing, Publish, Read, ReadAll},
    Row,
};

pub(crate) use accounts::Accounts;
pub(crate) use refusal::refusal;
pub(crate) use service::{Fields, fields};
use shown::{Now, Point, now, points};

/// The addresses of the original that ours do not answer already.
pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row::get("/api/health", Nothing, read::health),
        Row::post("/api/traffic/update", Publish, update::update),
        Row::get("/api/traffic/summary", Read, read::summary),
        Row::get("/api/traffic/ws", Read, socket::upgrade),
        Row::get("/api/traffic/{id}/current", Read, read::current),
        Row::get("/api/traffic/{id}/history", Read, read::history),
        Row::post("/api/traffic/update/", Publish, without_slash),
        Row::get("/api/traffic/summary/", ReadAll, without_slash),
        Row::get("/api/traffic/{id}/current/", ReadAll, without_slash),
        Row::get("/api/traffic/{id}/history/", ReadAll, without_slash),
    ]
}

/// 307, which keeps method and body: behind a 301 or 302 an agent would turn
/// its POST into a GET, and take the answer for success.
async fn without_slash(uri: Uri) -> Response {
    let path = uri.path().trim_end_matches('/');
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    match HeaderValue::from_str(&format!("{path}{query}")) {
        Ok(place) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, place)]).into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}
