//! The API: handlers that read parameters, ask, and answer JSON.

pub(crate) mod analytics;
pub(crate) mod backup;
pub(crate) mod body;
pub(crate) mod credentials;
pub(crate) mod document;
pub(crate) mod export;
pub(crate) mod health;
pub(crate) mod import;
pub(crate) mod metrics;
pub(crate) mod query;
pub(crate) mod services;
pub(crate) mod traffic;

/// Whether a path belongs to the API, and not to the pages.
pub(crate) fn is_at(path: &str) -> bool {
    let alone = ["/api", "/healthz", "/readyz", "/metrics", "/openapi.json"];
    path.starts_with("/api/") || alone.contains(&path)
}
